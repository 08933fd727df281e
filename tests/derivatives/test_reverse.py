"""grad, value_and_grad, vjp: what they compute, in what form, and what they leave alone."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, grad, nn, no_grad, value_and_grad, vjp
from tinygrad_rnn.op import thread
from tinygrad_rnn.scope import scope

X = np.array([1.0, -2.0, 0.5])


class Pair(NamedTuple):
    first: Any
    second: Any


def test_a_gradient_has_the_form_of_its_argument() -> None:
    def f(p: Any) -> Any:
        return (p["w"][0] * p["w"][1].first).sum() + p["b"] ** 2 * p["w"][1].second + tg.exp(p["d"][0]["e"])

    p = {"w": (X, Pair(2 * X, 3.0)), "b": 2.0, "none": None, "d": [{"e": np.float64(0.0)}], "empty": ()}
    g = grad(f)(p)
    assert list(g) == list(p)
    assert type(g["w"][1]) is Pair
    assert type(g["d"]) is list
    assert g["none"] is None
    assert g["empty"] == ()
    assert_array_equal(g["w"][0].data, 2 * X)
    assert_array_equal(g["w"][1].first.data, X)
    assert [g["w"][1].second.item(), g["b"].item(), g["d"][0]["e"].item()] == [4.0, 12.0, 1.0]


def test_argnums_choose_as_in_jax() -> None:
    def f(x: Any, n: int, y: Any, *, power: int = 1) -> Any:
        return (x * y**power).sum() * n

    assert_array_equal(grad(f)(X, 2, 3 * X).data, 6 * X)
    assert_array_equal(grad(f, 2)(X, 2, 3 * X, power=2).data, 12 * X * X)
    assert_array_equal(grad(f, -1)(X, 2, 3 * X).data, 2 * X)
    pair = grad(f, (2, 0))(X, 2, 3 * X)
    assert type(pair) is tuple
    assert_array_equal([g.data for g in pair], [2 * X, 6 * X])
    assert len(grad(f, [0])(X, 2, X)) == 1


def test_the_value_and_what_else_is_returned_come_along() -> None:
    state = {"h": 3}

    def f(x: Tensor) -> tuple[Tensor, Any]:
        y = x * x
        return y.sum(), (state, y)

    (value, (same, y)), slope = value_and_grad(f, has_aux=True)(X)
    assert value.item() == (X * X).sum()
    assert same == state
    assert not y.requires_grad
    assert not value.requires_grad
    assert_array_equal(slope.data, 2 * X)
    slope, (_, y) = grad(f, has_aux=True)(X)
    assert_array_equal([slope.data, y.data], [2 * X, X * X])
    out, pullback, aux = vjp(f, X, has_aux=True)
    assert (out.item(), aux[0]) == ((X * X).sum(), state)
    assert_array_equal(pullback(2.0)[0].data, 4 * X)


def test_a_pullback_is_linear_and_can_be_called_again() -> None:
    out, pullback = vjp(lambda p: {"a": p["x"] * p["y"], "b": [p["y"].sum()]}, {"x": X, "y": 2 * X})
    assert_array_equal(out["a"].data, 2 * X * X)
    u, v = ({"a": s * X, "b": [s]} for s in (1.0, 10.0))
    (one,), (ten,), (again,) = pullback(u), pullback(v), pullback(u)
    for name in "xy":
        assert_array_equal(one[name].data, again[name].data)
        assert_allclose(10 * one[name].data, ten[name].data)
    assert_array_equal(one["y"].data, X * X + 1)


def test_what_does_not_matter_has_the_gradient_zero() -> None:
    gx, gy = grad(lambda x, y: x.sum(), (0, 1))(X, np.float32(2))
    assert_array_equal(gx.data, np.ones(3))
    assert (gy.item(), gy.dtype, gy.shape) == (0, np.float32, ())
    assert grad(lambda x: Tensor(2.0))(1.0).item() == 0
    assert grad(lambda x: x.detach())(1.0).item() == 0
    _, pullback = vjp(lambda x: (x, Tensor(X)), 1.0)
    assert pullback((2.0, X))[0].item() == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_stay(dtype: Any) -> None:
    x = X.astype(dtype)
    value, slope = value_and_grad(lambda x: (x**2).sum())(x)
    assert value.dtype == slope.dtype == dtype
    wide = grad(lambda x: (x.astype(np.float64) ** 2).sum())(x)
    assert wide.dtype == dtype
    _, pullback = vjp(lambda x: x * 2, x)
    assert pullback(Tensor(X))[0].dtype == dtype


def test_tensors_of_the_user_are_left_alone() -> None:
    x, w = Tensor(X, requires_grad=True, name="x"), Tensor(2 * X, requires_grad=True)
    x.grad = before = np.ones(3)
    grad(lambda x: (x * w).sum())(x)
    grad(grad(lambda s: (x * w * s * s).sum()))(1.0)
    with no_grad():
        grad(lambda x: (x * w).sum())(x)
    assert x.grad is before
    assert_array_equal(before, np.ones(3))
    assert (w.grad, x.node, w.node, x.requires_grad, x.name) == (None, None, None, True, "x")
    plain = Tensor(X)
    grad(lambda x: (x * x).sum())(plain)
    assert (plain.requires_grad, plain.grad) == (False, None)
    array = X.copy()
    grad(lambda x: (x * x).sum())(array)
    assert array.flags.writeable
    assert_array_equal(array, X)


def test_results_have_a_graph_only_if_something_outside_can_be_differentiated() -> None:
    w = Tensor(3.0, requires_grad=True)
    cube = grad(lambda x: x**3)
    assert not cube(2.0).requires_grad
    assert not cube(Tensor(2.0)).requires_grad
    assert not grad(lambda x: x**2 + w)(2.0).requires_grad  # the gradient, 2 x, knows nothing of w
    assert grad(lambda x: x**2 * w)(2.0).requires_grad
    assert value_and_grad(lambda x: x**2 + w)(2.0)[0].requires_grad
    with no_grad():
        assert not grad(lambda x: x**2 * w)(2.0).requires_grad
        assert not cube(w).requires_grad
        assert cube(w).item() == 27
    _, pullback = vjp(lambda x: x**2, 3.0)
    (seeded,) = pullback(w)
    seeded.backward()
    assert w.grad == 6


def test_gradients_mix_with_backward() -> None:
    x, w = Tensor(2.0, requires_grad=True), Tensor(5.0, requires_grad=True)
    value, slope = value_and_grad(lambda x: w * x**3)(x)
    (value + slope**2).backward()  # w x³ + 9 w² x⁴
    assert float(x.grad) == 3 * 5 * 4 + 36 * 25 * 8
    assert float(w.grad) == 8 + 18 * 5 * 16


def test_a_function_that_reads_its_argument_from_outside_as_well() -> None:
    x = Tensor(3.0, requires_grad=True)
    slope = grad(lambda y: x * y * y)(x)  # 2 x y at y = x, as a function of x: 2 x²
    assert slope.item() == 18
    slope.backward()
    assert x.grad == 12


def test_an_exception_leaves_the_recorder_as_it_was() -> None:
    def fails(x: Tensor) -> Tensor:
        raise ZeroDivisionError

    with scope("here"), no_grad(), pytest.raises(ZeroDivisionError):
        grad(fails)(2.0)
    with no_grad():
        with pytest.raises(TypeError):
            grad(lambda x: x * X)(2.0)
        assert not thread.recorder.enabled
    assert thread.recorder.enabled
    assert thread.recorder.scope == ()


def test_no_grad_inside_of_the_function_holds() -> None:
    def f(x: Tensor) -> Tensor:
        with no_grad():
            constant = x * x
        return x * constant

    assert grad(f)(3.0).item() == 9


def test_the_graph_of_a_first_derivative_goes_as_that_is_computed() -> None:
    seen: list[Tensor] = []

    def f(x: Tensor) -> Tensor:
        seen.append(tg.tanh(x))
        return seen[0].sum()

    value, slope = value_and_grad(f)(X)
    assert (value.node, slope.node) == (None, None)
    with pytest.raises(RuntimeError, match="this graph was freed"):
        seen[0].backward(X)
    alive = weakref.ref(seen.pop())
    assert alive() is None


def test_a_gradient_through_recurrent_layers_is_that_of_backward_to_the_bit() -> None:
    for unroll in (True, False):
        gru = nn.GRU(3, 4, num_layers=2, unroll=unroll, rng=0)
        x = Tensor(np.random.default_rng(0).normal(size=(6, 2, 3)), True, dtype=np.float32)
        (gru(x)[0] ** 2).sum().backward()
        with no_grad():
            again = grad(lambda x, gru=gru: (gru(x)[0] ** 2).sum())(x)
        assert_array_equal(x.grad, again.data)


def test_names_say_what_was_differentiated() -> None:
    def loss(weights: Tensor) -> Tensor:
        return weights.sum()

    assert grad(loss).__name__ == "grad(loss)"
    assert tg.hessian(loss).__name__ == "hessian(loss)"
    assert tg.gradcheck(grad(lambda x: (x**3).sum()), [X])
