"""Operations that reduce axes, and those that normalise along one. ``axis`` is an int, a tuple, or None for all."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_rnn.op import op
from tinygrad_rnn.ops.elementwise import Value, equal, exp, where
from tinygrad_rnn.ops.shape import broadcast_to, expand_dims, flip
from tinygrad_rnn.tensor import Array, Axes


def kept(shape: tuple[int, ...], axis: Axes) -> tuple[int, ...]:
    """The shape of a reduction over ``axis`` that keeps the reduced axes, with length 1."""
    axes = range(len(shape)) if axis is None or not shape else normalize_axis_tuple(axis, len(shape))
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def count(shape: tuple[int, ...], axis: Axes) -> int:
    """How many elements a reduction over ``axis`` puts into one."""
    return math.prod(n for n, k in zip(shape, kept(shape, axis), strict=True) if k != n)


def keep(reduced: Value, x: Value, axis: Axes) -> Value:
    """A result of a reduction of ``x``, with the reduced axes put back, so that it broadcasts against ``x``."""
    return reduced.reshape(kept(x.shape, axis))


def spread(g: Value, x: Value, axis: Axes) -> Value:
    """The cotangent ``g`` of a reduction of ``x``, repeated for each element of ``x``."""
    return broadcast_to(keep(g, x, axis), shape=x.shape)


@op(x=lambda g, out, x, *, axis=None, keepdims=False: spread(g, x, axis))
def sum(x: Value, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over ``axis``."""
    return np.sum(x, axis, keepdims=keepdims)


@op(x=lambda g, out, x, *, axis=None, keepdims=False: spread(g / count(x.shape, axis), x, axis))
def mean(x: Value, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The mean over ``axis``."""
    return np.mean(x, axis, keepdims=keepdims)


def extreme_rule(g: Value, out: Value, x: Value, *, axis: Axes = None, keepdims: bool = False) -> Value:
    """The gradient goes to the elements that are the extreme value, in even shares."""
    hit = equal(x, keep(out, x, axis)).astype(x.dtype)
    return hit * keep(g, x, axis) / hit.sum(axis=axis, keepdims=True)


@op(x=extreme_rule)
def max(x: Value, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The largest element over ``axis``. Among equal ones the gradient is shared evenly (as PyTorch's amax)."""
    return np.max(x, axis, keepdims=keepdims)


@op(x=extreme_rule)
def min(x: Value, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The smallest element over ``axis``. Among equal ones the gradient is shared evenly (as PyTorch's amin)."""
    return np.min(x, axis, keepdims=keepdims)


def centred(x: Value, axis: Axes) -> Value:
    """x minus its mean over ``axis``."""
    return x - x.mean(axis=axis, keepdims=True)


def freedom(shape: tuple[int, ...], axis: Axes, ddof: int) -> int:
    """The divisor of a variance, n - ddof. Raises ValueError if there are too few elements for it."""
    n = count(shape, axis)
    if n <= ddof:
        raise ValueError(f"with ddof={ddof} there must be more than {ddof} elements over the axis, but there are {n}")
    return n - ddof


@op(
    x=lambda g, out, x, *, axis=None, keepdims=False, ddof=0: (
        keep(g, x, axis) * centred(x, axis) * (2 / freedom(x.shape, axis, ddof))
    )
)
def var(x: Value, *, axis: Axes = None, keepdims: bool = False, ddof: int = 0) -> Array:
    """The variance over ``axis``, with divisor n - ddof (0 as in NumPy; PyTorch's default is 1)."""
    freedom(x.shape, axis, ddof)
    return np.var(x, axis, keepdims=keepdims, ddof=ddof)


@op(
    x=lambda g, out, x, *, axis=None, keepdims=False, ddof=0: (
        keep(g / nonzero(out), x, axis) * centred(x, axis) * (1 / freedom(x.shape, axis, ddof))
    )
)
def std(x: Value, *, axis: Axes = None, keepdims: bool = False, ddof: int = 0) -> Array:
    """The standard deviation over ``axis``, with divisor n - ddof. Where it is 0, the subgradient is 0, not NaN."""
    freedom(x.shape, axis, ddof)
    return np.std(x, axis, keepdims=keepdims, ddof=ddof)


@op(x=lambda g, out, x, *, axis=None, keepdims=False: keep(g / nonzero(out), x, axis) * x)
def norm(x: Value, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The Euclidean norm over ``axis``. At the origin the subgradient is 0, not NaN."""
    return np.sqrt(np.sum(np.square(x), axis, keepdims=keepdims))


def nonzero(x: Value) -> Value:
    """x with its zeros replaced by ones: a divisor where the numerator is zero as well."""
    return where(equal(x, 0), 1, x)


def prod_rule(g: Value, out: Value, x: Value, *, axis: int | None = None, keepdims: bool = False) -> Value:
    """Each element's share is the product of the others, taken as such, so that zeros are no special case.

    The others of all n elements are the rows of an n x n table with ones on its diagonal: n² numbers, and exact to
    any order of derivative however many zeros there are.
    """
    line = x.reshape(-1) if axis is None else x.swapaxes(axis, -1)
    n = line.shape[-1]
    table = where(np.eye(n, dtype=bool), 1, expand_dims(line, axis=-2))
    others = prod(table, axis=-1)
    return keep(g, x, axis) * (others.reshape(x.shape) if axis is None else others.swapaxes(axis, -1))


@op(x=prod_rule)
def prod(x: Value, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The product over one axis, or over all elements. Its gradient is exact where elements are zero."""
    if isinstance(axis, tuple):
        raise TypeError(f"axis is an int or None here, not {axis}; take the product over one axis after the other")
    return np.prod(x, axis, keepdims=keepdims)


@op(x=lambda g, out, x, *, axis: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis))
def cumsum(x: Value, *, axis: int) -> Array:
    """The running sum along ``axis``: element i is the sum of elements 0..i."""
    return np.cumsum(x, axis)


NEAR = 32  # exponentials of smaller numbers, and sums of millions of them, neither overflow nor underflow in float32


def near(x: Array) -> bool:
    """Whether all of x is so near to 0 that it can be exponentiated as it is: exact, and quicker than with a shift."""
    return x.dtype.kind == "f" and x.itemsize > 2 and x.size > 0 and x.min() > -NEAR and x.max() < NEAR


def shifted(x: Array, axis: Axes) -> tuple[Array, Array]:
    """x less its largest element over ``axis``, which makes any x safe to exponentiate, and that element.

    A slice that is -inf throughout stays so; one that reaches +inf becomes 0 there, -inf elsewhere.
    """
    if x.dtype.kind != "f":
        x = x.astype(float)
    top = np.max(x, axis, keepdims=True, initial=-np.inf)
    finite = np.isfinite(top)
    if not finite.all():
        x = np.where(top == np.inf, np.where(x == np.inf, 0, -np.inf).astype(x.dtype), x)
    with np.errstate(over="ignore"):  # a difference too large for the dtype may become -inf, whose exponential is 0
        return x - np.where(finite, top, 0).astype(x.dtype), top


def total(e: Array, axis: Axes) -> Array:
    """The sum over ``axis``, kept with length 1; over the last one as a product with ones, several times as fast."""
    if isinstance(axis, int) and axis in {-1, e.ndim - 1} and e.ndim > 1:
        return np.matmul(e, np.ones((e.shape[-1], 1), e.dtype))
    return np.sum(e, axis, keepdims=True)


def positive(sums: Array) -> Array:
    """Sums of exponentials, with the least number above 0 for those of slices of nothing but exp(-inf)."""
    return np.maximum(sums, np.finfo(sums.dtype).tiny)


@op(x=lambda g, out, x, *, axis=None, keepdims=False: keep(g, x, axis) * softmax(x, axis=axis))
def logsumexp(x: Value, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """log Σ exp(x) over ``axis``, without overflow.

    >>> round(float(logsumexp(np.array([1e4, 1e4]))) - 1e4, 9)
    0.693147181
    """
    low, top = (x, 0) if near(x) else shifted(x, axis)
    e = total(np.exp(low), axis)
    out = np.where(e == 0, -np.inf, np.log(np.where(e == 0, 1, e)) + top)
    return out if keepdims else np.squeeze(out, tuple(range(x.ndim)) if axis is None else axis)


def softmax_rule(g: Value, out: Value, x: Value, *, axis: Axes = -1) -> Value:
    """g minus its mean under the distribution, weighted by the distribution."""
    weighted = g * out
    return weighted - out * weighted.sum(axis=axis, keepdims=True)


@op(x=softmax_rule)
def softmax(x: Value, *, axis: Axes = -1) -> Array:
    """exp(x) / Σ exp(x) along ``axis``: probabilities. A slice that is -inf throughout gives zeros.

    >>> softmax(np.array([0.0, 1e4, -np.inf]))
    array([0., 1., 0.])
    """
    e = np.asarray(np.exp(x if near(x) else shifted(x, axis)[0]))
    return np.divide(e, positive(total(e, axis)), out=e)


@op(x=lambda g, out, x, *, axis=-1: g - exp(out) * g.sum(axis=axis, keepdims=True))
def log_softmax(x: Value, *, axis: Axes = -1) -> Array:
    """x - log Σ exp(x) along ``axis``: log-probabilities, exact where the probability underflows.

    >>> log_softmax(np.array([0.0, -1e4]))
    array([    0., -10000.])
    """
    low, _ = shifted(x, axis)
    return low - np.log(positive(total(np.exp(low), axis)))
