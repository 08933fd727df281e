"""What each operation does at ties, kinks and empty axes, where differences can't be the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients
from tinygrad_rnn.tensor import Array


def slope(function: Callable[..., Tensor], *inputs: Any, gradient: Any = None) -> list[Any]:
    """The gradient of each input, as nested lists."""
    tensors = [Tensor(np.array(x, float), requires_grad=True) for x in inputs]
    out = function(*tensors)
    found = gradients(out, tensors, np.ones(out.shape) if gradient is None else gradient)
    return [None if g is None else g.tolist() for g in found]


def hessian(function: Callable[[Tensor], Tensor], x: Any) -> Array:
    """Second derivatives of a scalar function of a vector."""
    leaf = Tensor(np.array(x, float), requires_grad=True)
    (first,) = gradients(function(leaf), [leaf], create_graph=True)
    rows = [gradients(first, [leaf], row, retain_graph=True)[0] for row in np.eye(len(x))]
    return np.array([np.zeros(len(x)) if row is None else row for row in rows])


def test_relu_has_slope_0_at_0() -> None:
    assert slope(tg.relu, [-1, 0, -0.0, 1]) == [[0, 0, 0, 1]]


def test_abs_has_slope_0_at_0() -> None:
    assert slope(tg.abs, [-2, 0, 2]) == [[-1, 0, 1]]


@pytest.mark.parametrize("function", [tg.maximum, tg.minimum])
def test_equal_inputs_of_maximum_and_minimum_share_evenly(function: Callable[..., Tensor]) -> None:
    assert slope(function, [1, 2], [1, 2]) == [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize("function", [tg.max, tg.min])
def test_equal_elements_of_max_and_min_share_evenly(function: Callable[..., Tensor]) -> None:
    assert slope(function, [3, 3, 3, 3]) == [[0.25] * 4]
    sign = 1 if function is tg.max else -1
    ties = sign * np.array([[1.0, 2.0, 2.0], [3.0, 0.0, 3.0]])
    assert slope(lambda x: function(x, axis=1), ties) == [[[0, 0.5, 0.5], [0.5, 0, 0.5]]]
    assert slope(lambda x: function(x, axis=(0, 1), keepdims=True), ties) == [[[0, 0, 0], [0.5, 0, 0.5]]]


def test_clip_has_slope_1_at_its_limits_and_0_beyond() -> None:
    assert slope(lambda x: tg.clip(x, min=-1, max=1), [-2, -1, 0, 1, 2]) == [[0, 1, 1, 1, 0]]
    assert slope(lambda x: tg.clip(x, min=-1), [-2, -1, 5]) == [[0, 1, 1]]


def test_sqrt_has_infinite_slope_at_0() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert slope(tg.sqrt, [0, 4]) == [[np.inf, 0.25]]


def test_norm_has_slope_0_at_the_origin() -> None:
    assert slope(tg.norm, [0, 0, 0]) == [[0, 0, 0]]
    assert slope(lambda x: tg.norm(x, axis=1), [[0, 0], [0, -2]]) == [[[0, 0], [0, -1]]]
    assert np.isfinite(hessian(tg.norm, [0.0, 0.0])).all()


def test_std_has_slope_0_at_constant_values() -> None:
    assert slope(tg.std, [2, 2, 2]) == [[0, 0, 0]]
    assert np.isfinite(hessian(tg.std, [2.0, 2.0])).all()


def test_pow_at_0() -> None:
    assert slope(lambda x: x**0, [-1, 0, 1]) == [[0, 0, 0]]
    assert slope(lambda x: x**1, [-1, 0, 1]) == [[1, 1, 1]]
    assert slope(lambda x: x**2, [-1, 0, 1]) == [[-2, 0, 2]]
    assert slope(lambda y: 0**y, [0, 0.5, 2]) == [[0, 0, 0]]
    assert slope(tg.pow, [0, 0], [0, 2]) == [[0, 0], [0, 0]]
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert slope(lambda x: x**0.5, [0]) == [[np.inf]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_pow_0_has_slope_0_wherever_its_base_is(dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    for zero in (0, 0.0, np.zeros(4, dtype), np.zeros(4, np.uint8), np.zeros(4, np.int8), np.zeros(4, bool)):
        x = Tensor(np.array([tiny, 0, -tiny, 2], dtype), requires_grad=True)
        (x**zero).sum().backward()
        assert x.grad.tolist() == [0, 0, 0, 0]
    x = Tensor(np.array([3, 3, -2], dtype), requires_grad=True)
    (x ** np.array([1, 2, 3], np.uint8)).sum().backward()
    assert x.grad.tolist() == [1, 6, 12]


def test_the_mixed_derivative_of_pow_at_exponent_0_is_1_over_x() -> None:
    x, y = Tensor(4.0, requires_grad=True), Tensor(0.0, requires_grad=True)
    (first,) = gradients(x**y, [x], create_graph=True)
    assert [float(g) for g in gradients(first, [x, y])] == [0, 0.25]


def test_0_to_a_negative_power_falls_without_end() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert slope(lambda y: 0**y, [-1, 0, 1]) == [[-np.inf, 0, 0]]


def test_pow_at_0_to_higher_orders() -> None:
    x = Tensor(0.0, requires_grad=True)
    derivatives, y = [], x**3
    for _ in range(4):
        (y,) = gradients(y, [x], create_graph=True)
        derivatives.append(float(y))
    assert derivatives == [0, 0, 6, 0]


def test_pow_of_negative_numbers_with_integer_exponents() -> None:
    assert slope(lambda x: x**3, [-2]) == [[12]]
    assert slope(lambda x: x ** np.array([2, -1]), [-2, -2]) == [[-4, -0.25]]


@pytest.mark.parametrize(
    ("x", "first"), [([2, 0, 3], [0, 6, 0]), ([0, 0, 3], [0, 0, 0]), ([0, 0, 0], [0, 0, 0]), ([-1, 2, 4], [8, -4, -2])]
)
def test_prod_is_exact_where_elements_are_0(x: list[float], first: list[float]) -> None:
    assert slope(tg.prod, x) == [first]
    a, b, c = x
    np.testing.assert_array_equal(hessian(tg.prod, x), [[0, c, b], [c, 0, a], [b, a, 0]])


def test_prod_of_nothing_is_1_and_of_zeros_along_an_axis_is_exact() -> None:
    assert float(tg.prod(Tensor(np.zeros(0)))) == 1
    assert slope(lambda x: tg.prod(x, axis=0), [[0, 2], [5, 0]]) == [[[5, 0], [0, 2]]]


def test_where_passes_no_gradient_to_the_branch_not_taken() -> None:
    mask = np.array([True, False])
    assert slope(lambda x, y: tg.where(mask, x, y), [1, 2], [3, 4]) == [[1, 0], [0, 1]]


def test_a_guard_by_where_needs_a_safe_argument_inside() -> None:
    """The usual way around a kink: 0 * inf would be NaN if the argument itself were not replaced."""
    assert slope(lambda x: tg.where(x > 0, tg.sqrt(tg.where(x > 0, x, 1.0)), 0.0), [0, 4]) == [[0, 0.25]]


def test_logsumexp_of_what_is_no_number_is_none() -> None:
    assert np.isnan(tg.logsumexp(np.array([[np.nan, 1.0], [0.0, np.nan]]), axis=1)).all()
    assert np.isnan(tg.logsumexp(np.array([np.nan, np.inf])))


def test_logsumexp_of_nothing_is_minus_infinity() -> None:
    assert tg.logsumexp(np.zeros((2, 0)), axis=1).tolist() == [-np.inf, -np.inf]
    assert slope(lambda x: tg.logsumexp(x, axis=1), np.zeros((2, 0))) == [[[], []]]


def test_repeated_indices_add_up() -> None:
    assert slope(lambda x: x[[0, 0, 2]], [1, 2, 3], gradient=[1, 10, 100]) == [[11, 0, 100]]
    assert slope(lambda x: x[np.array([0, -3]), np.array([1, 1])], np.zeros((3, 2))) == [[[0, 2], [0, 0], [0, 0]]]
    assert slope(lambda x: tg.take(x, np.array([1, 1, -1])), [1, 2]) == [[0, 3]]
    assert slope(lambda x: x[np.array([True, False]), [1, 1, 0]], np.zeros((2, 2))) == [[[1, 2], [0, 0]]]


@pytest.mark.parametrize("rows", [5, 40])
@pytest.mark.parametrize("order", ["C", "F"])
def test_gathered_rows_are_summed_whatever_the_layout_of_what_is_there(rows: int, order: Any) -> None:
    """Both ways of scattering, few rows and many, added to the cotangent of a transpose, which is not contiguous."""
    indices = np.arange(rows) % 3
    table = Tensor(np.zeros((4, 2), order=order), requires_grad=True)
    (tg.take(table, indices).sum() + (table.T * np.arange(8.0).reshape(2, 4)).sum()).backward()
    expected = np.arange(8.0).reshape(2, 4).T + np.bincount(indices, minlength=4)[:, None]
    np.testing.assert_array_equal(table.grad, expected)


def test_softplus_keeps_its_precision_where_it_is_small() -> None:
    assert float(tg.softplus(-700.0)) == pytest.approx(np.exp(-700), rel=1e-14, abs=0)


def test_sigmoid_keeps_its_precision_where_it_is_small() -> None:
    assert float(tg.sigmoid(-700.0)) == pytest.approx(np.exp(-700), rel=1e-14, abs=0)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool, np.int64])
def test_sigmoid_of_integers_of_any_size_is_that_of_their_values(dtype: Any) -> None:
    x = np.array([0, 1, 20, 100]).astype(dtype)
    np.testing.assert_array_equal(tg.sigmoid(x), tg.sigmoid(x.astype(float)), strict=True)


def test_sigmoid_of_half_precision_neither_overflows_nor_misses_1() -> None:
    x = np.array([-65504, -11, 0, 1, 9, 11, 12, 65504], np.float16)
    np.testing.assert_allclose(tg.sigmoid(x), tg.sigmoid(x.astype(float)), rtol=2e-3)
    assert tg.sigmoid(x).dtype == np.float16


def test_a_bias_that_is_more_precise_than_the_product_keeps_its_digits() -> None:
    x, w, b = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32), np.full(4, 1e-12)
    for dtype, bias in [(np.float32, b), (np.int64, b), (np.int64, 0.5), (np.float32, b.astype(np.float32))]:
        out = tg.linear(x.astype(dtype), w.astype(dtype), bias)
        np.testing.assert_array_equal(out, x.astype(dtype) @ w.astype(dtype).T + bias, strict=True)


def test_expm1_and_log1p_keep_their_precision_near_0() -> None:
    assert float(tg.expm1(1e-18)) == float(tg.log1p(1e-18)) == 1e-18


@pytest.mark.parametrize("size", [1.1, 31.3, 40.7, 1e4])
def test_the_loss_of_a_sure_row_is_exact_whatever_the_other_rows_are(size: float) -> None:
    x = np.array([[size, 0.3, -2.7], [12.34, 0.1, 1.7], [-3.3, 2.9, 9.1], [0.7, -size / 2, 1.1]], np.float32)
    targets = np.array([0, 0, 2, 0])
    exact = tg.cross_entropy(x.astype(float), targets, reduction="none")
    found = tg.cross_entropy(x, targets, reduction="none")
    assert found.min() >= 0
    np.testing.assert_allclose(found, exact, rtol=3e-6, atol=1e-30)
    np.testing.assert_allclose(-tg.log_softmax(x)[np.arange(4), targets], exact, rtol=1e-6, atol=2e-7)


def test_half_precision_rows_without_hope_are_0() -> None:
    x = np.array([[-np.inf, -np.inf], [6e4, -6e4]], np.float16)
    assert tg.softmax(x).tolist() == [[0, 0], [1, 0]]
    assert tg.log_softmax(x).tolist() == [[-np.inf, -np.inf], [0, -np.inf]]


def test_var_and_std_divide_by_n_minus_ddof() -> None:
    x = Tensor([1.0, 2.0, 6.0])
    assert [float(tg.var(x)), float(tg.var(x, ddof=1))] == pytest.approx([14 / 3, 7], rel=1e-15)
    assert float(tg.std(x, ddof=1)) == pytest.approx(7**0.5, rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_python_scalars_are_weak(dtype: type) -> None:
    x = Tensor(np.ones((), dtype), requires_grad=True)
    out = (2.5 * x + 1 - x / 3) ** 2 + 2**x + tg.maximum(x, 0.5) + tg.where(x > 0, x, 0.0) - True
    assert out.dtype == dtype
    out.backward()
    assert x.grad.dtype == dtype


def test_numpys_scalars_keep_their_dtype_beside_masks_and_integers() -> None:
    x = Tensor(np.array([-1.0, 2.0], np.float32))
    assert (x * ((x > 0) * np.float32(2))).dtype == np.float32
    assert tg.where(x > 0, np.float32(1), np.float32(0.1)).dtype == np.float32
    small = Tensor(np.array([200], np.uint8))
    assert (small / np.float32(255)).dtype == np.float32
    assert (small + np.int64(100)).data.tolist() == [300]


def test_astype_brings_the_gradient_back_in_the_inputs_dtype() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    out = x.astype(float) * np.array([1.0, 2.0])
    assert out.dtype == np.float64
    out.sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [1, 2]


def test_a_float32_leaf_gets_a_float32_gradient_from_float64_operations() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    (x * np.ones(2)).sum().backward()
    assert x.grad.dtype == np.float32


def test_split_and_unstack_undo_concatenate_and_stack() -> None:
    x = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    parts = tg.split(x, [1, 0, 3], axis=1)
    assert [p.shape for p in parts] == [(3, 1), (3, 0), (3, 3)]
    np.testing.assert_array_equal(tg.concatenate(*parts, axis=1).data, x.data)
    rows = tg.unstack(x, axis=-1)
    np.testing.assert_array_equal(tg.stack(*rows, axis=-1).data, x.data)
    (parts[2].sum() + 2 * rows[0].sum()).backward()
    assert x.grad.tolist() == [[2, 1, 1, 1]] * 3


def test_einsum_as_in_its_docstring() -> None:
    x, w = np.ones((2, 3, 4)), np.ones((5, 4))
    assert tg.einsum("tbh,gh->tbg", Tensor(x), w).shape == (2, 3, 5)
