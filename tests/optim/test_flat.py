import copy
from collections.abc import Callable

import numpy as np
import pytest

from tinygrad_rnn import Tensor
from tinygrad_rnn.optim import SGD, FlatParameters


def leaf(*shape: int, start: float = 1.0) -> Tensor:
    return Tensor(np.arange(np.prod(shape), dtype=float).reshape(shape) + start, requires_grad=True)


def test_values_and_gradients_are_windows_on_two_buffers() -> None:
    a, b, c = leaf(2, 3), leaf(), leaf(4)
    before = [t.data.copy() for t in (a, b, c)]
    flat = FlatParameters(iter([a, b, c]))
    assert flat.value.shape == flat.grad.shape == (11,)
    for t, old in zip((a, b, c), before, strict=True):
        np.testing.assert_array_equal(t.data, old)
        assert np.shares_memory(t.data, flat.value)
        assert np.shares_memory(t.grad, flat.grad)
        assert not t.data.flags.writeable
        assert t.grad.flags.writeable
        assert t.grad.shape == t.shape
    for one, other in ((a, b), (b, c), (a, c)):
        assert not np.shares_memory(one.grad, other.grad)
    flat.value[:] = np.arange(11)
    np.testing.assert_array_equal(a.data, [[0, 1, 2], [3, 4, 5]])
    assert b.item() == 6
    assert repr(flat) == "FlatParameters(3 tensors, 11 elements of float64)"


def test_backward_adds_where_the_optimizer_reads() -> None:
    a, b = leaf(2, 3), leaf(3)
    flat = FlatParameters([a, b])
    windows = a.grad, b.grad
    for times in (1, 2):
        (a * b).sum().backward()
        np.testing.assert_array_equal(flat.grad, times * np.array([1, 2, 3, 1, 2, 3, 5, 7, 9]))
    assert a.grad is windows[0]
    assert b.grad is windows[1]
    flat.zero_grad()
    assert not flat.grad.any()
    assert not windows[0].any()


def test_gradients_that_exist_are_kept() -> None:
    a = leaf(3)
    (a * a).sum().backward()
    assert FlatParameters([a]).grad.tolist() == [2, 4, 6]


def test_a_tensor_given_twice_counts_once_and_one_without_gradient_not_at_all() -> None:
    a, frozen, b = leaf(2), Tensor([7.0, 8.0]), leaf(3)
    flat = FlatParameters([a, frozen, b, a])
    assert [id(t) for t in flat.tensors] == [id(a), id(b)]
    assert flat.value.size == 5
    assert not np.shares_memory(frozen.data, flat.value)
    assert frozen.grad is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_and_size_zero(dtype: type) -> None:
    tensors = [Tensor(np.ones(shape, dtype), requires_grad=True) for shape in [(0, 3), (2,), ()]]
    flat = FlatParameters(tensors)
    assert flat.value.dtype == flat.grad.dtype == dtype
    assert flat.value.size == 3
    assert [t.grad.shape for t in tensors] == [(0, 3), (2,), ()]


def test_assigned_values_are_trained_not_a_detached_buffer() -> None:
    a, b = leaf(2), leaf(2)
    optimizer = SGD([a, b], lr=0.5)
    a.data = np.array([10.0, 20.0])
    optimizer.zero_grad()
    loss = (a * a + b).sum()
    loss.backward()
    optimizer.step()
    np.testing.assert_array_equal(a.data, [0, 0])
    np.testing.assert_array_equal(b.data, [0.5, 1.5])
    assert np.shares_memory(a.data, optimizer.parameters.value)


def test_zero_grad_leaves_a_recorded_graph_valid_after_an_assignment() -> None:
    a = leaf(2)
    optimizer = SGD([a], lr=0.5)
    a.data = np.array([10.0, 20.0])
    loss = (a * a).sum()
    optimizer.zero_grad()
    loss.backward()
    np.testing.assert_array_equal(a.grad, [20, 40])


@pytest.mark.parametrize(
    ("assign", "moved"),
    [
        (lambda g: None, [1, 2]),
        (lambda g: np.array([4.0, 8.0]), [-1, -2]),
        (lambda g: np.array([4.0, 8.0], np.float32), [-1, -2]),
        (lambda g: g * 2, [-1, -2]),
        (lambda g: Tensor([4.0, 8.0]), [-1, -2]),
    ],
    ids=["None", "array", "other dtype", "scaled", "Tensor"],
)
def test_assigned_gradients_are_gathered(assign: Callable[[np.ndarray], object], moved: list[float]) -> None:
    a = leaf(2)
    optimizer = SGD([a], lr=0.5)
    (a * a).sum().backward()
    a.grad = assign(a.grad)
    optimizer.step()
    np.testing.assert_array_equal(a.data, moved)
    assert np.shares_memory(a.grad, optimizer.parameters.grad)


def test_gradients_made_after_none_was_assigned() -> None:
    a = leaf(2)
    optimizer = SGD([a], lr=0.5)
    for _ in range(2):
        a.grad = None
        (3 * a).sum().backward()
        optimizer.step()
    np.testing.assert_array_equal(a.data, [-2, -1])


def test_gradient_with_a_graph() -> None:
    a = leaf(2)
    optimizer = SGD([a], lr=0.25)
    (a * a).sum().backward(create_graph=True)
    optimizer.step()
    np.testing.assert_array_equal(a.data, [0.5, 1])


def test_a_graph_recorded_before_a_step_refuses_backward() -> None:
    a = leaf(2)
    optimizer = SGD([a], lr=0.5)
    loss = (a * a).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"input of shape \(2,\) was changed after it was used \(an optimizer step"):
        loss.backward()


def test_optimizers_that_share_a_parameter_see_each_others_work() -> None:
    shared, own = leaf(2), leaf(2)
    first, second = SGD([shared], lr=1.0), SGD([own, shared], lr=0.5)
    value = shared.data.copy()
    for optimizer, lr in [(first, 1.0), (second, 0.5), (second, 0.5), (first, 1.0), (first, 1.0), (second, 0.5)]:
        optimizer.zero_grad()
        (shared * shared).sum().backward()
        np.testing.assert_array_equal(shared.grad, 2 * value)
        optimizer.step()
        value = value - lr * 2 * value
        np.testing.assert_array_equal(shared.data, value)
    np.testing.assert_array_equal(own.data, [1, 2])


def test_two_optimizers_step_on_one_gradient() -> None:
    a = leaf(2)
    first, second = SGD([a], lr=0.25), SGD([a], lr=0.5)
    (a * 4).sum().backward()
    first.step()
    second.step()
    np.testing.assert_array_equal(a.data, [-2, -1])
    first.zero_grad()
    assert not a.grad.any()
    second.step()
    np.testing.assert_array_equal(a.data, [-2, -1])


def test_freezing_a_parameter_later_is_an_error() -> None:
    a, b = leaf(2), Tensor([1.0], requires_grad=True, name="head.bias")
    optimizer = SGD([a, b], lr=0.5)
    b.requires_grad = False
    with pytest.raises(ValueError, match=r"parameter 1 'head.bias' no longer requires grad.* make a new optimizer"):
        optimizer.step()


def test_a_gradient_of_another_shape_is_an_error() -> None:
    a = leaf(2, 3)
    optimizer = SGD([a], lr=0.5)
    a.grad = np.zeros(3)
    with pytest.raises(ValueError, match=r"parameter 0 has shape \(2, 3\), but its gradient \(3,\)"):
        optimizer.step()


def test_a_gradient_of_another_kind_is_an_error() -> None:
    a = leaf(2)
    optimizer = SGD([a], lr=0.5)
    a.grad = np.zeros(2, complex)
    with pytest.raises(TypeError, match="complex128"):
        optimizer.step()
    assert a.data.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("parameters", "kind", "text"),
    [
        ([], ValueError, "none that requires grad, so nothing to optimize"),
        ([Tensor([1.0])], ValueError, "none that requires grad, so nothing to optimize"),
        (leaf(2), TypeError, r"expected an iterable of tensors, but this is a Tensor; .*\[w, b\]"),
        (3, TypeError, "expected an iterable of tensors, but this is a int"),
        ({"w": leaf(2)}, TypeError, "expected tensors, but number 0 is a str"),
        ([leaf(2), np.ones(2)], TypeError, "expected tensors, but number 1 is a ndarray"),
        ([leaf(2) * 2], ValueError, r"parameter 0 was computed, by Node\(mul.*; only leaves can be optimized"),
        (
            [leaf(2), Tensor(np.ones(2, np.float32), requires_grad=True, name="w")],
            TypeError,
            "parameter 1 'w' is float32, but one buffer has one floating-point dtype, here float64; convert it",
        ),
    ],
)
def test_what_cannot_be_optimized(parameters: list[Tensor], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        FlatParameters(parameters)


def test_a_refused_list_leaves_its_tensors_alone() -> None:
    a, b = leaf(2), Tensor(np.ones(2, np.float32), requires_grad=True)
    data = a.data
    with pytest.raises(TypeError):
        FlatParameters([a, b])
    assert a.data is data
    assert a.grad is None


def test_a_copy_moves_copies_of_the_tensors_in_memory_of_its_own() -> None:
    a, b = leaf(2), leaf(3)
    optimizer = SGD([a, b], lr=0.5, momentum=0.5)
    (a * a).sum().backward()
    optimizer.step()
    (a_twin, b_twin), twin = copy.deepcopy(([a, b], optimizer))
    np.testing.assert_array_equal(a_twin.grad, a.grad)
    twin.step()
    np.testing.assert_array_equal(a.data, [0, 0])
    np.testing.assert_array_equal(a_twin.data, [-1.5, -3])
    optimizer.step()
    for own, other in ((a, a_twin), (b, b_twin)):
        np.testing.assert_array_equal(own.data, other.data)
        assert not np.shares_memory(own.data, other.data)
