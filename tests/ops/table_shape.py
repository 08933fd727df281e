"""Cases of operations that move elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.ops.cases import (
    SHAPES,
    SIDE,
    Call,
    Case,
    axis_of,
    broadcastable,
    floats,
    joined,
    one_axis,
    with_shape,
)
from tinygrad_rnn.tensor import Array


@st.composite
def reshapes(draw: DrawFn) -> Call:
    x = draw(floats(SHAPES))
    shapes: list[Any] = [x.size, (x.size,), x.shape[::-1], (1, *x.shape), (-1,), -1]
    shapes += [(-1, x.shape[-1])] if x.ndim and x.shape[-1] else []
    return Call((x,), {"shape": draw(st.sampled_from(shapes))})


@st.composite
def broadcasts(draw: DrawFn) -> Call:
    shape = draw(SHAPES)
    return Call((draw(floats(draw(broadcastable(1, shape))[0])),), {"shape": shape})


@st.composite
def expansions(draw: DrawFn) -> Call:
    x = draw(floats(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)))
    n = draw(st.integers(1, 2))
    axes = draw(st.permutations(range(x.ndim + n)))[:n]
    axes = [a - (x.ndim + n) * draw(st.integers(0, 1)) for a in axes]
    return Call((x,), {"axis": axes[0] if n == 1 else tuple(axes)})


@st.composite
def squeezes(draw: DrawFn) -> Call:
    x = draw(floats(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=2)))
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    axes: list[Any] = [None, *ones, *(i - x.ndim for i in ones), tuple(ones)]
    return Call((x,), {"axis": draw(st.sampled_from(axes))})


def squeezed(x: Array, axis: Any) -> Array:
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    return x.reshape([n for i, n in enumerate(x.shape) if i not in axes])


def expanded(x: Array, axis: Any) -> Array:
    axes = np.atleast_1d(axis)
    out_ndim, rest = x.ndim + len(axes), list(x.shape)
    places = {int(a) % out_ndim for a in axes}
    return x.reshape([1 if i in places else rest.pop(0) for i in range(out_ndim)])


@st.composite
def rolls(draw: DrawFn) -> Call:
    x = draw(floats(SHAPES))
    axis = draw(axis_of(x.shape))
    shift = tuple(draw(st.integers(-4, 4)) for _ in axis) if isinstance(axis, tuple) else draw(st.integers(-4, 4))
    return Call((x,), {"shift": shift, "axis": axis})


def rolled(x: Array, shift: Any, axis: Any) -> Array:
    if axis is None:
        return np.array([x.reshape(-1)[(i - shift) % x.size] for i in range(x.size)], x.dtype).reshape(x.shape)
    for s, a in zip(np.atleast_1d(shift), np.atleast_1d(axis), strict=True):
        n = x.shape[a]
        x = np.take(x, [(i - int(s)) % n for i in range(n)], a) if n else x
    return x


@st.composite
def pads(draw: DrawFn) -> Call:
    x = draw(floats(SHAPES.filter(len)))
    widths = tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in x.shape)
    return Call((x,), {"widths": widths} | draw(st.sampled_from([{}, {"value": 1.5}])))


def padded(x: Array, widths: tuple[tuple[int, int], ...], value: float = 0.0) -> Array:
    out = np.full([a + n + b for n, (a, b) in zip(x.shape, widths, strict=True)], value)
    for index in np.ndindex(x.shape):
        out[tuple(i + a for i, (a, _) in zip(index, widths, strict=True))] = x[index]
    return out


@st.composite
def concatenations(draw: DrawFn) -> Call:
    shape = draw(SHAPES.filter(len))
    axis = draw(one_axis(shape))
    xs = []
    for _ in range(draw(st.integers(1, 4))):
        sides = list(shape)
        sides[axis] = draw(SIDE)
        xs.append(draw(floats(tuple(sides))))
    return Call(tuple(xs), {"axis": axis})


@st.composite
def stacks(draw: DrawFn) -> Call:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    xs = tuple(draw(floats(shape)) for _ in range(draw(st.integers(1, 4))))
    return Call(xs, {"axis": draw(one_axis((*shape, 1)))})


def axis_pair(shape: tuple[int, ...]) -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"axis1": one_axis(shape), "axis2": one_axis(shape)})


def flipped(x: Array, axis: Any) -> Array:
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    return x[tuple(slice(None, None, -1 if i in axes else 1) for i in range(x.ndim))]


SHAPE: dict[str, Case] = {
    "reshape": Case(reshapes(), lambda x, shape: np.array(x.reshape(-1).tolist(), float).reshape(shape)),
    "transpose": Case(
        with_shape(
            lambda shape: st.permutations(range(len(shape))).flatmap(
                lambda axes: st.sampled_from([{}, {"axes": tuple(axes)}, {"axes": tuple(a - len(axes) for a in axes)}])
            ),
            0,
        ),
        lambda x, axes=None: np.moveaxis(x, tuple(range(x.ndim))[::-1] if axes is None else axes, range(x.ndim)),
    ),
    "swapaxes": Case(
        with_shape(axis_pair, 1),
        lambda x, axis1, axis2: (
            np.moveaxis(x, (axis1, axis2), (axis2, axis1)) if axis1 % x.ndim != axis2 % x.ndim else x
        ),
    ),
    "expand_dims": Case(expansions(), expanded),
    "squeeze": Case(squeezes(), squeezed),
    "broadcast_to": Case(broadcasts(), lambda x, shape: x + np.zeros(shape)),
    "flip": Case(with_shape(lambda shape: st.fixed_dictionaries({"axis": axis_of(shape)}), 0), flipped),
    "roll": Case(rolls(), rolled),
    "pad": Case(pads(), padded),
    "concatenate": Case(concatenations(), lambda *xs, axis: joined(xs, axis)),
    "stack": Case(stacks(), lambda *xs, axis: joined([expanded(x, axis) for x in xs], axis)),
}
