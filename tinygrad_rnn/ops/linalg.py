"""Products of vectors, matrices and stacks of matrices."""

from __future__ import annotations

from string import ascii_letters

import numpy as np

from tinygrad_rnn.contributions import Rows, as_rows
from tinygrad_rnn.op import op
from tinygrad_rnn.ops.elementwise import Value
from tinygrad_rnn.ops.index import scatter_add
from tinygrad_rnn.ops.shape import transpose
from tinygrad_rnn.tensor import ARRAY, Array


def matmul_x(g: Value, out: Value, x: Value, y: Value) -> Value:
    """g yᵀ; a vector stands for a row on the left and for a column on the right, which g then lacks."""
    if y.ndim == 1:
        return g[..., None] * y
    return (y @ g[..., None])[..., 0] if x.ndim == 1 else g @ y.mT


def matmul_y(g: Value, out: Value, x: Value, y: Value) -> Value:
    """xᵀ g; a sum over all rows of x when y is one matrix."""
    if y.ndim == 1:
        return x * g[..., None] if x.ndim > 1 else x * g
    if x.ndim == 1:
        return x[:, None] * g[..., None, :]
    return Rows(x, g) if y.ndim == 2 else x.mT @ g


@op(x=matmul_x, y=matmul_y)
def matmul(x: Value, y: Value) -> Array:
    """x @ y for vectors, matrices [I, J] @ [J, K] and stacks of matrices, as ``np.matmul``."""
    try:
        return product(x, y)
    except (ValueError, AttributeError):
        if not np.ndim(x) or not np.ndim(y):
            raise ValueError("a product of vectors or matrices; with a number write x * y") from None
        n, m = x.shape[-1], y.shape[-2:][0]
        if n == m:
            raise
        raise ValueError(f"the last axis of x, {n}, must be as long as y has rows, {m}") from None


def product(x: Value, y: Value) -> Array:
    """x @ y; with one matrix y a single product of all rows of x, where ``np.matmul`` makes one for each leading index.

    It is up to twice as fast for the 50 rows of a batch at each of many time steps.
    """
    if x.ndim > 2 and y.ndim == 2:
        return np.matmul(as_rows(x), y).reshape(*x.shape[:-1], y.shape[-1])
    return np.matmul(x, y)


@op(
    x=lambda g, out, x, weight, bias=None: matmul(g, weight),
    weight=lambda g, out, x, weight, bias=None: Rows(g, x),
    bias=lambda g, out, x, weight, bias=None: g,
)
def linear(x: Value, weight: Value, bias: Value = None) -> Array:
    """x Wᵀ + b: a layer's affine map, in one pass over the result.

    ``x`` [..., I], ``weight`` [O, I], ``bias`` [O] or any shape that broadcasts to the result, [..., O].
    """
    if weight.ndim != 2:
        raise ValueError("weight is a matrix [O, I]")
    try:
        out = product(x, weight.T)
        if bias is None:
            return out
        if getattr(bias, "dtype", None) is not out.dtype:
            out = out.astype(np.result_type(out, bias), copy=False)
        return np.add(out, bias, out=out)
    except ValueError:
        O, I = weight.shape  # noqa: E741  the names of the docstring
        if x.shape[-1:] != (I,):
            raise ValueError(f"weight [O, I] has I = {I}, so x [..., I] must end in {I}") from None
        raise ValueError(f"bias doesn't broadcast to the result [..., O], which is {(*x.shape[:-1], O)}") from None


@op(x=lambda g, out, x, y: g * y, y=lambda g, out, x, y: g * x)
def dot(x: Value, y: Value) -> Array:
    """The inner product of two vectors of equal length."""
    if not np.ndim(x) == np.ndim(y) == 1:
        raise ValueError("dot takes two vectors; use matmul")
    return np.dot(x, y)


@op(x=lambda g, out, x, y: g @ y, y=lambda g, out, x, y: x @ g)
def outer(x: Value, y: Value) -> Array:
    """The outer product [I, J] of vectors [I] and [J]."""
    if not np.ndim(x) == np.ndim(y) == 1:
        raise ValueError("outer takes two vectors")
    return np.outer(x, y)


@op(x=lambda g, out, x, *, k=0: tril(g, k=k))
def tril(x: Value, *, k: int = 0) -> Array:
    """The lower triangle of the last two axes, up to the diagonal ``k``; zeros above."""
    return np.tril(x, k)


def diagonal_rule(g: Value, out: Value, x: Value, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """g put back on the diagonal of zeros: on the last two axes first, then with the axes in their places."""
    rows = np.arange(g.shape[-1]) + np.maximum(-offset, 0)
    axes = [a for a in range(x.ndim) if a not in {axis1 % x.ndim, axis2 % x.ndim}] + [
        axis1 % x.ndim,
        axis2 % x.ndim,
    ]
    shape = tuple(x.shape[a] for a in axes)
    full = scatter_add(g, rows, rows + offset, key=(..., ARRAY, ARRAY), shape=shape)
    return transpose(full, axes=tuple(np.argsort(axes).tolist()))


@op(x=diagonal_rule)
def diagonal(x: Value, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonal of axes ``axis1`` and ``axis2``, as the last axis of the result."""
    return np.diagonal(x, offset, axis1, axis2)


def einsum_rule(g: Value, out: Value, subscripts: str, *xs: Value) -> tuple[Value, ...]:
    """The cotangent of each operand: g and the other operands, summed to the operand's own labels.

    A label that only this operand has was summed away: ones bring it back. A label that it has twice took a
    diagonal: the second gets a name of its own, and the identity matrix ties the two.
    """
    terms, result = labels(subscripts, xs)
    cotangents: list[Value] = [None]
    for i, x in enumerate(xs):
        operands = [g, *(y for j, y in enumerate(xs) if j != i)]
        subs = [result, *(term for j, term in enumerate(terms) if j != i)]
        free = iter(c for c in ascii_letters if c not in "".join(terms) + result)
        target = ""
        for label, n in zip(terms[i], x.shape, strict=True):
            if label in target:
                again = next(free)
                operands.append(np.eye(n, dtype=x.dtype))
                subs.append(label + again)
                target += again
            else:
                if not any(label in term for term in subs):
                    operands.append(np.ones(n, x.dtype))
                    subs.append(label)
                target += label
        cotangents.append(einsum(f"{','.join(subs)}->{target}", *operands))
    return tuple(cotangents)


def labels(subscripts: str, xs: tuple[Value, ...]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, with every ``...`` written out in letters of its own."""
    left, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    spare = [c for c in ascii_letters if c not in subscripts]
    longest = 0
    for i, (term, x) in enumerate(zip(terms, xs, strict=True)):
        hidden = len(x.shape) - len(term.replace("...", ""))
        terms[i] = term.replace("...", "".join(spare[:hidden][::-1]))
        longest = np.maximum(longest, hidden if "..." in term else 0)
    dots = "".join(spare[:longest][::-1])
    if not arrow:
        joined = "".join(terms)
        result = dots + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in dots))
    return terms, result.replace("...", dots)


@op(einsum_rule)
def einsum(subscripts: str, *xs: Value) -> Array:
    """Products summed over labelled axes, as ``np.einsum``: ``einsum("tbh,gh->tbg", x, w)``.

    Repeated labels, labels that are summed away and ``...`` are differentiable as well.
    """
    if not isinstance(subscripts, str):
        raise TypeError("the first input is the text of the subscripts, such as 'ij,jk->ik'")
    return np.einsum(subscripts, *xs, optimize=len(xs) > 1)
