"""custom_vjp: operations of a user's own."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_rnn as tg
from tinygrad_rnn import GradcheckError, Tensor, custom_vjp, grad, gradcheck, gradgradcheck, gradients, jvp, registry
from tinygrad_rnn.scan import scan

X = np.array([1.0, -2.0, 0.5])


def scaled_product() -> Any:
    @custom_vjp(lambda g, out, x, y, *, scale=1.0: (g * y * scale, g * x * scale))
    def scaled_product(x: Any, y: Any, *, scale: float = 1.0) -> Any:
        """Scale x y."""
        return x * y * scale

    return scaled_product


def test_an_operation_of_ones_own_is_one_like_any_other() -> None:
    f = scaled_product()
    y = np.arange(6.0).reshape(2, 3)
    assert gradcheck(lambda x, y: f(x, y, scale=3.0), [X, y])  # x is broadcast
    assert gradgradcheck(lambda x, y: f(x, y, scale=3.0), [X, y])
    assert_array_equal(f(X, y), X * y)
    assert_array_equal(Tensor(X).scaled_product(y).data, X * y)
    assert f(Tensor(X, True), y).node.op is registry["scaled_product"] is f
    assert (f.__doc__, f.name, f.input_names) == ("Scale x y.", "scaled_product", ["x", "y"])
    assert repr(f).startswith("<op scaled_product(")
    xs = np.random.default_rng(0).normal(size=(4, 3))
    step = lambda h, x: (f(h, x, scale=0.5),) * 2  # noqa: E731
    planned, unrolled = (
        grad(lambda h, unroll=unroll: scan(step, h, (xs,), unroll=unroll)[1].sum())(X) for unroll in (False, True)
    )
    assert_allclose(planned.data, unrolled.data)


def test_the_rule_is_believed_and_checked_by_gradcheck() -> None:
    @custom_vjp(lambda g, out, x: tg.clip(g, min=-1, max=1))
    def clipped_gradient(x: Any) -> Any:
        return x

    assert_array_equal(grad(lambda x: (clipped_gradient(x) * np.array([5.0, 0.5, -9.0])).sum())(X).data, [1, 0.5, -1])
    with pytest.raises(GradcheckError, match=r"ending in mul\): the derivative of output 0\[0\] .* is wrong"):
        gradcheck(lambda x: clipped_gradient(x) * 2, [X])
    array = X.copy()
    out = scaled_identity()(array, Tensor(2.0, True))
    array[:] = 7
    assert_array_equal(out.data, X)  # the result is no view of what is the caller's


def scaled_identity() -> Any:
    @custom_vjp(lambda g, out, x, y: (None, None))
    def scaled_identity(x: Any, y: Any) -> Any:
        return x

    return scaled_identity


def test_none_is_no_gradient() -> None:
    x, y = Tensor(X, requires_grad=True), Tensor(2.0, requires_grad=True)
    assert gradients((scaled_identity()(x, y) + y).sum(), [x, y]) == [None, 3.0]


def test_higher_orders_and_forward_mode_follow_from_the_rule() -> None:
    @custom_vjp(lambda g, out, x: g * (1 - out * out))
    def my_tanh(x: Any) -> Any:
        return np.tanh(x)

    for ours, theirs in (
        (my_tanh, tg.tanh),
        (grad(my_tanh), grad(tg.tanh)),
        (grad(grad(my_tanh)), grad(grad(tg.tanh))),
    ):
        assert_allclose(grad(ours)(0.7).item(), grad(theirs)(0.7).item(), rtol=1e-14)
    assert_allclose(jvp(my_tanh, (X,), (X,))[1].data, X * (1 - np.tanh(X) ** 2))


def test_defining_it_again_replaces_it_and_old_graphs_keep_theirs() -> None:
    first = scaled_product()
    x = Tensor(X, requires_grad=True)
    old = first(x, 2.0)
    second = scaled_product()
    assert registry["scaled_product"] is second is not first
    del registry["scaled_product"]
    with pytest.raises(AttributeError, match="no attribute or operation 'scaled_product'"):
        x.scaled_product(2.0)
    assert_array_equal(gradients(old, [x], np.ones(3))[0], np.full(3, 2.0))
    assert_array_equal(first(X, 2.0), 2 * X)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exp", "custom_vjp: 'exp' is an operation of tinygrad_rnn, which rules are made of; choose another name"),
        ("sum", "'sum' is an operation of tinygrad_rnn"),
        ("planned_scan", "'planned_scan' is an operation of tinygrad_rnn"),
        ("backward", "custom_vjp: 'backward' is an attribute that Tensors have; choose another name"),
        ("<lambda>", "custom_vjp: an operation needs a name, and this is a <lambda>; define it with def"),
    ],
)
def test_names_that_are_taken_are_refused(name: str, message: str) -> None:
    def function(x: Any) -> Any:
        return x

    function.__name__ = name
    before = dict(registry)
    with pytest.raises(ValueError, match=re.escape(message)):
        custom_vjp(lambda g, out, x: g)(function)
    assert registry == before


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (lambda g, out, x, y: g, TypeError, "the rule returned 1 cotangent(s) for 2 input(s); None for no gradient"),
        (lambda g, out, x, y: (g, g, g), TypeError, "the rule returned 3 cotangent(s) for 2 input(s)"),
        (lambda g, out, x, y: (g[:1], g), ValueError, "the rule returned shape (1,) as the cotangent of input 0"),
        (lambda g, out, x, y: (g, 0), ValueError, "the rule returned a int as the cotangent of input 1"),
        (lambda g, out, x: g, TypeError, "takes 3 positional arguments but 4 were given"),
    ],
)
def test_what_a_rule_returns_is_checked(rule: Any, error: type[Exception], message: str) -> None:
    @custom_vjp(rule)
    def mine(x: Any, y: Any) -> Any:
        return x + y

    for create_graph in (False, True):
        with pytest.raises(error, match=rf"backward of mine\(\(3,\), \(3,\)\): .*{re.escape(message)}"):
            mine(Tensor(X, True), X).sum().backward(create_graph=create_graph)


def test_what_a_function_returns_is_checked() -> None:
    outside = Tensor(X, requires_grad=True)

    @custom_vjp(lambda g, out, x: g)
    def reads(x: Any) -> Any:
        return x * outside

    @custom_vjp(lambda g, out, x: g)
    def pair(x: Any) -> Any:
        return x, x

    with pytest.raises(TypeError, match=r"reads was handed arrays, but returned a Tensor: it reads one from outside"):
        reads(outside)
    with pytest.raises(TypeError, match=r"pair must return one array, not a tuple"):
        pair(outside)
