"""Cases of losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn

from tests.ops.cases import (
    POSITIVE,
    SHAPES,
    SIDE,
    Call,
    Case,
    floats,
    total_exp,
)
from tinygrad_rnn.tensor import Array

REDUCTION = st.sampled_from([{"reduction": "mean"}, {"reduction": "sum"}, {"reduction": "none"}, {}])


@st.composite
def squared_errors(draw: DrawFn) -> Call:
    shape = draw(SHAPES.filter(lambda shape: 0 not in shape))
    return Call((draw(floats(shape)), draw(floats(shape))), draw(REDUCTION))


@st.composite
def cross_entropies(draw: DrawFn) -> Call:
    """With and without class weights; some targets ignored, but the first one counts, so that there is a mean."""
    lead = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    classes = draw(st.integers(1, 3))
    ignored = draw(st.sampled_from([-100, 0, 7] if classes > 1 else [-100, 7]))
    targets = draw(hnp.arrays(np.int64, lead, elements=st.integers(0, classes - 1)))
    targets = np.where(draw(hnp.arrays(bool, lead)), ignored, targets)
    targets.reshape(-1)[0] = classes - 1
    params: dict[str, Any] = dict(draw(REDUCTION))
    if ignored != -100:
        params["ignore_index"] = ignored
    weight: list[Any] = draw(st.sampled_from([[], [None], [draw(floats((classes,), POSITIVE))]]))
    return Call((draw(floats((*lead, classes))), targets, *weight), params)


def losses(logits: Array, targets: Array, weight: Any = None, reduction: str = "mean", ignore_index: int = -100) -> Any:
    values, weights = np.zeros(targets.shape), np.zeros(targets.shape)
    for index in np.ndindex(targets.shape):
        if (target := targets[index]) != ignore_index:
            weights[index] = 1 if weight is None else weight[target]
            exponentials = np.exp(logits[index])
            values[index] = -weights[index] * np.log(exponentials[target] / math.fsum(exponentials))
    return {"none": values, "sum": values.sum(), "mean": values.sum() / weights.sum()}[reduction]


@st.composite
def errors_of_softmax(draw: DrawFn) -> Call:
    n, classes = draw(SIDE), draw(st.integers(1, 3))
    targets = draw(hnp.arrays(np.int64, (n,), elements=st.integers(0, classes - 1)))
    return Call((draw(floats((n, classes))), targets))


LOSS: dict[str, Case] = {
    "mse_loss": Case(
        squared_errors(),
        lambda x, y, reduction="mean": {
            "none": (x - y) ** 2,
            "sum": np.vdot(x - y, x - y),
            "mean": np.vdot(x - y, x - y) / x.size,
        }[reduction],
    ),
    "cross_entropy": Case(cross_entropies(), losses),
    "softmax_error": Case(
        errors_of_softmax(),
        lambda logits, targets: np.exp(logits) / total_exp(logits, -1) - np.eye(logits.shape[1])[targets],
    ),
}
