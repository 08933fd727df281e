"""Where the values of a plan live.

A value that backward reads, or that a sum over all steps needs, is *stacked*: it has a slot for each step in a buffer
[T, ...]. So have the results of a step, in buffers of their own. A value that goes into a slice of another is written
there directly. What remains is *scratch*: few small buffers, shared by values of which none is needed while another is,
so that a step works in the processor's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_rnn.scan.lower import Value

if TYPE_CHECKING:
    from tinygrad_rnn.scan.plan import Plan

DIRECT = {"ufunc", "concatenate", "where", "opaque"}  # kinds of values that can be written into a slice


class Place(NamedTuple):
    """``room`` and which of that room: a buffer, or for ``into`` the number of the value whose slice ``key`` it is."""

    room: str
    number: int
    key: Any = None


class Copy(NamedTuple):
    """A value that has to be copied to where a result of the step belongs."""

    value: Value
    to: Place


class Layout:
    """The place of each value of a plan, by its number."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.draft = plan.draft
        self.values = plan.draft.book.values
        self.place = {number: Place(*room) for number, room in plan.draft.given.items()}
        self.copies_forward: list[Copy] = []
        self.copies_backward: list[Copy] = []
        self.cleared = [k for k, v in enumerate(self.draft.d_state) if v is None]  # no cotangent: zero at every step
        self.joints: dict[int, tuple[bool, list[tuple[int, Any]]]] = {}
        self.forms: list[tuple[tuple[int, ...], Any]] = []  # of the scratch buffers
        for v in plan.once:
            self.place[v.number] = Place("once", v.number)
        self.results()
        self.stacks()
        self.slices()
        for program, copies in ((plan.forward, self.copies_forward), (plan.backward, self.copies_backward)):
            self.share(program.loop, copies)

    def results(self) -> None:
        """Compute the results of a step where they belong, or else copy them there."""
        draft, forward, backward = self.draft, numbers(self.plan.forward.values), numbers(self.plan.backward.values)
        for k, v in enumerate(draft.after):
            self.settle(v, Place("after", k), forward, self.copies_forward)
        y = self.place.get(draft.y.number)
        self.y_is_state = y.number if y is not None and y.room == "after" else None
        if self.y_is_state is None:
            self.settle(draft.y, Place("y", 0), forward, self.copies_forward)
        forms, states = draft.tape.inputs, draft.tape.states
        for room, found, shift in (("d_x", draft.d_x, states), ("dstate", draft.d_state, 0)):
            for k, d in enumerate(found):
                if d is not None:
                    direct = (d.shape, d.dtype) == forms[shift + k][:2]
                    self.settle(d, Place(room, k), backward if direct else set(), self.copies_backward)

    def settle(self, v: Value, to: Place, computed: set[int], copies: list[Copy]) -> None:
        """Let ``v`` live at ``to`` if it is among the ``computed`` and has no place yet; copy it there otherwise."""
        if v.number in computed and v.number not in self.place:
            self.place[v.number] = to
        else:
            copies.append(Copy(v, to))

    def stacks(self) -> None:
        """Keep, for every step, what is computed or read for all steps at once, and what backward reads."""
        forward, backward = self.plan.forward, self.plan.backward
        summed = {v.root.number for total in self.draft.totals if total.how != "running" for v in total.parts}
        at_end = summed | reads(backward.behind)
        at_once = reads([*forward.ahead, *forward.behind, *backward.ahead])
        kept = at_end | at_once | reads(backward.loop) | {copy.value.root.number for copy in self.copies_backward}
        whole = numbers([*forward.ahead, *forward.behind, *backward.ahead, *backward.behind])
        for program, stacked in ((forward, kept | whole), (backward, at_end | whole)):
            for v in program.values:
                place = self.place.get(v.number)
                if v.number in stacked and (place is None or place.room == "dstate"):
                    if place is not None:
                        self.copies_backward.append(Copy(v, place))
                    self.place[v.number] = Place("stack", v.number)
        self.kept_seeds = {self.place[n].number for n in at_end if n in self.place and self.place[n].room == "seed"}

    def slices(self) -> None:
        """Let the parts of a joint value be computed in their slices of it, where they tile it."""
        reshaped = {v.args[0].number for v in self.values if v.fn is np.reshape}  # at all steps these must be one piece
        lists = [part for program in (self.plan.forward, self.plan.backward) for part in program]
        for v, computed in ((v, numbers(part)) for part in lists for v in part if v.kind == "assemble"):
            tiled, copies = tiles(v), []
            kept = v.number in self.place and self.place[v.number].room in {"stack", "d_x", "y"}  # for every step
            for k, (part, key) in enumerate(zip(v.args, v.kwargs["keys"], strict=True)):
                free = type(part) is Value and part.number in computed - reshaped
                free = free and (part.number not in self.place or (kept and self.place[part.number].room == "stack"))
                if tiled and free and part.kind in DIRECT and part.dtype == v.dtype:
                    self.place[part.number] = Place("into", v.number, key)
                else:
                    copies.append((k, key))
            self.joints[v.number] = tiled, copies

    def holder(self, v: Value) -> Value:
        """The value whose buffer ``v`` is in."""
        v = v.root
        while v.number in self.place and self.place[v.number].room == "into":
            v = self.values[self.place[v.number].number].root
        return v

    def share(self, program: list[Value], copies: list[Copy]) -> None:
        """Give every value that has no place yet a scratch buffer, and give buffers on when their value is dead."""
        last: dict[int, int] = {}
        for at, v in enumerate(program):
            for x in [*v.operands, v]:
                last[self.holder(x).number] = at
        for copy in copies:
            last[self.holder(copy.value).number] = len(program)
        for total in self.draft.totals:
            if total.how == "running":
                last[self.holder(total.parts[0]).number] = len(program)
        free: dict[Any, list[int]] = {}
        dying: dict[int, list[Value]] = {}
        for at, v in enumerate(program):
            h = self.holder(v)
            if h.number not in self.place:
                self.place[h.number] = Place("scratch", self.buffer(h, v, free, dying.get(at, [])))
                dying.setdefault(last[h.number], []).append(h)
            for dead in dying.pop(at, ()):
                free.setdefault((dead.shape, dead.dtype), []).append(self.place[dead.number].number)

    def buffer(self, h: Value, v: Value, free: dict[Any, list[int]], dying: list[Value]) -> int:
        """A scratch buffer for ``h``, of which ``v`` is computed first: that of a dying operand, a free, or a new."""
        form = h.shape, h.dtype
        if h is v and isinstance(v.fn, np.ufunc) and v.fn is not np.matmul:
            for x in v.operands:
                if (x.shape, x.dtype) == form and any(d is x for d in dying):
                    dying[:] = [d for d in dying if d is not x]
                    return self.place[x.number].number
        if not free.setdefault(form, []):
            free[form].append(len(self.forms))
            self.forms.append(form)
        return int(free[form].pop())


def numbers(values: list[Value]) -> set[int]:
    """The numbers of ``values``."""
    return {v.number for v in values}


def reads(values: list[Value]) -> set[int]:
    """The numbers of the values whose memory the computation of ``values`` reads."""
    return {a.root.number for v in values for a in v.operands}


def tiles(v: Value) -> bool:
    """Whether the parts of a joint value cover it exactly."""
    count = np.zeros(v.shape, int)
    for key in v.kwargs["keys"]:
        count[key] += 1
    return bool((count == 1).all())
