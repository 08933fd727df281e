"""What a scan computes: once, at each step forward, at each step backward, and once more over all steps at the end.

A plan is made from the trace of one step in passes, each a short method: lower the recorded operations to NumPy calls,
keep what is used, take what no step changes out of the loop, and divide the rest into a forward and a backward program.
What the steps contribute to the cotangent of an invariant is not added up inside the loop where the sum can be taken
over all steps at once: Σ_t a_tᵀ b_t over stacked rows is a single matrix product. place.py decides where values live.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.scan.lower import Book, Value, as_value, closure
from tinygrad_rnn.scan.place import Layout
from tinygrad_rnn.scan.trace import Tape, Trace, differentiate
from tinygrad_rnn.tensor import ARRAY, Array, Tensor


class Total(NamedTuple):
    """What the steps contribute together to the cotangent of an invariant.

    ``how`` is ``rows``: Σ_t a_tᵀ b_t; ``gather``: value b_t added at the index arrays a_t; ``slice``: Σ_t a_t, added at
    ``key``; ``sum``: Σ_t a_t over stacked values; ``running``: the same, added up inside the loop.
    """

    invariant: int
    how: str
    parts: tuple[Value, ...]
    key: tuple[Any, ...] = ()


class Plan:
    """The programs for one step, from its tape and from sample values of its inputs (state, xs, invariants).

    ``once``, ``forward`` and ``backward`` are lists of values to compute, in order; ``after``, ``y``, ``d_state`` and
    ``d_x`` are the results of a step, None where there is no cotangent; ``totals`` are left for the end.
    """

    def __init__(self, tape: Tape, samples: Sequence[Array]) -> None:
        self.tape = tape
        self.book = Book()
        self.given: dict[int, tuple[str, int]] = {}  # by a value's number: what it is given as, and which of these
        self.totals: list[Total] = []
        self.lower(differentiate(tape, samples))
        self.divide()
        self.layout = Layout(self)
        for v in self.book.values:
            v.sample = None
        self.book.memo.clear()

    def lower(self, trace: Trace) -> None:
        """Write down the NumPy calls, forward and backward."""
        known: dict[int, Any] = {}
        tape, book = self.tape, self.book
        states, n = tape.states, tape.states + tape.xs
        rooms = [("state", k) for k in range(states)] + [("x", k) for k in range(tape.xs)]
        rooms += [("invariant", k) for k in range(len(tape.inputs) - n)]
        seeds = [("seed", k) for k in range(states)] + [("seed_y", 0)]
        for tensor, room in zip([*trace.inputs, *trace.seeds], [*rooms, *seeds], strict=True):
            if tensor is not None:
                known[id(tensor)] = value = book.given(tensor.data.view(np.ndarray))
                self.given[value.number] = room
        book.operations(trace.outputs, known)
        *self.after, self.y = [as_value(known[id(o)], book) for o in trace.outputs]
        ends = [c for c in trace.cotangents if c is not None]
        kept = [[part for part in parts if type(part) is not Rows or part.a.size] for parts in trace.contributions]
        ends += [t for parts in kept for part in parts for t in tensors_of(part)]
        book.operations(ends, known)
        found = [None if c is None else as_value(known[id(c)], book) for c in trace.cotangents]
        self.d_state, self.d_x = found[:states], found[states:]
        for k, parts in enumerate(kept):
            for part in parts:
                values = tuple(as_value(known[id(t)], book) for t in tensors_of(part))
                self.totals.append(total_of(k, part, values, tape.inputs[n + k].shape))

    @property
    def ends(self) -> list[Value]:
        """Everything that a step is run for."""
        return [
            *self.after,
            self.y,
            *(v for v in [*self.d_state, *self.d_x] if v is not None),
            *(v for total in self.totals for v in total.parts),
        ]

    def divide(self) -> None:
        """Into what is computed once and what is computed at each step, forward and backward."""
        used, results = closure(self.ends), closure([*self.after, self.y])
        self.fixed: set[int] = set()  # the same at every step
        for v in self.book.values:
            invariant = self.given[v.number][0] == "invariant" if v.number in self.given else False
            if invariant or (v.kind != "input" and all(a.number in self.fixed for a in v.operands)):
                self.fixed.add(v.number)
                if v.kind == "view" and v.number in used and not v.sample.flags.c_contiguous:
                    v.kind = "opaque"  # a transposed weight is copied once, so that each product reads it in order
        computed = [v for v in self.book.values if v.number in used and v.kind not in {"view", "input"}]
        self.once = [v for v in computed if v.number in self.fixed]
        steps = [v for v in computed if v.number not in self.fixed]
        self.forward = [v for v in steps if v.number in results]
        self.backward = [v for v in steps if v.number not in results]


def tensors_of(part: Any) -> list[Tensor]:
    """The tensors in a contribution."""
    if type(part) is Rows:
        return [part.a, part.b]
    if type(part) is At and hoistable(part):
        return [part.value, *part.arrays]
    if type(part) is At:
        part.value = At.total([part])  # a scatter_add at each step
        part.arrays, part.key = (), (...,)
        return [part.value]
    return [part]


def hoistable(part: At) -> bool:
    """Whether contributions of many steps can be added in one go: slices, or rows of a table."""
    return not part.arrays or (part.key == (ARRAY,) and type(part.arrays[0]) is Tensor)


def total_of(k: int, part: Any, values: tuple[Value, ...], shape: tuple[int, ...]) -> Total:
    """How the contributions of all steps to invariant ``k`` of ``shape`` become one."""
    if type(part) is Rows:
        return Total(k, "rows", values)
    if type(part) is At:
        return Total(k, "gather" if part.arrays else "slice", values, part.key)
    large = values[0].shape == shape and len(shape) > 1
    return Total(k, "running" if large else "sum", values)
