"""Indexing and its transpose. The cotangent of a slice or gather is an ``At``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_rnn.contributions import At, add_at, fill, places
from tinygrad_rnn.op import op
from tinygrad_rnn.ops.elementwise import Value
from tinygrad_rnn.tensor import ARRAY, STATIC_KEYS, Array


@op(x=lambda g, out, x, *arrays, key: At(g, arrays, key, x.shape))
def getitem(x: Value, *arrays: Value, key: tuple[Any, ...]) -> Array:
    """``x[key]``: what ``tensor[...]`` calls.

    ``key`` holds slices, integers, ``...`` and None; ``"array"`` stands where one of ``arrays`` (integers or a boolean
    mask) belongs. Repeated indices add up in the gradient.
    """
    if arrays:
        return x[fill(key, arrays)]
    out = x[key]
    base = getattr(out, "base", x)  # scalars and stand-ins of a plan have none
    view = base is x or (base is not None and base is x.base)
    if not view and not (type(key) is tuple and all(isinstance(part, STATIC_KEYS) for part in key)):
        raise TypeError("a key is a tuple of integers, slices, ... and None, or 'array' for an array")
    return out


@op(x=lambda g, out, x, *arrays, key, shape: getitem(g, *arrays, key=key))
def scatter_add(x: Value, *arrays: Value, key: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape``, with ``x`` added at the index that ``key`` and ``arrays`` make: the transpose of getitem.

    >>> scatter_add(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), key=("array",), shape=(3,))
    array([5., 0., 2.])
    """
    out = np.zeros(shape, x.dtype)
    add_at(out, x, arrays, key)
    return out


def take_rule(g: Value, out: Value, x: Value, indices: Value, *, axis: int = 0) -> At:
    """g at the indices that it was taken from."""
    if isinstance(indices, int):
        indices = np.asarray(indices)
    return At(g, (indices,), (slice(None),) * (axis % x.ndim) + (ARRAY,), x.shape)


@op(x=take_rule)
def take(x: Value, indices: Value, *, axis: int = 0) -> Array:
    """The slices of ``x`` along ``axis`` at the integer ``indices``: the rows of an embedding table.

    ``x`` [V, E] and ``indices`` [T, B] give [T, B, E]. Raises IndexError for an index outside -V..V-1.
    """
    kind = np.asarray(indices).dtype
    if kind.kind not in "iu":
        raise TypeError(f"indices are integers, but these are {kind}; for a mask write x[mask]")
    if not -np.ndim(x) <= axis < np.ndim(x):
        raise ValueError(f"axis {axis} is out of bounds for shape {np.shape(x)}")
    return np.take(x, indices, axis)


def assemble_rule(
    g: Value, out: Value, *inputs: Value, keys: tuple[tuple[Any, ...], ...], shape: tuple[int, ...]
) -> Value:
    """What is in ``g`` at the place of each value; None for the index arrays."""
    cotangents: list[Value] = []
    for _, arrays, key in parts(inputs, keys):
        cotangents += [g[fill(key, arrays)], *[None] * len(arrays)]
    return tuple(cotangents)


@op(assemble_rule)
def assemble(*inputs: Value, keys: tuple[tuple[Any, ...], ...], shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape``, with each value of the ``inputs`` added at its key: the transpose of ``split``.

    After each value come the index arrays of its key, if it has any.

    >>> assemble(np.ones(2), np.array([5.0, 7.0]), keys=((slice(0, 2),), (slice(1, 3),)), shape=(4,))
    array([1., 6., 7., 0.])
    """
    placed = list(parts(inputs, keys))
    out = np.zeros(shape, np.result_type(*(x for x, _, _ in placed)))
    for x, arrays, key in placed:
        if arrays:
            add_at(out, x, arrays, key)
        else:
            out[key] += x
    return out


def parts(
    inputs: tuple[Value, ...], keys: tuple[tuple[Any, ...], ...]
) -> Iterator[tuple[Value, tuple[Value, ...], tuple[Any, ...]]]:
    """Each value among the inputs of ``assemble``, with its index arrays and its key."""
    expected = len(keys) + sum(map(places, keys))
    if len(inputs) != expected:
        raise ValueError(f"the keys have places for {expected} values and index arrays, but there are {len(inputs)}")
    rest = iter(inputs)
    for key in keys:
        yield next(rest), tuple(islice(rest, places(key))), key
