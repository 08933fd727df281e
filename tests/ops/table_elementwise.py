"""Cases of operations element by element."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn

from tests.ops.cases import (
    COARSE,
    NONZERO,
    POSITIVE,
    SHAPES,
    Call,
    Case,
    binary,
    broadcastable,
    floats,
    unary,
    with_shape,
)


@st.composite
def wheres(draw: DrawFn) -> Call:
    shapes = draw(broadcastable(3))
    return Call((draw(hnp.arrays(bool, shapes[0])), draw(floats(shapes[1])), draw(floats(shapes[2]))))


@st.composite
def clips(draw: DrawFn) -> Call:
    """Limits a sixteenth off the grid, and now and then only one of them."""
    low, high = sorted(draw(st.lists(COARSE, min_size=2, max_size=2)))
    limits = {"min": low + 1 / 16, "max": high + 1 / 16}
    names = draw(st.sets(st.sampled_from(["min", "max"])))
    return Call((draw(floats(SHAPES)),), {k: v for k, v in limits.items() if k in names})


ELEMENTWISE: dict[str, Case] = {
    "add": Case(binary(), lambda x, y: x - -y),
    "sub": Case(binary(), lambda x, y: x + -y),
    "mul": Case(binary(), lambda x, y: ((x + y) ** 2 - (x - y) ** 2) / 4),
    "div": Case(binary(right=NONZERO), lambda x, y: x * y**-1.0),
    "neg": Case(unary(), lambda x: 0 - x),
    "pow": Case(binary(left=POSITIVE), lambda x, y: np.exp(y * np.log(x))),
    "exp": Case(unary(), lambda x: math.e**x),
    "expm1": Case(unary(), lambda x: np.sinh(x) + np.cosh(x) - 1),
    "log": Case(unary(POSITIVE), lambda x: np.log2(x) / math.log2(math.e)),
    "log1p": Case(unary(POSITIVE, -1 + 1 / 16), lambda x: np.log(1 + x)),
    "sqrt": Case(unary(POSITIVE), lambda x: x**0.5),
    "tanh": Case(unary(), lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))),
    "sigmoid": Case(unary(), lambda x: (1 + np.tanh(x / 2)) / 2),
    "relu": Case(unary(NONZERO), lambda x: x * (x > 0)),
    "softplus": Case(unary(), lambda x: np.logaddexp(0, x)),
    "abs": Case(unary(NONZERO), lambda x: np.sqrt(x * x)),
    "maximum": Case(binary(offset=1 / 16), lambda x, y: (x + y + np.abs(x - y)) / 2),
    "minimum": Case(binary(offset=1 / 16), lambda x, y: (x + y - np.abs(x - y)) / 2),
    "where": Case(wheres(), lambda condition, x, y: condition * x + (1 - condition) * y),
    "clip": Case(clips(), lambda x, **limits: np.minimum(np.maximum(x, limits.get("min", -9)), limits.get("max", 9))),
    "astype": Case(
        with_shape(lambda shape: st.just({"dtype": np.dtype(float)}), 0), lambda x, dtype: +x, keeps_dtype=False
    ),
    "sign": Case(unary(), lambda x: (x > 0) * 1.0 - (x < 0)),
    "equal": Case(binary(COARSE, COARSE), lambda x, y: (x - y) ** 2 <= 0),
    "not_equal": Case(binary(COARSE, COARSE), lambda x, y: (x - y) ** 2 > 0),
    "less": Case(binary(COARSE, COARSE), lambda x, y: y - x > 0),
    "less_equal": Case(binary(COARSE, COARSE), lambda x, y: y - x >= 0),
    "greater": Case(binary(COARSE, COARSE), lambda x, y: x - y > 0),
    "greater_equal": Case(binary(COARSE, COARSE), lambda x, y: x - y >= 0),
}
