"""Operations element by element, with broadcasting. What each does at ties and kinks is said in its docstring."""

from __future__ import annotations

from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from tinygrad_rnn.op import op
from tinygrad_rnn.tensor import Array, Tensor

Value: TypeAlias = Any  # at the caller's a Tensor, array or number; inside, an array or number


@op(x=lambda g, out, x, y: g, y=lambda g, out, x, y: g)
def add(x: Value, y: Value) -> Array:
    """x + y."""
    return np.add(x, y)


@op(x=lambda g, out, x, y: g, y=lambda g, out, x, y: -g)
def sub(x: Value, y: Value) -> Array:
    """x - y."""
    return np.subtract(x, y)


@op(x=lambda g, out, x, y: g * y, y=lambda g, out, x, y: g * x)
def mul(x: Value, y: Value) -> Array:
    """x y."""
    return np.multiply(x, y)


@op(x=lambda g, out, x, y: g / y, y=lambda g, out, x, y: -g * (out / y))
def div(x: Value, y: Value) -> Array:
    """x / y."""
    return np.divide(x, y)


@op(x=lambda g, out, x: -g)
def neg(x: Value) -> Array:
    """-x."""
    return np.negative(x)


def pow_x(g: Value, out: Value, x: Value, y: Value) -> Value:
    """g y x^(y-1). Where y is 0 and the power could overflow, another base stands for x, so that the product is 0."""
    if not isinstance(y, Real) or y == 0:
        x = where(mul(less(abs(x), np.finfo(x.dtype).tiny), equal(y, 0)), 1, x)
    if isinstance(y, (Tensor, np.ndarray)) and y.dtype.kind == "u":  # where 0 - 1 is large
        return g * y * pow(x, (y - 1.0).astype(out.dtype))
    return g * y * pow(x, y - 1)


def pow_y(g: Value, out: Value, x: Value, y: Value) -> Value:
    """g x^y log x. Where x is 0 and y is not negative, 1 stands for x, so that the logarithm is 0."""
    return g * out * log(where(mul(equal(x, 0), greater_equal(y, 0)), np.ones((), out.dtype), x))


@op(x=pow_x, y=pow_y)
def pow(x: Value, y: Value) -> Array:
    """x to the power y.

    The derivative with respect to x of x⁰ is 0 everywhere, and with respect to y of 0ʸ is 0 for y >= 0 and -inf for
    y < 0, where 0ʸ is infinite (as in PyTorch).
    """
    return np.power(x, y)


@op(x=lambda g, out, x: g * out)
def exp(x: Value) -> Array:
    """e to the power x."""
    return np.exp(x)


@op(x=lambda g, out, x: g * (out + 1))
def expm1(x: Value) -> Array:
    """exp(x) - 1, exact for small x."""
    return np.expm1(x)


@op(x=lambda g, out, x: g / x)
def log(x: Value) -> Array:
    """The natural logarithm."""
    return np.log(x)


@op(x=lambda g, out, x: g / (x + 1))
def log1p(x: Value) -> Array:
    """log(1 + x), exact for small x."""
    return np.log1p(x)


@op(x=lambda g, out, x: g / (2 * out))
def sqrt(x: Value) -> Array:
    """The square root. Its derivative at 0 is infinite; ``norm`` has the subgradient 0 there."""
    return np.sqrt(x)


@op(x=lambda g, out, x: g - g * (out * out))
def tanh(x: Value) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


@op(x=lambda g, out, x: g * (out - out * out))
def sigmoid(x: Value) -> Array:
    """1 / (1 + exp(-x)), without overflow, and with full relative precision for large negative x."""
    half = getattr(x, "itemsize", 8) == 2 and x.dtype.kind == "f"
    e = np.minimum(x, 11.0 if half else 40.0)  # beyond, the result rounds to 1
    out = e if e.ndim else None
    e = np.exp(e, out=out)
    return np.divide(e, 1 + e, out=out)


@op(x=lambda g, out, x: where(greater(out, 0), g, 0))
def relu(x: Value) -> Array:
    """max(x, 0). Its derivative at 0 is 0 (as in PyTorch)."""
    return np.maximum(x, 0)


@op(x=lambda g, out, x: g * sigmoid(x))
def softplus(x: Value) -> Array:
    """log(1 + exp(x)), without overflow.

    >>> float(softplus(-1e4)), float(softplus(1e4))
    (0.0, 10000.0)
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@op(x=lambda g, out, x: g * sign(x))
def abs(x: Value) -> Array:
    """|x|. Its derivative at 0 is 0 (as in PyTorch)."""
    return np.abs(x)


@op(
    x=lambda g, out, x, y: where(greater(x, y), g, where(equal(x, y), g / 2, 0)),
    y=lambda g, out, x, y: where(greater(y, x), g, where(equal(x, y), g / 2, 0)),
)
def maximum(x: Value, y: Value) -> Array:
    """The larger of x and y. Where they are equal each gets half of the gradient (as in PyTorch)."""
    return np.maximum(x, y)


@op(
    x=lambda g, out, x, y: where(less(x, y), g, where(equal(x, y), g / 2, 0)),
    y=lambda g, out, x, y: where(less(y, x), g, where(equal(x, y), g / 2, 0)),
)
def minimum(x: Value, y: Value) -> Array:
    """The smaller of x and y. Where they are equal each gets half of the gradient (as in PyTorch)."""
    return np.minimum(x, y)


@op(
    x=lambda g, out, condition, x, y: where(condition, g, 0),
    y=lambda g, out, condition, x, y: where(condition, 0, g),
)
def where(condition: Value, x: Value, y: Value) -> Value:
    """``x`` where ``condition`` is true, ``y`` elsewhere."""
    return np.where(condition, x, y)


@op(x=lambda g, out, x, *, min=None, max=None: where(equal(out, x), g, 0))
def clip(x: Value, *, min: float | None = None, max: float | None = None) -> Array:
    """x limited to [min, max], of which one may be None. At the limits themselves the slope is 1 (as in PyTorch)."""
    if not all(limit is None or isinstance(limit, Real) for limit in (min, max)):
        raise TypeError("min and max are numbers or None")
    return np.clip(x, min, max)


@op(x=lambda g, out, x, *, dtype: g.astype(x.dtype))
def astype(x: Value, *, dtype: np.dtype[Any]) -> Array:
    """x in another floating-point dtype; the gradient comes back in the dtype of x."""
    new = np.dtype(dtype)
    if new.kind != "f":
        raise TypeError(
            f"only floating-point dtypes carry gradients, not {new}; write t.detach().numpy().astype('{new}')"
        )
    return np.asarray(x).astype(new)


@op()
def sign(x: Value) -> Array:
    """-1, 0 or 1. It has no gradient."""
    return np.sign(x)


@op()
def equal(x: Value, y: Value) -> Array:
    """x == y, element by element. Comparisons have no gradient."""
    return np.equal(x, y)


@op()
def not_equal(x: Value, y: Value) -> Array:
    """x != y, element by element."""
    return np.not_equal(x, y)


@op()
def less(x: Value, y: Value) -> Array:
    """x < y, element by element."""
    return np.less(x, y)


@op()
def less_equal(x: Value, y: Value) -> Array:
    """x <= y, element by element."""
    return np.less_equal(x, y)


@op()
def greater(x: Value, y: Value) -> Array:
    """x > y, element by element."""
    return np.greater(x, y)


@op()
def greater_equal(x: Value, y: Value) -> Array:
    """x >= y, element by element."""
    return np.greater_equal(x, y)
