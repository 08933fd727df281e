"""Going back through the graph: contracts 4, 5 and 6."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, contributions, gradients, no_grad, op
from tinygrad_rnn.scope import scope


def leaf(data: Any) -> Tensor:
    return Tensor(np.array(data, float), requires_grad=True)


# ------------------------------------------------------------------------------------------------ order, accumulation


def test_a_tensor_waits_for_all_of_its_uses() -> None:
    """A late use of an early tensor, and an early use of a late one: no order but that of creation serves both."""
    a = leaf(3.0)
    b = a * a
    c = b * a
    d = c + b * c
    d.backward()
    assert float(a.grad) == 3 * 9 + 5 * 81  # d = a³ + a⁵


def test_gradients_accumulate_over_backward_calls() -> None:
    x = leaf([1.0, 2.0])
    (x * 3).sum().backward()
    grad = x.grad
    (x * x).sum().backward()
    assert x.grad is grad
    assert x.grad.tolist() == [5, 7]


def test_a_leaf_is_its_own_gradient() -> None:
    x = leaf(2.0)
    x.backward()
    assert float(x.grad) == 1


def test_only_leaves_get_gradients() -> None:
    x = leaf(2.0)
    y = x * x
    (y * 2).backward()
    assert y.grad is None
    assert float(x.grad) == 8


def test_tensors_that_do_not_require_grad_get_none() -> None:
    x, c = leaf(2.0), Tensor(3.0)
    (x * c).backward()
    assert c.grad is None


def test_broadcasting_is_undone_by_the_engine_for_any_rule() -> None:
    @op(x=lambda g, out, x, y: g * y, y=lambda g, out, x, y: g * x)
    def times(x: Any, y: Any) -> Any:
        return np.multiply(x, y)

    for shape in [(), (1,), (3,), (1, 3), (2, 1), (1, 1, 1)]:
        x, y = Tensor(np.full(shape, 2.0), requires_grad=True), Tensor(np.ones((4, 2, 3)), requires_grad=True)
        times(x, y).sum().backward()
        assert x.grad.shape == shape
        assert x.grad.sum() == 24
        assert y.grad.shape == (4, 2, 3)


def test_a_given_gradient_is_the_cotangent_of_the_output() -> None:
    x = leaf([1.0, 2.0])
    for gradient in ([1, 10], np.array([1.0, 10.0]), Tensor([1.0, 10.0])):
        x.grad = None
        (x * x).backward(gradient)
        assert x.grad.tolist() == [2, 40]


def test_a_gradient_of_another_shape_is_refused() -> None:
    text = "backward: gradient has shape (3,), but the tensor it belongs to has (2,)"
    with pytest.raises(ValueError, match=re.escape(text)):
        (leaf([1.0, 2.0]) * 2).backward(np.ones(3))


def test_without_a_gradient_the_output_must_be_a_scalar() -> None:
    with pytest.raises(
        RuntimeError, match=r"this tensor has shape \(2,\); reduce it \(such as .sum\(\) or .mean\(\)\)"
    ):
        (leaf([1.0, 2.0]) * 2).backward()
    x = leaf([[3.0]])
    (x * 2).backward()
    assert x.grad.tolist() == [[2]]


def test_backward_of_what_does_not_require_grad_says_why() -> None:
    x = leaf(1.0)
    with no_grad():
        silent = x * 2
    for t in (Tensor(1.0), silent, (x * 2).detach()):
        with pytest.raises(RuntimeError, match=r"does not require grad.*Tensor\(data, requires_grad=True\)"):
            t.backward()


def test_gradients_are_bitwise_reproducible() -> None:
    def run() -> bytes:
        random = np.random.default_rng(0)
        w, x = (Tensor(random.standard_normal((7, 7)), requires_grad=True) for _ in range(2))
        h, total = x, x.sum()
        for t in range(20):
            h = tg.tanh(h @ w + x[t % 7])
            total = total + (h * w).mean() + tg.take(w, np.array([t % 7, 3, 3])).sum()
        total.backward()
        return bytes(w.grad.tobytes() + x.grad.tobytes())

    first, keep = run(), [np.ones(n) for n in range(1000)]  # other addresses, and so other identities
    assert all(run() == first for _ in range(3))
    assert len(keep) == 1000


# ------------------------------------------------------------------------------------------------------- contributions


def test_slices_dense_uses_and_products_of_one_tensor_add_up() -> None:
    random = np.random.default_rng(1)
    value, xs, index = random.standard_normal((4, 3)), random.standard_normal((5, 2, 4)), np.array([1, 1, 3])
    cotangents = random.standard_normal((5, 2, 3))

    def total(w: Any) -> Any:
        parts = [(w[1] * 2).sum(), (w * value).sum(), (w[1:3, ::-1] * value[1:3]).sum(), (w[index] * 3).sum()]
        parts += [((x @ w) * c).sum() for x, c in zip(xs, cotangents, strict=True)]
        return parts

    expected = np.array(value)
    expected[1] += 2
    expected[1:3, ::-1] += value[1:3]
    np.add.at(expected, index, 3)
    expected += np.einsum("tbi,tbj->ij", xs, cotangents)
    for order in (slice(None), slice(None, None, -1)):  # which kind of contribution comes first
        w = leaf(value)
        summed = Tensor(0.0)
        for part in total(w)[order]:
            summed = summed + part
        (recorded,) = gradients(summed, [w], create_graph=True)
        summed.backward()
        np.testing.assert_allclose(w.grad, expected, rtol=1e-13)
        np.testing.assert_allclose(recorded.data, expected, rtol=1e-13)


def test_products_with_a_shared_weight_equal_the_dense_sum() -> None:
    random = np.random.default_rng(2)
    w, b = leaf(random.standard_normal((3, 4))), leaf(np.zeros(3))
    xs = [random.standard_normal(shape) for shape in [(2, 4), (4,), (5, 2, 4), (0, 4), (1, 4)] * 3]
    cotangents = [random.standard_normal((*x.shape[:-1], 3)) for x in xs]
    total = Tensor(0.0)
    for x, c in zip(xs, cotangents, strict=True):
        total = total + (tg.linear(x, w, b) * c).sum()
    total.backward()
    rows = [(x.reshape(-1, 4), c.reshape(-1, 3)) for x, c in zip(xs, cotangents, strict=True)]
    np.testing.assert_allclose(w.grad, np.sum([c.T @ x for x, c in rows], axis=0), rtol=1e-12)
    np.testing.assert_allclose(b.grad, np.sum([c.sum(0) for _, c in rows], axis=0), rtol=1e-12)


@pytest.mark.parametrize("large", [0, 10**9])  # from which size on slices are joined rather than added
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_slices_that_tile_an_axis_and_slices_that_do_not(
    axis: int, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contributions, "LARGE", large)
    value = np.arange(24.0).reshape(4, 3, 2)
    n = value.shape[axis]
    lead = (slice(None),) * (axis % 3)
    tilings = [[(0, n)], [(0, 1), (1, n)], [(1, n), (0, 1)], [(0, 1)], [(0, n), (0, 1)], [(0, 1), (0, 1)], [(-1, n)],
               [(0, 1), (1, 1), (1, n)], [(0, n + 5)]]  # fmt: skip
    for spans in tilings:
        x, expected, total = leaf(value), np.zeros(value.shape), Tensor(0.0)
        for k, (start, stop) in enumerate(spans):
            key: tuple[Any, ...] = (*lead, slice(start, stop))
            expected[key] += k + 1
            total = total + (x[key] * (k + 1)).sum()
        total.backward()
        np.testing.assert_array_equal(x.grad, expected)
        assert x.grad.flags.writeable


@pytest.mark.parametrize("large", [0, 10**9])
def test_unstacked_rows_come_back_in_their_places(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contributions, "LARGE", large)
    for order in [(0, 1, 2), (2, 0, 1), (1, 2), (0, 0, 1, 2), (0, -1, -2)]:
        x, expected, total = leaf(np.ones((3, 2))), np.zeros((3, 2)), Tensor(0.0)
        for k, t in enumerate(order):
            expected[t] += k + 1
            total = total + (x[t] * (k + 1)).sum()
        total.backward()
        np.testing.assert_array_equal(x.grad, expected)


# ---------------------------------------------------------------------------------------------- ownership of gradients


def test_two_leaves_of_one_sum_have_gradients_of_their_own() -> None:
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    cotangent = np.ones(2)
    (a + b).backward(cotangent)
    assert not np.shares_memory(a.grad, b.grad)
    a.grad *= 5
    assert (a.grad.tolist(), b.grad.tolist(), cotangent.tolist()) == ([5, 5], [1, 1], [1, 1])


@pytest.mark.parametrize(
    "function",
    [lambda x: x, lambda x: x + 0, lambda x: x.reshape(6), lambda x: x.T, lambda x: x[:, :], lambda x: x + x,
     lambda x: tg.broadcast_to(x, shape=(4, 2, 3)), tg.sum, tg.concatenate, lambda x: x[0], tg.flip,
     lambda x: tg.concatenate(*tg.split(x, 3, axis=1), axis=1), lambda x: tg.stack(*x)],
)  # fmt: skip
def test_leaf_gradients_are_writable_and_unaliased(function: Any) -> None:
    x = leaf(np.ones((2, 3)))
    out = function(x)
    cotangent = np.ones(out.shape)
    out.backward(cotangent)
    assert x.grad.flags.writeable
    assert not np.shares_memory(x.grad, cotangent)
    assert not np.shares_memory(x.grad, x.data)


def test_gradients_of_intermediates_are_copies_too() -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y + 0
    found = gradients(z.sum(), [x, y, z])
    assert all(g.flags.writeable for g in found)
    assert not any(np.shares_memory(found[i], found[j]) for i, j in [(0, 1), (0, 2), (1, 2)])


# ------------------------------------------------------------------------------------------------ freeing, retaining


def test_backward_twice_says_what_to_do() -> None:
    x = leaf(2.0)
    y = x * x
    z = y * 3
    z.backward()
    for again in (z, y, y * 2):
        with pytest.raises(
            RuntimeError, match=r"freed by an earlier backward.*retain_graph=True.*detach\(\) it between"
        ):
            again.backward()
    assert float(x.grad) == 12


def test_retain_graph_allows_a_second_pass() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert float(x.grad) == 8
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_gradients_frees_and_retains_as_backward_does() -> None:
    x = leaf(2.0)
    y = x * x
    assert float(gradients(y, [x], retain_graph=True)[0]) == 4
    assert float(gradients(y, [x])[0]) == 4
    assert x.grad is None
    with pytest.raises(RuntimeError, match="freed"):
        gradients(y, [x])


def test_detached_state_lets_the_next_window_go_back() -> None:
    w, state = leaf(0.5), Tensor(1.0)
    for _ in range(3):
        state = tg.tanh(state * w)
        state.backward()
        state = state.detach()
    assert np.isfinite(w.grad)


# ------------------------------------------------------------------------------------- gradients(), higher derivatives


def test_gradients_with_respect_to_intermediates() -> None:
    x = leaf(3.0)
    y = x * x
    z = y * y * 2
    found = gradients(z, [y, x, z], retain_graph=True)
    assert [float(g) for g in found] == [36, 216, 1]
    assert [float(g) for g in gradients(z, [x, y])] == [216, 36]


def test_gradients_computes_only_what_lies_between() -> None:
    used = []

    def rule(g: Any, out: Any, x: Any) -> Any:
        used.append(x)
        return g

    @op(x=rule)
    def spied(x: Any) -> Any:
        return np.positive(x)

    x, y = leaf(1.0), leaf(2.0)
    below = spied(x)
    out = below * spied(y)
    gradients(out, [below], retain_graph=True)
    assert used == []
    gradients(out, [y])
    assert used == [2.0]


def test_gradients_is_none_for_what_the_output_does_not_depend_on() -> None:
    x, other = leaf(1.0), leaf(2.0)
    assert gradients(x * 2, [other, x])[0] is None


def test_create_graph_gives_every_order() -> None:
    x = leaf(2.0)
    y, orders = x**5, []
    for _ in range(6):
        (y,) = gradients(y, [x], create_graph=True)
        orders.append(float(y))
    assert orders == [80, 160, 240, 240, 120, 0]


def test_backward_with_create_graph_leaves_tensors_in_grad() -> None:
    x = leaf([1.0, 2.0])
    (x * x * x).sum().backward(create_graph=True)
    assert type(x.grad) is Tensor
    slope, x.grad = x.grad, None
    (slope * slope).sum().backward()
    assert x.grad.tolist() == [2 * 3 * 6, 2 * 12 * 12]


def test_a_gradient_penalty_reaches_the_weights() -> None:
    w, x = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([1.0, -1.0])
    (slope,) = gradients(tg.tanh(w @ x).sum(), [x], create_graph=True)
    assert tg.gradcheck(lambda w: gradients(tg.tanh(w @ x).sum(), [x], create_graph=True)[0], [w.data])
    (slope * slope).sum().backward()
    assert w.grad.shape == (2, 2)


def test_recording_is_switched_back_after_an_error_in_a_rule() -> None:
    def rule(g: Any, out: Any, x: Any) -> Any:
        return g @ np.ones(5)

    @op(x=rule)
    def broken(x: Any) -> Any:
        return np.positive(x)

    x = leaf([1.0, 2.0])
    with scope("lstm"), scope(7):
        y = broken(x)
    with pytest.raises(ValueError, match=r"^backward of broken\(\(2,\)\): .*\[in lstm / t=7\]$"):
        y.sum().backward()
    assert (x * 2).requires_grad


# ------------------------------------------------------------------------ values stay what they were, or backward fails

STALE = r"of shape \(2,\) was changed after it was used.*call backward\(\) before changing parameters"


def test_replacing_data_between_forward_and_backward_is_refused() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="weight")
    with scope("lstm"), scope(3):
        y = x * x
    x.data = [5.0, 5.0]
    with pytest.raises(RuntimeError, match=rf"its input 'weight' {STALE}") as error:
        y.sum().backward()
    assert "backward of mul" in str(error.value)
    assert "[in lstm / t=3]" in str(error.value)
    assert x.grad is None


def test_replacing_a_constant_is_refused_as_well() -> None:
    x, c = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    y = x * c
    c.data = [0.0, 0.0]
    with pytest.raises(RuntimeError, match=STALE):
        y.sum().backward()


def test_writing_into_a_rebound_buffer_is_refused_once_touched() -> None:
    buffer = np.ones(2)
    x = leaf([1.0, 2.0])
    x.rebind(buffer)
    y, view, still = x * x, x.T, x.detach()
    buffer += 1
    x.touch()
    assert still.data.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match=STALE):
        y.sum().backward()
    with pytest.raises(RuntimeError, match=STALE):
        (view * 2).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4, 4]


@pytest.mark.parametrize("captured", [lambda a: a, lambda a: a[::-1], lambda a: np.broadcast_to(a, (3, 2))])
def test_captured_arrays_are_snapshots(captured: Any) -> None:
    """Also through views of them, writable or not."""
    array = np.array([1.0, 2.0])
    x = leaf([1.0, 1.0])
    y = x * captured(array)
    expected = captured(np.array([1.0, 2.0])).reshape(-1, 2).sum(0)
    array[:] = 100
    y.sum().backward()
    assert x.grad.tolist() == expected.tolist()


def test_captured_values_may_be_used_after_the_leaf_was_replaced() -> None:
    x = leaf([1.0, 2.0])
    x.data = [3.0, 4.0]
    (x * x).sum().backward()
    assert x.grad.tolist() == [6, 8]
