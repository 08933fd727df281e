"""Contributions to a cotangent that stay unexpanded until all of them are there.

* ``At(value, arrays, key, shape)`` is zero outside an index: T slices of one tensor cost O(size) together, not
  O(T size).
* ``Rows(a, b)`` is the matrix aᵀ b, a sum over rows. A weight that T steps share collects T of them, and they become
  one product over the rows of all steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from tinygrad_rnn.tensor import ARRAY, Array, Tensor, registry

WHOLE = slice(None)
LARGE = 512  # elements in a slice, from which on joining the slices costs less than zeros to add them to
MANY_ROWS = 32  # from here on sorting the rows costs less than np.add.at


class At:
    """A cotangent that is ``value`` at an index of an array of ``shape``, zero elsewhere; repeated indices add up.

    The index is ``key`` with the index arrays ``arrays`` in the places of ``ARRAY``, as ``getitem`` has it.
    """

    __slots__ = ("arrays", "key", "shape", "value")

    def __init__(self, value: Any, arrays: tuple[Any, ...], key: tuple[Any, ...], shape: tuple[int, ...]) -> None:
        self.value, self.arrays, self.key, self.shape = value, arrays, key, shape

    @staticmethod
    def total(parts: Sequence[At]) -> Any:
        """The sum of many, an array or a Tensor.

        Slices that tile the whole are joined, others added to zeros in place.
        """
        first = parts[0]
        if type(first.value) is Tensor:  # then all are
            return At.recorded(parts)
        if first.value.size >= LARGE and (whole := joined(parts)) is not None:
            return whole
        buffer = np.zeros(first.shape, first.value.dtype)
        for part in parts:
            if part.arrays:
                add_at(buffer, part.value, part.arrays, part.key)
            else:
                buffer[part.key] += part.value
        return buffer

    @staticmethod
    def recorded(parts: Sequence[At]) -> Any:
        """The sum as one recorded operation."""
        first = parts[0]
        if len(parts) == 1 and first.arrays:
            return registry["scatter_add"](first.value, *first.arrays, key=first.key, shape=first.shape)
        inputs = [x for part in parts for x in (part.value, *part.arrays)]
        return registry["assemble"](*inputs, keys=tuple(part.key for part in parts), shape=first.shape)


class Rows:
    """The cotangent aᵀ b of a matrix [I, J], from ``a`` [..., I] and ``b`` [..., J]: a sum over all leading axes."""

    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b

    @staticmethod
    def total(parts: Sequence[Rows]) -> Any:
        """The sum of many, an array or a Tensor, as one product over the rows of all."""
        a = [as_rows(part.a) for part in parts]
        b = [as_rows(part.b) for part in parts]
        if len(parts) == 1:
            return a[0].T @ b[0]
        concatenate = registry["concatenate"]
        return concatenate(*a).T @ concatenate(*b)


def as_rows(x: Any) -> Any:
    """An array or Tensor [..., I] as a matrix of rows; not by -1, which has no meaning when I is 0."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def joined(parts: Sequence[At]) -> Array | None:
    """The values of ``parts`` side by side, if they are slices of one axis without overlap; else None.

    This is the way back from ``split`` and ``unstack``, at the cost of one copy. Gaps are filled with zeros; with more
    gap than slice it is no use.
    """
    lead, shape = parts[0].key[:-1], parts[0].shape
    axis = len(lead)
    if lead != (WHOLE,) * axis or not parts[0].key:
        return None
    spans = []
    for part in parts:
        key = part.key
        if key[:-1] != lead or not key:
            return None
        last = key[-1]
        if type(last) is slice and last.step is None and type(last.start) is type(last.stop) is int:
            spans.append((last.start, last.stop, part.value))
        elif type(last) is int and axis == 0 and part.value.ndim:
            spans.append((last, last + 1, part.value[None]))
        else:
            return None
    spans.sort(key=itemgetter(0))
    pieces, end, gap = [], 0, 0
    for start, stop, value in (*spans, (shape[axis], shape[axis], None)):
        if start < end:
            return None
        if start > end:
            gap += start - end
            pieces.append(np.zeros((*shape[:axis], start - end, *shape[axis + 1 :]), parts[0].value.dtype))
        if value is not None:
            pieces.append(value)
        end = stop
    return np.concatenate(pieces, axis) if 2 * gap <= shape[axis] else None


def add_at(buffer: Array, value: Array, arrays: tuple[Any, ...], key: tuple[Any, ...]) -> None:
    """Add ``value`` in place to ``buffer`` at the index that ``key`` and ``arrays`` make; repeated indices add up."""
    if all(a.dtype.kind == "b" for a in arrays):  # no element twice: there are only slices and masks
        buffer[fill(key, arrays)] += value
    elif key == (ARRAY,) and buffer.ndim > 1 and arrays[0].size > MANY_ROWS:
        add_rows(buffer, value, arrays[0])
    else:
        np.add.at(buffer, fill(key, arrays), value)


def add_rows(buffer: Array, value: Array, index: Array) -> None:
    """``buffer[index[n]] += value[n]`` for all n: the rows of each target brought together, each group summed once.

    A group is summed as a product with ones, which BLAS does several times as fast as ``np.add.reduceat``.
    """
    index = index.reshape(-1).astype(np.intp) % len(buffer)
    order = np.argsort(index, kind="stable")
    rows = value.reshape(index.size, -1)
    targets, starts = np.unique(index[order], return_index=True)
    flat, ones = buffer.reshape(len(buffer), -1), np.ones(index.size, rows.dtype)
    for target, start, stop in zip(targets, starts, [*starts[1:], index.size], strict=True):
        flat[target] += np.dot(ones[start:stop], rows.take(order[start:stop], axis=0))


def fill(key: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """A getitem key with its index arrays in place. Raises ValueError if it has another number of places for them."""
    if places(key) != len(arrays):
        raise ValueError(f"the key has {places(key)} places for index arrays, but there are {len(arrays)}")
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY else part for part in key)


def places(key: tuple[Any, ...]) -> int:
    """How many index arrays belong into a getitem key."""
    return [part is ARRAY for part in key].count(True)
