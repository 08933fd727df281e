"""Operations that move elements without changing them."""

from __future__ import annotations

import operator
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np

from tinygrad_rnn.op import op
from tinygrad_rnn.ops.elementwise import Value
from tinygrad_rnn.ops.index import getitem
from tinygrad_rnn.tensor import Array, Tensor


@op(x=lambda g, out, x, *, shape: g.reshape(x.shape))
def reshape(x: Value, *, shape: int | tuple[int, ...]) -> Array:
    """The same elements in the same order, in another shape; one length may be -1."""
    return np.reshape(x, shape)


@op(x=lambda g, out, x, *, axes=None: transpose(g, axes=axes and tuple(np.argsort([a % x.ndim for a in axes]))))
def transpose(x: Value, *, axes: tuple[int, ...] | None = None) -> Array:
    """The axes in the order ``axes``, or reversed."""
    return np.transpose(x, None if axes is None else tuple(axes))


@op(x=lambda g, out, x, *, axis1, axis2: g.swapaxes(axis1, axis2))
def swapaxes(x: Value, *, axis1: int, axis2: int) -> Array:
    """Two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


@op(x=lambda g, out, x, *, axis: g.reshape(x.shape))
def expand_dims(x: Value, *, axis: int | tuple[int, ...]) -> Array:
    """New axes of length 1, at the places ``axis`` of the result."""
    return np.expand_dims(x, axis)


@op(x=lambda g, out, x, *, axis=None: g.reshape(x.shape))
def squeeze(x: Value, *, axis: int | tuple[int, ...] | None = None) -> Array:
    """Without the axes of length 1: all of them, or those in ``axis``."""
    return np.squeeze(x, axis)


@op(x=lambda g, out, x, *, shape: g)
def broadcast_to(x: Value, *, shape: tuple[int, ...]) -> Array:
    """x repeated to ``shape`` by NumPy's broadcasting."""
    return np.broadcast_to(x, shape)


@op(x=lambda g, out, x, *, axis=None: flip(g, axis=axis))
def flip(x: Value, *, axis: int | tuple[int, ...] | None = None) -> Array:
    """The order of the elements reversed along ``axis``, or along all axes."""
    return np.flip(x, axis)


@op(x=lambda g, out, x, *, shift, axis=None: roll(g, shift=negated(shift), axis=axis))
def roll(x: Value, *, shift: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None) -> Array:
    """The elements moved along ``axis`` by ``shift`` places; those pushed out at the end come in at the start."""
    if not all(isinstance(s, (int, np.integer)) for s in (shift if isinstance(shift, tuple) else (shift,))):
        raise TypeError("shift is an int or a tuple of ints")
    return np.roll(x, shift, axis)


def negated(shift: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """The shift that undoes ``shift``."""
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


@op(x=lambda g, out, x, *, widths, value=0.0: g[interior(x.shape, widths)])
def pad(x: Value, *, widths: tuple[tuple[int, int], ...], value: float = 0.0) -> Array:
    """x with ``widths[axis] = (before, after)`` elements of ``value`` added around it.

    >>> pad(np.ones(2), widths=((1, 2),))
    array([0., 1., 1., 0., 0.])
    """
    if np.shape(widths) != (np.ndim(x), 2):
        raise ValueError("widths has a pair (before, after) for each axis")
    return np.pad(x, widths, constant_values=value)


def interior(shape: tuple[int, ...], widths: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    """Where the elements of an array of ``shape`` are once it is padded."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


def concatenate_rule(g: Value, out: Value, *xs: Value, axis: int = 0) -> tuple[Value, ...]:
    """The piece of ``g`` that belongs to each input."""
    lead = (slice(None),) * (axis % out.ndim)
    ends = np.cumsum([x.shape[axis] for x in xs]).tolist()
    return tuple(g[(*lead, slice(start, end))] for start, end in zip([0, *ends[:-1]], ends, strict=True))


@op(concatenate_rule)
def concatenate(*xs: Value, axis: int = 0) -> Array:
    """The inputs ``concatenate(a, b, ...)`` joined along ``axis``."""
    return np.concatenate(xs, operator.index(axis))


def stack_rule(g: Value, out: Value, *xs: Value, axis: int = 0) -> tuple[Value, ...]:
    """The slice of ``g`` that belongs to each input."""
    lead = (slice(None),) * (axis % out.ndim)
    return tuple(g[(*lead, i)] for i in range(len(xs)))


@op(stack_rule)
def stack(*xs: Value, axis: int = 0) -> Array:
    """The inputs ``stack(a, b, ...)``, all of one shape, joined along a new axis."""
    if axis == 0 and np.ndim(xs[0]) and len({np.shape(x) for x in xs}) == 1:  # a third of the time for small ones
        return np.concatenate(xs).reshape(len(xs), *np.shape(xs[0]))
    return np.stack(xs, axis)


def split(x: Tensor, sections: int | list[int], *, axis: int = 0) -> list[Tensor]:
    """``x`` cut along ``axis`` into ``sections`` equal parts, or into parts of the lengths in ``sections``.

    Each part is one recorded slice. Raises ValueError if the parts don't make up the axis.

    >>> [part.shape for part in split(Tensor(np.zeros((2, 12))), 4, axis=1)]
    [(2, 3), (2, 3), (2, 3), (2, 3)]
    """
    try:
        if not -x.ndim <= operator.index(axis) < x.ndim:
            raise no_axis("split", x, axis)
        keys = cuts(x.shape[axis], sections if isinstance(sections, int) else tuple(sections), axis % x.ndim)
    except (AttributeError, TypeError, ZeroDivisionError):
        raise TypeError(
            f"split({type(x).__name__}, {sections!r}, axis={axis!r}): takes a Tensor, the number of parts or a list of "
            "their lengths, and an axis"
        ) from None
    if keys is None:
        raise ValueError(f"split: axis {axis} of shape {x.shape} can't be cut into {sections}")
    return [getitem(x, key=key) for key in keys]


@lru_cache(maxsize=1024)
def cuts(length: int, sections: int | tuple[int, ...], axis: int) -> list[tuple[slice, ...]] | None:
    """The keys of the parts into which ``split`` cuts an axis of ``length``, or None if they don't make it up.

    Kept, because a recurrent layer asks for the same at each step.
    """
    sizes = (length // sections,) * sections if isinstance(sections, int) else sections
    ends = list(accumulate(sizes, initial=0))
    if ends[-1] != length or min(sizes, default=0) < 0:
        return None
    return [(*[slice(None)] * axis, slice(start, end)) for start, end in pairwise(ends)]


def unstack(x: Tensor, *, axis: int = 0) -> list[Tensor]:
    """The slices of ``x`` along ``axis``, without that axis: ``unstack(x)[t]`` is ``x[t]``."""
    try:
        if not -x.ndim <= operator.index(axis) < x.ndim:
            raise no_axis("unstack", x, axis)
    except (AttributeError, TypeError):
        raise TypeError(f"unstack({type(x).__name__}, axis={axis!r}): takes a Tensor and an axis") from None
    lead = (slice(None),) * (axis % x.ndim)
    return [x[(*lead, i)] for i in range(x.shape[axis])]


def no_axis(name: str, x: Tensor, axis: int) -> ValueError:
    """The error for an axis that ``x`` doesn't have."""
    return ValueError(f"{name}: axis {axis} is out of bounds for shape {x.shape}")
