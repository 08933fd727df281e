"""At ±1e4 and ±inf: the right limits, finite gradients, and no warnings (which the configuration makes errors)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.golden.store import Case, load
from tinygrad_rnn import Tensor

INF = np.inf
LARGE = [-INF, -1e4, 1e4, INF]


def both(function: Callable[..., Tensor], x: Any, dtype: Any, **params: Any) -> tuple[Any, Any]:
    """Value, and gradient of the sum of the finite elements."""
    leaf = Tensor(np.array(x, dtype), requires_grad=True)
    out = function(leaf, **params)
    out.backward(np.where(np.isfinite(out.data), 1, 0).astype(dtype))
    assert out.dtype == leaf.grad.dtype == dtype
    return out.data.tolist(), leaf.grad.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestLimits:
    def test_sigmoid(self, dtype: Any) -> None:
        assert both(tg.sigmoid, LARGE, dtype) == ([0, 0, 1, 1], [0, 0, 0, 0])

    def test_tanh(self, dtype: Any) -> None:
        assert both(tg.tanh, LARGE, dtype) == ([-1, -1, 1, 1], [0, 0, 0, 0])

    def test_softplus(self, dtype: Any) -> None:
        assert both(tg.softplus, LARGE, dtype) == ([0, 0, 1e4, INF], [0, 0, 1, 0])

    def test_relu(self, dtype: Any) -> None:
        assert both(tg.relu, LARGE, dtype) == ([0, 0, 1e4, INF], [0, 0, 1, 0])

    def test_softmax(self, dtype: Any) -> None:
        x = [[1e4, -1e4], [-1e4, -1e4], [-INF, 1e4], [INF, 1e4], [INF, INF], [-INF, -INF]]
        expected = [[1, 0], [0.5, 0.5], [0, 1], [1, 0], [0.5, 0.5], [0, 0]]
        value, gradient = both(tg.softmax, x, dtype)
        assert value == expected
        np.testing.assert_allclose(gradient, np.zeros((6, 2)), atol=1e-7)

    def test_log_softmax(self, dtype: Any) -> None:
        x = [[1e4, -1e4], [-1e4, -INF], [INF, 1e4], [-INF, -INF]]
        value, gradient = both(tg.log_softmax, x, dtype)
        assert value == [[0, -2e4], [0, -INF], [0, -INF], [-INF, -INF]]
        assert gradient == [[-1, 1], [0, 0], [0, 0], [0, 0]]

    def test_logsumexp(self, dtype: Any) -> None:
        x = [[1e4, 1e4], [-1e4, -INF], [INF, 1e4], [INF, -INF], [-INF, -INF]]
        value, gradient = both(tg.logsumexp, x, dtype, axis=-1)
        np.testing.assert_allclose(value, np.array([1e4 + np.log(2), -1e4, INF, INF, -INF], dtype), rtol=1e-7)
        assert gradient == [[0.5, 0.5], [1, 0], [0, 0], [0, 0], [0, 0]]

    @pytest.mark.parametrize("axis", [0, (0, 1), None])
    def test_logsumexp_over_other_axes(self, dtype: Any, axis: Any) -> None:
        value, gradient = both(tg.logsumexp, np.full((3, 1), -1e4), dtype, axis=axis)
        np.testing.assert_allclose(value, np.full(np.shape(value), -1e4 + np.log(3)), rtol=1e-7)
        np.testing.assert_allclose(gradient, np.full((3, 1), 1 / 3), rtol=1e-6)

    def test_cross_entropy(self, dtype: Any) -> None:
        x = [[1e4, -1e4], [1e4, -1e4], [0, -INF], [0, -INF], [INF, 0], [-INF, -INF]]
        targets = np.array([0, 1, 0, 1, 0, 0])
        value, gradient = both(tg.cross_entropy, x, dtype, targets=targets, reduction="none")
        assert value == [0, 2e4, 0, INF, 0, INF]
        assert gradient == [[0, 0], [1, -1], [0, 0], [0, 0], [0, 0], [0, 0]]

    def test_cross_entropy_of_ignored_infinities(self, dtype: Any) -> None:
        x = [[-INF, 0], [-INF, -INF], [INF, 0], [0, 0]]
        value, gradient = both(tg.cross_entropy, x, dtype, targets=np.array([-100, -100, -100, 1]))
        assert value == pytest.approx(np.log(2), rel=1e-6)
        assert gradient == [[0, 0], [0, 0], [0, 0], [0.5, -0.5]]

    def test_a_class_of_weight_0_counts_nothing(self, dtype: Any) -> None:
        weight = np.array([0, 1], dtype)
        value, _ = both(tg.cross_entropy, [[-INF, 0], [0, 0]], dtype, targets=np.array([0, 1]), weight=weight)
        assert value == pytest.approx(np.log(2), rel=1e-6)

    def test_far_apart_rows_keep_their_precision(self, dtype: Any) -> None:
        """One row's large values must not cost another's small ones their digits."""
        x = np.array([[0.0, 1.0], [50.0, 51.0], [1e4, 1e4 + 1]], dtype)
        expected = np.log([1 / (1 + np.e), np.e / (1 + np.e)])
        np.testing.assert_allclose(tg.log_softmax(x), [expected] * 3, rtol=2e-5 if dtype == np.float32 else 1e-12)
        np.testing.assert_allclose(tg.softmax(x), np.exp([expected] * 3), rtol=2e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_slices_of_nothing_and_of_the_largest_numbers(dtype: Any) -> None:
    """Where a difference of two numbers is too large for the dtype, and where 1e-30 is 0."""
    top = float(np.finfo(dtype).max)
    x = np.array([[-INF, -INF], [top, -top], [-top, -top]], dtype)
    assert tg.softmax(x).tolist() == [[0, 0], [1, 0], [0.5, 0.5]]
    assert tg.softmax(x[1:]).tolist() == [[1, 0], [0.5, 0.5]]
    assert tg.log_softmax(x)[:2].tolist() == [[-INF, -INF], [0, -INF]]
    assert tg.logsumexp(x, axis=-1)[:2].tolist() == [-INF, top]
    losses = tg.cross_entropy(x, np.array([0, 0, 0]), reduction="none")
    assert losses[:2].tolist() == [INF, 0]
    assert losses.dtype == dtype


def call(case: Case) -> tuple[Tensor, dict[str, Tensor]]:
    """The result of this package for a golden case, and its leaves."""
    options = case.options
    leaves: dict[str, Tensor] = {
        key: Tensor(case.arrays[key], requires_grad=True)
        for key in ("input", "target", "weight", "bias")
        if key in case.arrays
    }
    match options["kind"]:
        case "cross_entropy":
            weights = None if options["weight"] is None else np.array(options["weight"])
            params = {key: options[key] for key in ("reduction", "ignore_index")}
            out = tg.cross_entropy(leaves["input"], np.array(options["labels"]), weights, **params)
        case "mse_loss":
            out = tg.mse_loss(leaves["input"], leaves["target"], reduction=options["reduction"])
        case "embedding":
            out = tg.take(leaves["weight"], np.array(options["indices"]))
        case "softplus":
            out = tg.softplus(leaves["input"])
        case "layer_norm":
            x, weight, bias = leaves["input"], leaves["weight"], leaves["bias"]
            axes = tuple(range(-weight.ndim, 0))
            centred = x - x.mean(axes, keepdims=True)
            out = centred / tg.sqrt(tg.var(x, axis=axes, keepdims=True) + options["eps"]) * weight + bias
        case kind:
            out = tg.registry[kind](leaves["input"], axis=options["dim"])
    return out, leaves


@pytest.mark.parametrize("case", load("torch_losses"), ids=str)
def test_losses_are_those_of_pytorch(case: Case) -> None:
    out, leaves = call(case)
    np.testing.assert_allclose(out.data, case.arrays["output"], rtol=1e-10, atol=1e-10)
    out.backward(case.arrays["cot_output"])
    for key, leaf in leaves.items():
        np.testing.assert_allclose(leaf.grad, case.arrays[f"grad/{key}"], rtol=1e-10, atol=1e-10)
