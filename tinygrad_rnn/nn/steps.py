"""The step of a cell as ``scan`` takes it, and whether one that was kept is still that of its cell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from operator import is_
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tinygrad_rnn.nn.cells import Cell, State, parts, whole
from tinygrad_rnn.op import Op
from tinygrad_rnn.ops import take, where
from tinygrad_rnn.scan import Pure
from tinygrad_rnn.scan.planned import Plans
from tinygrad_rnn.tensor import Array, Tensor


def step_of(cell: Cell, *, masked: bool, gathered: bool) -> Callable[..., tuple[State, Tensor]]:
    """One step of ``cell``, as ``scan`` takes it: of the state and what was projected of the time step.

    ``gathered``: that is, indices and projected tables to take it from. ``masked``: before it comes ``mask`` [B, 1],
    and where that is false, the state stays as it is.
    """

    def step(state: State, *inputs: Tensor) -> tuple[State, Tensor]:
        mask, inputs = (inputs[0], inputs[1:]) if masked else (None, inputs)
        if gathered:
            inputs = tuple(take(table, inputs[0]) for table in inputs[1:])
        new = cell.step(state, *inputs)
        if mask is not None:
            new = whole([where(mask, n, o) for n, o in zip(parts(new), parts(state), strict=True)])
        return new, parts(new)[0]

    return step


class Kept:
    """A step that was made of a cell, with all that the cell held then."""

    def __init__(self, cell: Cell, step: Pure) -> None:
        self.cell, self.step = cell, step
        self.held: list[tuple[Collection[Any], list[Any]]] = []
        self.arrays: list[tuple[Array, Array]] = []
        for x in within(cell, set()):
            if isinstance(x, np.ndarray):
                self.arrays.append((x, x.copy()))
            else:
                self.held.append((x, list(x)))

    def fits(self, cell: Cell) -> bool:
        """Whether ``cell`` is the cell of this step and holds what it held: the same objects, and equal arrays."""
        return (
            cell is self.cell
            and all(len(now) == len(old) and all(map(is_, now, old)) for now, old in self.held)
            and all(np.array_equal(array, old, array.dtype.kind == "f") for array, old in self.arrays)
        )


class Steps(dict[tuple[int, bool, bool], Kept]):
    """The steps that a layer has kept: by the number of the cell, and whether they are masked and gathered."""


# Compared by identity, whatever they hold:
CLOSED = (Tensor, Op, Plans, Pure, Kept, Steps, type, FunctionType, ModuleType)


def within(x: Any, seen: set[int]) -> Iterator[Any]:
    """What can change in ``x``: the arrays in it, and the contents of attributes, lists, sets and dictionaries.

    These are views where there are such, so that they show what stands there later.
    """
    if id(x) in seen:
        return
    seen.add(id(x))
    if isinstance(x, np.ndarray):
        yield x
        return
    if isinstance(x, CLOSED):
        return
    contents: list[Collection[Any]] = []
    if isinstance(x, dict):
        contents += [x.keys(), x.values()]
    elif isinstance(x, (list, tuple, set, frozenset, deque)):
        contents.append(x)
    if hasattr(x, "__dict__"):
        contents.append(vars(x).values())
    for collection in contents:
        if not isinstance(collection, (tuple, frozenset)):
            yield collection
        for inner in list(collection):
            yield from within(inner, seen)
