"""Cases of indexing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn

from tests.ops.cases import (
    SHAPES,
    Call,
    Case,
    broadcastable,
    floats,
    one_axis,
)
from tinygrad_rnn.tensor import ARRAY, Array


@st.composite
def keys(draw: DrawFn, shape: tuple[int, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """A getitem key for ``shape``, and its index arrays: slices, or integers that repeat, or masks."""
    kind = draw(st.sampled_from(["basic", "integers", "pair", "mask"]))
    if kind == "basic" or not shape or 0 in shape:
        basic = draw(hnp.basic_indices(shape, allow_newaxis=True))
        return (basic if isinstance(basic, tuple) else (basic,)), ()
    if kind == "mask":
        return (ARRAY,), (draw(hnp.arrays(bool, shape[: draw(st.integers(1, len(shape)))])),)
    axes = sorted(draw(st.permutations(range(len(shape))))[: 2 if kind == "pair" else 1])
    size = draw(broadcastable(len(axes), draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))))
    arrays = [
        draw(hnp.arrays(np.int64, s, elements=st.integers(-shape[a], shape[a] - 1)))
        for a, s in zip(axes, size, strict=True)
    ]
    other = st.sampled_from([slice(None), slice(None, None, -1), slice(0, 2), 0])
    others = [draw(other) for _ in shape]
    key: tuple[Any, ...] = tuple(ARRAY if a in axes else others[a] for a in range(axes[-1] + 1))
    return (*key, ...) if draw(st.booleans()) else key, tuple(arrays)


@st.composite
def getitems(draw: DrawFn) -> Call:
    x = draw(floats(SHAPES))
    key, arrays = draw(keys(x.shape))
    return Call((x, *arrays), {"key": key})


@st.composite
def scatters(draw: DrawFn) -> Call:
    shape = draw(SHAPES)
    key, arrays = draw(keys(shape))
    x = draw(floats(np.shape(np.empty(shape)[filled(key, arrays)])))
    return Call((x, *arrays), {"key": key, "shape": shape})


@st.composite
def assemblies(draw: DrawFn) -> Call:
    """One to three slices or gathers of one shape, which may overlap."""
    shape = draw(SHAPES)
    inputs: list[Any] = []
    some = [draw(keys(shape)) for _ in range(draw(st.integers(1, 3)))]
    for key, arrays in some:
        inputs += [draw(floats(np.shape(np.empty(shape)[filled(key, arrays)]))), *arrays]
    return Call(tuple(inputs), {"keys": tuple(key for key, _ in some), "shape": shape})


@st.composite
def takes(draw: DrawFn) -> Call:
    """Few indices, or more than 32 of them, which the gradient sorts."""
    x = draw(floats(SHAPES.filter(lambda shape: len(shape) > 0 and 0 not in shape)))
    axis = draw(one_axis(x.shape))
    few = hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)
    shape = draw(few if x.size > 3 else st.one_of(few, st.just((5, 7))))
    n = x.shape[axis]
    indices = draw(hnp.arrays(np.int64, shape, elements=st.integers(-n, n - 1)))
    return Call((x, indices), draw(st.sampled_from([{"axis": axis}, {}])) if axis % x.ndim == 0 else {"axis": axis})


def filled(key: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    rest = list(arrays)
    return tuple(rest.pop(0) if k is ARRAY else k for k in key)


def flat_index(shape: tuple[int, ...], key: tuple[Any, ...], arrays: tuple[Any, ...]) -> Array:
    """The positions in the flattened array that a key selects."""
    return np.asarray(np.arange(math.prod(shape)).reshape(shape)[filled(key, arrays)])


def assembled(*inputs: Any, keys: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    rest, out = list(inputs), np.zeros(math.prod(shape))
    for key in keys:
        x = rest.pop(0)
        arrays = tuple(rest.pop(0) for part in key if part is ARRAY)
        out += np.bincount(flat_index(shape, key, arrays).reshape(-1), x.reshape(-1), math.prod(shape))
    return out.reshape(shape)


INDEX: dict[str, Case] = {
    "getitem": Case(getitems(), lambda x, *arrays, key: x.reshape(-1)[flat_index(x.shape, key, arrays)]),
    "scatter_add": Case(
        scatters(),
        lambda x, *arrays, key, shape: np.bincount(
            flat_index(shape, key, arrays).reshape(-1), x.reshape(-1), math.prod(shape)
        ).reshape(shape),
    ),
    "assemble": Case(
        assemblies(),
        assembled,
    ),
    "take": Case(takes(), lambda x, indices, axis=0: x[(slice(None),) * (axis % x.ndim) + (indices,)]),
}
