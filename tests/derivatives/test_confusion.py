"""Perturbation confusion: nested derivatives must not take each other's variables for their own.

The first example is that of Siskind and Pearlmutter 2005; the values are written down from calculus.
"""

from __future__ import annotations

from typing import Any

import pytest

from tinygrad_rnn import Tensor, grad, gradients, jvp, vjp
from tinygrad_rnn.derivatives import checkpoint


def forward(f: Any) -> Any:
    return lambda x: jvp(f, (x,), (1.0,))[1]


def by_vjp(f: Any) -> Any:
    return lambda x: vjp(f, x)[1](1.0)[0]


def recomputed(f: Any) -> Any:
    return grad(checkpoint(f))


WAYS = [grad, forward, by_vjp, recomputed]


@pytest.mark.parametrize("outer", WAYS)
@pytest.mark.parametrize("inner", WAYS)
def test_nested_derivatives_keep_their_variables_apart(outer: Any, inner: Any) -> None:
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0).item() == 1
    assert outer(lambda x: x * inner(lambda y: x * y * y)(2.0))(3.0).item() == 24  # x · 4 x
    assert outer(lambda x: x * inner(lambda y: x * y * y)(x))(3.0).item() == 54  # at y = x: x · 2 x²
    assert outer(lambda x: inner(lambda x: x * x)(x) * x)(3.0).item() == 12  # the same name, another variable: 2 x²


@pytest.mark.parametrize("inner", WAYS)
def test_three_levels(inner: Any) -> None:
    f = grad(lambda x: inner(lambda y: x * y * forward(lambda z: x * y * z * z)(x + y))(x))
    # d/dz x y z² = 2 x y z, at z = x + y; x y times that is 2 x² y² (x + y); d/dy of it at y = x is 10 x⁴
    assert f(2.0).item() == 40 * 8


def test_the_derivative_of_a_function_that_is_one() -> None:
    """The amazing bug of Manzyuk et al. 2012: d/du at 0 of x -> f(x + u), applied twice, is f''."""

    def shift(f: Any) -> Any:
        return lambda x: grad(lambda u: f(x + u))(0.0)

    assert shift(shift(lambda x: x**3))(2.0).item() == 12
    assert shift(shift(shift(lambda x: x**4)))(2.0).item() == 48


def test_a_variable_that_escapes_is_none_any_more() -> None:
    seen: list[Tensor] = []

    def f(x: Tensor) -> Tensor:
        seen.append(x)
        return x * x

    assert grad(f)(3.0).item() == 6
    assert grad(lambda y: y * seen[0])(5.0).item() == 3
    assert seen[0].grad is None


def test_gradients_and_functions_agree_on_the_outer_variable() -> None:
    x = Tensor(3.0, requires_grad=True)
    y = x * grad(lambda y: x * y * y)(x)
    assert gradients(y, [x], create_graph=True)[0].item() == 54
