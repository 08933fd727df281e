"""What a scan computes: once, for all steps at once, and at each step, forward and backward.

A plan is made from the trace of one step in passes. ``lowered`` writes down the NumPy calls of the recorded operations;
passes.py makes fewer of them wait for each other; ``Plan`` divides them by when they can be computed, and place.py
decides where values live. What the steps contribute to the cotangent of an invariant is not added up inside the loop
where the sum can be taken over all steps at once: Σ_t a_tᵀ b_t over stacked rows is a single matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.scan.lift import liftable
from tinygrad_rnn.scan.lower import Book, Value, as_value, closure
from tinygrad_rnn.scan.passes import SMALL, joined, regrouped, waiting
from tinygrad_rnn.scan.place import Layout, numbers
from tinygrad_rnn.scan.tape import Tape
from tinygrad_rnn.scan.trace import Trace, differentiate
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


class Draft:
    """The calls of one step, forward and backward, and which of their values are results of the step.

    ``after``, ``y``, ``d_state`` and ``d_x`` are these results, None where there is no cotangent; ``totals`` are left
    for the end. ``given`` says of a value, by its number, what it is given as, and which of these.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.book = Book()
        self.given: dict[int, tuple[str, int]] = {}
        self.after: list[Value] = []
        self.y: Value
        self.d_state: list[Value | None] = []
        self.d_x: list[Value | None] = []
        self.totals: list[Total] = []

    @property
    def results(self) -> list[Value]:
        """The results of a step, forward and backward."""
        return [*self.after, self.y, *(v for v in [*self.d_state, *self.d_x] if v is not None)]

    @property
    def ends(self) -> list[Value]:
        """Everything that a step is run for."""
        return [*self.results, *(v for total in self.totals for v in total.parts)]

    def rebuilt(self, rule: Callable[[Value, tuple[Any, ...], Book], Value]) -> Draft:
        """The step made anew, value by value: ``rule(value, new arguments, new book)`` gives what stands for a value.

        What no end needs is left out.
        """
        new, used = Draft(self.tape), closure(self.ends)
        found: dict[int, Value] = {}
        for v in self.book.values:
            if v.number in self.given:
                found[v.number] = value = new.book.given(v.sample)
                new.given[value.number] = self.given[v.number]
            elif v.number in used:
                args = tuple(found[a.number] if type(a) is Value else a for a in v.args)
                found[v.number] = rule(v, args, new.book)
        new.after, new.y = [found[v.number] for v in self.after], found[self.y.number]
        new.d_state = [None if v is None else found[v.number] for v in self.d_state]
        new.d_x = [None if v is None else found[v.number] for v in self.d_x]
        new.totals = [t._replace(parts=tuple(found[v.number] for v in t.parts)) for t in self.totals]
        return new


def lowered(tape: Tape, trace: Trace) -> Draft:
    """The NumPy calls of one step, forward and backward, as its operations make them."""
    known: dict[int, Any] = {}
    draft = Draft(tape)
    book, states, n = draft.book, tape.states, tape.states + tape.xs
    rooms = [("state", k) for k in range(states)] + [("x", k) for k in range(tape.xs)]
    rooms += [("invariant", k) for k in range(len(tape.inputs) - n)]
    seeds = [("seed", k) for k in range(states)] + [("seed_y", 0)]
    for tensor, room in zip([*trace.inputs, *trace.seeds], [*rooms, *seeds], strict=True):
        if tensor is not None:
            known[id(tensor)] = value = book.given(tensor.data.view(np.ndarray))
            draft.given[value.number] = room
    book.operations(trace.outputs, known)
    *draft.after, draft.y = [as_value(known[id(o)], book) for o in trace.outputs]
    ends = [c for c in trace.cotangents if c is not None]
    ends += [t for parts in trace.contributions for part in parts for t in tensors_of(part)]
    book.operations(ends, known)
    found = [None if c is None else as_value(known[id(c)], book) for c in trace.cotangents]
    draft.d_state, draft.d_x = found[:states], found[states:]
    for k, parts in enumerate(trace.contributions):
        for part in parts:
            values = tuple(as_value(known[id(t)], book) for t in tensors_of(part))
            draft.totals.append(total_of(k, part, values, tape.inputs[n + k].shape))
    return draft


def drafts(tape: Tape, samples: Sequence[Array]) -> Iterator[tuple[str, Draft]]:
    """The step after each pass, with the pass in words."""
    yield "as the operations make them", (draft := lowered(tape, differentiate(tape, samples)))
    yield "products regrouped", (draft := regrouped(draft))
    yield "calls on neighbouring slices joined", joined(draft)


class Program(NamedTuple):
    """The values to compute in one direction, in order: for all steps at once, then step by step, then at once."""

    ahead: list[Value]
    loop: list[Value]
    behind: list[Value]

    @property
    def values(self) -> list[Value]:
        """All of them."""
        return [*self.ahead, *self.loop, *self.behind]


class Plan:
    """The programs of a step, from its tape and from sample values of its inputs (state, xs, invariants).

    ``once`` has what no step changes; ``forward`` and ``backward`` are Programs. ``draft`` has the results.
    """

    def __init__(self, tape: Tape, samples: Sequence[Array]) -> None:
        self.tape = tape
        *_, (_, draft) = drafts(tape, samples)
        self.draft = draft
        self.divide()
        self.layout = Layout(self)
        for v in draft.book.values:
            v.sample = None
        draft.book.memo.clear()

    def divide(self) -> None:
        """Into what is computed once, for all steps at once, and at each step, forward and backward."""
        draft = self.draft
        used, results = closure(draft.ends), closure([*draft.after, draft.y])
        self.fixed: set[int] = set()  # the same at every step
        for v in draft.book.values:
            invariant = draft.given.get(v.number, ("",))[0] == "invariant"
            if invariant or (v.kind != "input" and all(a.number in self.fixed for a in v.operands)):
                self.fixed.add(v.number)
                if v.kind == "view" and v.number in used and not v.sample.flags.c_contiguous:
                    v.kind = "opaque"  # a transposed weight is copied once, so that each product reads it in order
        computed = [v for v in draft.book.values if v.number in used and v.kind not in {"view", "input"}]
        self.once = [v for v in computed if v.number in self.fixed]
        steps = [v for v in computed if v.number not in self.fixed]
        running = [v for total in draft.totals if total.how == "running" for v in total.parts]
        carried = closure([*(v for v in draft.d_state if v is not None), *running])
        self.forward = self.program([v for v in steps if v.number in results], "state", closure(draft.after))
        self.backward = self.program([v for v in steps if v.number not in results], "seed", carried)

    def program(self, values: list[Value], room: str, carried: set[int]) -> Program:
        """Divide ``values``: what depends on ``room`` waits for other steps; others wait for what is ``carried`` on."""
        pinned = self.pinned()
        ahead = ahead_of(values, waiting(self.draft, room) | pinned)
        rest = [v for v in values if v.number not in ahead]
        behind = behind_of(rest, carried | pinned)
        return Program(
            [v for v in values if v.number in ahead],
            [v for v in rest if v.number not in behind],
            [v for v in rest if v.number in behind],
        )

    def pinned(self) -> set[int]:
        """The numbers of values that the loop has to compute, because it hands them on or copies them to a result."""
        draft, forms = self.draft, self.tape.inputs[self.tape.states :]
        found = {v.root.number for v in [*draft.d_state, draft.y if draft.y.kind == "view" else None] if v is not None}
        seen: set[int] = set()
        for v, form in zip(draft.d_x, forms, strict=False):
            if v is not None and (v.kind == "view" or v.number in seen or (v.shape, v.dtype) != form[:2]):
                found.add(v.root.number)
            seen |= set() if v is None else {v.number}
        return found


def pays(v: Value) -> bool:
    """Whether one call for all steps is quicker than one at each: of large values only for products."""
    return v.fn is np.matmul or v.size <= SMALL


def ahead_of(values: list[Value], waits: set[int]) -> set[int]:
    """The numbers of those of ``values`` to compute for all steps before the loop: none of ``waits``, nor after one."""
    own, could = numbers(values), set()
    for v in values:
        at_hand = all(a.root.number in could or a.root.number not in own for a in v.operands)
        if at_hand and v.number not in waits and liftable(v):
            could.add(v.number)
    worth: set[int] = set()
    for v in reversed(values):
        if v.number in could and (pays(v) or v.number in worth):
            worth |= {v.number, *(a.root.number for a in v.operands)}
    return could & worth


def behind_of(values: list[Value], needed: set[int]) -> set[int]:
    """The numbers of those of ``values`` to compute for all steps after the loop: those that nothing in it needs."""
    found, needed = set(), set(needed)
    for v in reversed(values):
        if v.number not in needed and pays(v) and liftable(v):
            found.add(v.number)
        else:
            needed |= {a.root.number for a in v.operands}
    return found


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
