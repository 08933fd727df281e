"""Cases of products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn

from tests.ops.cases import (
    COARSE,
    SIDE,
    Call,
    Case,
    broadcastable,
    floats,
    loop_einsum,
    with_shape,
)
from tinygrad_rnn.tensor import Array


@st.composite
def matmuls(draw: DrawFn) -> Call:
    i, j, k = draw(SIDE), draw(SIDE), draw(SIDE)
    left, right = draw(broadcastable(2, draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=2))))
    x = (j,) if draw(st.integers(0, 3)) == 0 else (*left, i, j)
    y = (j,) if draw(st.integers(0, 3)) == 0 else (*right, j, k)
    return Call((draw(floats(x)), draw(floats(y))))


@st.composite
def linears(draw: DrawFn) -> Call:
    lead = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    i, o = draw(SIDE), draw(SIDE)
    bias: list[Any] = draw(st.sampled_from([[], [None], [draw(floats(draw(broadcastable(1, (*lead, o)))[0]))]]))
    return Call((draw(floats((*lead, i))), draw(floats((o, i))), *bias))


@st.composite
def diagonals(draw: DrawFn) -> Call:
    x = draw(floats(hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=3)))
    axis1, axis2 = draw(st.permutations(range(x.ndim)))[:2]
    return Call((x,), {"offset": draw(COARSE), "axis1": axis1, "axis2": axis2 - x.ndim * draw(st.integers(0, 1))})


@st.composite
def einsums(draw: DrawFn) -> Call:
    """Labels that repeat, are shared, or are summed away; ``...``; explicit results in any order, and implicit ones."""
    sizes = dict(zip("abcd", draw(st.lists(SIDE, min_size=4, max_size=4)), strict=True))
    batch = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=2)) if draw(st.booleans()) else None
    terms, xs = [], []
    for _ in range(draw(st.integers(1, 3))):
        labels = draw(st.lists(st.sampled_from("aabcd"), max_size=3))
        shape = [sizes[c] for c in labels]
        if batch is not None and draw(st.booleans()):
            at = draw(st.integers(0, len(labels)))
            labels.insert(at, "...")
            shape[at:at] = draw(broadcastable(1, batch))[0]
        terms.append("".join(labels))
        xs.append(draw(floats(tuple(shape))))
    subscripts = ",".join(terms)
    if draw(st.booleans()):
        result = draw(st.lists(st.sampled_from(sorted({*subscripts} - {*",."}) or ["a"]), unique=True))
        result = [c for c in result if c in subscripts]
        if "..." in subscripts:
            result.insert(draw(st.integers(0, len(result))), "...")
        subscripts += "->" + "".join(result)
    return Call((subscripts, *xs))


def products(x: Array, y: Array) -> Array:
    """Matrix products as sums of elementwise ones."""
    rows = x[None] if x.ndim == 1 else x
    columns = y[:, None] if y.ndim == 1 else y
    out = (rows[..., :, :, None] * columns[..., None, :, :]).sum(-2)
    out = out[..., 0] if y.ndim == 1 else out
    return np.asarray(out[..., 0] if x.ndim == y.ndim == 1 else out[..., 0, :] if x.ndim == 1 else out)


def diagonal_elements(x: Array, offset: int, axis1: int, axis2: int) -> Array:
    moved = np.moveaxis(x, (axis1, axis2), (-2, -1))
    rows = [r for r in range(moved.shape[-2]) if 0 <= r + offset < moved.shape[-1]]
    return np.asarray(moved[..., np.array(rows, int), np.array(rows, int) + offset])


LINALG: dict[str, Case] = {
    "matmul": Case(matmuls(), products),
    "linear": Case(
        linears(),
        lambda x, weight, bias=None: (x[..., None, :] * weight).sum(-1) + (0 if bias is None else bias),
    ),
    "dot": Case(
        SIDE.flatmap(lambda n: st.builds(lambda x, y: Call((x, y)), floats((n,)), floats((n,)))),
        lambda x, y: math.fsum(a * b for a, b in zip(x, y, strict=True)),
    ),
    "outer": Case(
        st.builds(lambda x, y: Call((x, y)), floats(st.tuples(SIDE)), floats(st.tuples(SIDE))),
        lambda x, y: x[:, None] * y,
    ),
    "tril": Case(
        with_shape(lambda shape: st.fixed_dictionaries({"k": COARSE}), 2),
        lambda x, k: x * (np.arange(x.shape[-1]) - np.arange(x.shape[-2])[:, None] <= k),
    ),
    "diagonal": Case(diagonals(), diagonal_elements),
    "einsum": Case(einsums(), loop_einsum),
}
