"""Tensors beside Python's and NumPy's values: contract 7, ownership of values, and what the errors say."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor


def leaf(*shape: int) -> Tensor:
    return Tensor(np.ones(shape), requires_grad=True)


# ------------------------------------------------------------------------------------------------------ construction


def test_data_is_copied_and_read_only() -> None:
    array = np.zeros(3)
    t = Tensor(array)
    array[0] = 5
    assert t.data.tolist() == [0, 0, 0]
    assert array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        t.data[0] = 1
    for result in (t * 2, leaf(3) * 2, leaf(3)[1:], leaf(3).sum()):
        with pytest.raises(ValueError, match="read-only"):
            result.data[...] = 1


@pytest.mark.parametrize(
    ("data", "dtype"),
    [(1, np.int64), (1.5, np.float64), ([1, 2.5], np.float64), ([True], bool), (np.float32(1), np.float32),
     (np.ones(2, np.float16), np.float16), (Tensor(np.ones(2, np.float32)), np.float32)],
)  # fmt: skip
def test_numpy_decides_the_dtype(data: Any, dtype: Any) -> None:
    assert Tensor(data).dtype == dtype
    assert Tensor(data, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("data", [[1, 2], [True], np.arange(3), np.uint8(1)])
def test_integers_and_booleans_cannot_require_grad(data: Any) -> None:
    with pytest.raises(
        TypeError, match=r"only floating-point tensors can require grad, but this is .*; use dtype=float"
    ):
        Tensor(data, requires_grad=True)
    assert Tensor(data, requires_grad=True, dtype=float).requires_grad


def test_requires_grad_is_checked_when_it_is_set_as_well() -> None:
    t = Tensor([1, 2])
    with pytest.raises(TypeError, match="only floating-point tensors can require grad, but this is int64"):
        t.requires_grad = True
    t.requires_grad = False
    x = leaf(2)
    for value in ("x", 1, None):
        with pytest.raises(TypeError, match=f"requires_grad is True or False, not {value!r}"):
            x.requires_grad = value  # type: ignore[assignment]
    assert x.requires_grad
    y = x * 2
    with pytest.raises(TypeError, match=re.escape("only a leaf can be frozen; this tensor was computed, so detach()")):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad


@pytest.mark.parametrize("data", ["text", None, [1j], object(), ["a", "b"]])
def test_what_is_no_number_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match=r"^Tensor: data must be numbers or booleans, but this is an array of"):
        Tensor(data)


def test_attributes() -> None:
    t = Tensor(np.zeros((2, 3), np.float32), requires_grad=True, name="w")
    assert (t.shape, t.ndim, t.size, len(t), t.name) == ((2, 3), 2, 6, 2, "w")
    assert t.dtype == np.float32
    assert t.grad is None
    assert t.node is None
    assert [row.shape for row in t] == [(3,), (3,)]
    assert t.T.shape == (3, 2)
    assert Tensor(np.zeros((2, 3, 4))).mT.shape == (2, 4, 3)


def test_repr_shows_value_dtype_and_origin() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="w")
    assert repr(x) == "Tensor([1., 2.], float64, requires_grad=True, name='w')"
    assert repr(x.sum(0)) == "Tensor(3., float64, Node(sum((2,)), {'axis': 0, 'keepdims': False}))"
    assert repr(Tensor(1)) == "Tensor(1, int64)"
    assert len(repr(Tensor(np.zeros(100_000)))) < 200


def test_detach_has_the_value_and_no_history() -> None:
    x = leaf(2)
    y = (x * 2).detach()
    assert y.node is None
    assert not y.requires_grad
    (x * y).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_conversions_of_one_element() -> None:
    t = Tensor([[2.5]])
    assert (float(t), int(t), bool(t), t.item()) == (2.5, 2, True, 2.5)
    with pytest.raises(ValueError, match="size 1"):
        float(leaf(2))
    with pytest.raises(TypeError, match=re.escape("len() of a 0-d tensor")):
        len(leaf())
    with pytest.raises(TypeError, match="0-d"):
        iter(leaf())


def test_tensors_hash_by_identity_and_compare_by_element() -> None:
    x, y = Tensor([1.0, 2.0]), Tensor([1.0, 3.0])
    assert len({x, y, x}) == 2
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        out = compare(x, y)
        assert type(out) is Tensor
        np.testing.assert_array_equal(out.data, compare(x.data, y.data))
        np.testing.assert_array_equal(compare(x.data, y).data, compare(x.data, y.data))
        np.testing.assert_array_equal(compare(x, 2.0).data, compare(x.data, 2.0))


def test_an_unknown_attribute_suggests_a_known_one() -> None:
    with pytest.raises(AttributeError, match="no attribute or operation 'tanhh'; did you mean 'tanh'"):
        leaf(2).tanhh()
    with pytest.raises(AttributeError, match=r"no attribute or operation 'zzzz'$"):
        _ = leaf(2).zzzz
    assert not hasattr(leaf(2), "__array_interface__")


def test_methods_are_the_operations() -> None:
    x = Tensor(np.arange(6.0).reshape(2, 3))
    for method, function in [
        (x.sum(0), tg.sum(x, axis=0)),
        (x.mean((0, 1), keepdims=True), tg.mean(x, axis=(0, 1), keepdims=True)),
        (x.max(1), tg.max(x, axis=1)),
        (x.min(), tg.min(x)),
        (x.reshape(3, -1), tg.reshape(x, shape=(3, -1))),
        (x.reshape((6,)), tg.reshape(x, shape=(6,))),
        (x.transpose(1, 0), tg.transpose(x, axes=(1, 0))),
        (x.transpose(), tg.transpose(x)),
        (x.swapaxes(0, 1), tg.swapaxes(x, axis1=0, axis2=1)),
        (x.tanh(), tg.tanh(x)),
        (x.softmax(axis=0), tg.softmax(x, axis=0)),
        (abs(-x), tg.abs(x)),
        (-x, tg.neg(x)),
    ]:
        np.testing.assert_array_equal(method.data, function.data, strict=True)


# ----------------------------------------------------------------------------------------------------------- indexing


@pytest.mark.parametrize(
    "index",
    [0, -1, slice(None), slice(3, 0, -2), ..., None, (0, 1), (slice(None), 1), (..., 0), (None, 2, ..., None),
     [0, 0, 2], np.array([[1, 2]]), np.array([True, False, True, False]), ([0, 1], [1, 2]), (slice(1, 3), [0, 0]),
     np.int64(1), (np.arange(4)[:, None] > 1) & np.ones((4, 3), bool), [True, False, True, True], ()],
    ids=str,
)  # fmt: skip
def test_indexing_is_numpys(index: Any) -> None:
    x = Tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
    out = x[index]
    np.testing.assert_array_equal(out.data, x.data[index])
    out.backward(np.arange(1.0, out.size + 1).reshape(out.shape))
    expected = np.zeros(12)
    np.add.at(expected, np.arange(12).reshape(4, 3)[index], np.arange(1.0, out.size + 1).reshape(out.shape))
    np.testing.assert_array_equal(x.grad, expected.reshape(4, 3))


def test_a_tensor_of_indices_or_a_mask_indexes() -> None:
    x = Tensor(np.arange(4.0), requires_grad=True)
    assert x[Tensor([3, 0])].data.tolist() == [3, 0]
    assert x[x > 1.5].data.tolist() == [2, 3]


def test_an_empty_index_is_what_numpy_takes_it_for() -> None:
    for shape in [(0, 3), (2, 0), (0,)]:
        x, mask = Tensor(np.ones(shape), requires_grad=True), np.ones(shape, bool)
        assert x[mask].shape == x.data[mask].shape == (0,)
        x[mask].sum().backward()
        assert x.grad.shape == shape
    assert leaf(2, 3)[[]].shape == leaf(2, 3)[np.zeros(0, int)].shape == (0, 3)


def test_an_array_of_indices_changed_later_changes_nothing() -> None:
    x, index = Tensor(np.arange(3.0), requires_grad=True), np.array([0, 1])
    out = x[index]
    index[:] = 2
    out.sum().backward()
    assert x.grad.tolist() == [1, 1, 0]


# ------------------------------------------------------------------------------------------------------ NumPy's values

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul]


@pytest.mark.parametrize("apply", OPERATORS)
@pytest.mark.parametrize("kind", [np.ndarray, np.float64, float, int])
def test_every_operator_reaches_the_tensor_from_either_side(apply: Callable[..., Any], kind: type) -> None:
    x = Tensor([1.5, 2.0, 3.0], requires_grad=True)
    other: Any = np.array([2.0, 3.0, 0.5]) if kind is np.ndarray else kind(2)
    if apply is operator.matmul and kind is not np.ndarray:
        with pytest.raises(ValueError, match=r"^matmul\("):
            apply(x, other)
        return
    for left, right, expected in [(x, other, apply(x.data, other)), (other, x, apply(other, x.data))]:
        out = apply(left, right)
        assert type(out) is Tensor
        assert out.requires_grad
        np.testing.assert_array_equal(out.data, expected)


def test_in_place_operators_make_a_new_tensor_and_arrays_refuse_them() -> None:
    x = leaf(2)
    y = x
    y += 1
    assert y is not x
    assert x.data.tolist() == [1, 1]
    array = np.ones(2)
    with pytest.raises(TypeError, match=r"np\.add does not take tensors with out; write tinygrad_rnn\.add"):
        array += x


@pytest.mark.parametrize("name", ["tanh", "exp", "log", "sqrt", "negative", "absolute", "sign", "expm1", "log1p"])
def test_numpys_functions_of_one_element_are_the_operations(name: str) -> None:
    x = leaf(3)
    out = getattr(np, name)(x)
    assert type(out) is Tensor
    np.testing.assert_array_equal(out.data, getattr(np, name)(x.data))


def test_numpys_functions_of_two_elements_are_the_operations() -> None:
    assert isinstance(np.maximum(np.zeros(3), leaf(3)), Tensor)
    assert isinstance(np.matmul(np.ones((2, 3)), leaf(3)), Tensor)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (np.sum, "np.sum does not take tensors; write tinygrad_rnn.sum(...)"),
        (lambda t: np.concatenate([t, t]), "np.concatenate does not take tensors; write tinygrad_rnn.concatenate(...)"),
        (np.median, "np.median does not take tensors; use the operations of tinygrad_rnn, or t.detach().numpy()"),
        (np.floor, "np.floor does not take tensors; use the operations of tinygrad_rnn, or t.detach().numpy()"),
        (np.add.reduce, "np.add.reduce does not take tensors; write t.sum(axis)"),
        (np.square, "np.square does not take tensors; write t * t"),
        (lambda t: np.hstack([t, t]), "np.hstack does not take tensors; write concatenate(a, b, axis=1)"),
        (np.linalg.norm, "np.norm does not take tensors; write tinygrad_rnn.norm(...)"),
        (lambda t: np.exp(t, where=True), "np.exp does not take tensors with where; write tinygrad_rnn.exp(...)"),
        (np.asarray, "which would cut the graph silently; say so with .detach()"),
        (lambda t: np.array([t, t]), "which would cut the graph silently; say so with .detach()"),
        (lambda t: t.__setitem__(0, 1.0), "t[0] = value would change a tensor of shape"),
    ],
)
def test_what_would_cut_the_graph_says_what_to_do(call: Callable[[Tensor], Any], text: str) -> None:
    with pytest.raises(TypeError, match=re.escape(text)):
        call(leaf(2))


def test_the_way_that_item_assignment_names_does_it() -> None:
    t = Tensor(np.zeros((3, 2)), requires_grad=True)
    text = "mask = np.zeros((3, 2), bool); mask[1:, 0] = True; t = where(mask, value, t)"
    with pytest.raises(TypeError, match=re.escape(text)):
        t[1:, 0] = 5.0
    mask = np.zeros((3, 2), bool)
    mask[1:, 0] = True
    assert tg.where(mask, 5.0, t).data.tolist() == [[0, 0], [5, 0], [5, 0]]


def test_a_tensor_without_gradient_becomes_an_array() -> None:
    t = Tensor([1.0, 2.0])
    assert np.asarray(t).tolist() == [1, 2]
    assert np.asarray(t, np.float32).dtype == np.float32
    assert np.array(t).flags.writeable
    assert np.asarray(leaf(2).detach()).tolist() == [1, 1]
    assert (leaf(2) * 2).detach().numpy().tolist() == [2, 2]


def test_float32_with_float64_arrays_promotes_as_in_numpy() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    assert (x * np.ones(2)).dtype == np.float64
    assert (x * np.ones(2, np.float32)).dtype == np.float32
    assert (x * Tensor(2)).dtype == (np.ones(2, np.float32) * np.array(2)).dtype


# ----------------------------------------------------------------------------------------------------- replacing data


def test_replacing_data_keeps_dtype_and_shape() -> None:
    t = Tensor(np.ones(2, np.float32), requires_grad=True)
    t.data = [3, 4]
    assert t.dtype == np.float32
    assert not t.data.flags.writeable
    with pytest.raises(ValueError, match=re.escape("this one has (2,), the new value (3,)")):
        t.data = np.ones(3)
    with pytest.raises(TypeError, match="only a leaf's value can be replaced"):
        (t * 2).data = np.ones(2)


def test_a_rebound_tensor_follows_its_buffer() -> None:
    buffer = np.zeros(4)
    t = Tensor(np.ones(2), requires_grad=True)
    t.rebind(buffer[1:3])
    buffer[1] = 7
    assert t.data.tolist() == [7, 0]
    assert not t.data.flags.writeable
    assert buffer.flags.writeable
