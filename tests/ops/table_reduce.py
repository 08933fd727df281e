"""Cases of reductions and normalisations."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.ops.cases import (
    NONZERO,
    SHAPES,
    Call,
    Case,
    axis_of,
    by_rows,
    floats,
    one_axis,
    reduction,
    total_exp,
    with_shape,
)


def variance(row: list[float], ddof: int = 0) -> float:
    mean = math.fsum(row) / len(row)
    return math.fsum((x - mean) ** 2 for x in row) / (len(row) - ddof)


@st.composite
def along(draw: DrawFn) -> Call:
    """Calls with the optional ``axis`` of softmax."""
    x = draw(floats(SHAPES.filter(len)))
    return Call((x,), draw(st.sampled_from([{}, {"axis": draw(axis_of(x.shape))}])))


DDOF = st.integers(0, 1)
REDUCE: dict[str, Case] = {
    "sum": Case(reduction(), by_rows(math.fsum)),
    "mean": Case(reduction(least=1), by_rows(lambda row: math.fsum(row) / len(row))),
    "max": Case(reduction(None, least=1), by_rows(max)),
    "min": Case(reduction(None, least=1), by_rows(min)),
    "var": Case(
        reduction(least=2, ddof=DDOF),
        lambda x, ddof, **params: by_rows(lambda row: variance(row, ddof))(x, **params),
    ),
    "std": Case(
        reduction(None, least=2, ddof=DDOF),
        lambda x, ddof, **params: by_rows(lambda row: math.sqrt(variance(row, ddof)))(x, **params),
    ),
    "norm": Case(reduction(NONZERO), by_rows(lambda row: math.hypot(*row))),
    "prod": Case(reduction(several=False), by_rows(math.prod)),
    "cumsum": Case(
        with_shape(lambda shape: st.fixed_dictionaries({"axis": one_axis(shape)}), 1),
        lambda x, axis: np.moveaxis((np.moveaxis(x, axis, -1)[..., None, :] * np.tri(x.shape[axis])).sum(-1), -1, axis),
    ),
    "logsumexp": Case(
        reduction(least=1),
        lambda x, axis, keepdims: np.log(
            by_rows(lambda row: math.fsum(map(math.exp, row)))(x, axis=axis, keepdims=keepdims)
        ),
    ),
    "softmax": Case(along(), lambda x, axis=-1: np.exp(x) / total_exp(x, axis)),
    "log_softmax": Case(along(), lambda x, axis=-1: np.log(np.exp(x) / total_exp(x, axis))),
}
