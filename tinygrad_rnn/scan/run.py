"""A plan bound to buffers for T steps, and run along time.

Binding turns each value of each step into instructions, pairs ``(function, arguments)`` whose arguments are views of
the buffers. After that a pass over time is one flat loop over ready-made NumPy calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_rnn.backward import unbroadcast
from tinygrad_rnn.contributions import add_at, as_rows
from tinygrad_rnn.scan.lift import aligned, lifted_options, lifted_view, product, view_liftable
from tinygrad_rnn.scan.lower import Value
from tinygrad_rnn.tensor import Array, plain

if TYPE_CHECKING:
    from tinygrad_rnn.scan.place import Layout
    from tinygrad_rnn.scan.plan import Plan, Total

Instruction: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]
BY_KEYWORD = {np.maximum, np.minimum}  # which take no result buffer by position


class Piece(NamedTuple):
    """One result in the flat output: ``number`` counts the states, and -1 is y [T, ...]."""

    number: int
    start: int
    stop: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Run:
    """The buffers of one pass along T steps, and its instructions.

    A forward pass leaves in them what backward needs, so a Run belongs to one recorded graph at a time.
    """

    def __init__(self, plan: Plan, T: int) -> None:
        self.plan, self.layout, self.T = plan, plan.layout, T
        tape, forms = plan.tape, plan.tape.inputs
        n = tape.states + tape.xs
        draft = plan.draft
        values = draft.book.values
        depth = [T + 1 if k in self.layout.kept_seeds else 2 for k in range(tape.states)]
        new: Callable[..., Array] = lambda form, *lead: np.zeros((*lead, *form.shape), form.dtype)  # noqa: E731
        self.state = [new(form, T + 1) for form in forms[: tape.states]]
        self.x = [new(form, T) for form in forms[tape.states : n]]
        self.invariant = [new(form) for form in forms[n:]]
        self.y = new(draft.y, T) if self.layout.y_is_state is None else self.state[self.layout.y_is_state][1:]
        self.d_state = [new(form, d) for form, d in zip(forms[: tape.states], depth, strict=True)]
        self.d_x = [
            None if d is None else new(form, T) for form, d in zip(forms[tape.states : n], draft.d_x, strict=True)
        ]
        self.d_y = new(draft.y, T)
        self.stack = {
            place.number: new(values[place.number], T) for place in self.layout.place.values() if place.room == "stack"
        }
        self.once = {v.number: new(v) for v in plan.once}
        self.scratch = [np.zeros(shape, dtype) for shape, dtype in self.layout.forms]
        self.running = [new(total.parts[0]) if total.how == "running" else None for total in draft.totals]
        self.pieces = pieces(plan, T)
        self.bind()

    # --------------------------------------------------------------------------------------------- binding to buffers

    def bind(self) -> None:
        """Make the instructions of all steps."""
        plan, layout = self.plan, self.layout
        self.bound: dict[int, Any] = {}
        self.prologue = [i for v in plan.once for i in self.instructions(v, 0)]
        loop_forward: list[Instruction] = []
        loop_backward: list[list[Instruction]] = []
        for t in range(self.T):
            self.bound = {}  # arrays of this step, by the number of their value
            loop_forward += [i for v in plan.forward.loop for i in self.instructions(v, t)]
            loop_forward += [self.copy(copy, t) for copy in layout.copies_forward]
            steps = [i for v in plan.backward.loop for i in self.instructions(v, t)]
            steps += [self.copy(copy, t) for copy in layout.copies_backward]
            steps += [(self.slot(k, t).fill, (0,)) for k in layout.cleared]
            for total, running in zip(plan.draft.totals, self.running, strict=True):
                if running is not None:
                    steps.append((np.add, (running, self.array(total.parts[0], t), running)))
            loop_backward.append(steps)
        self.bound = {}
        at_once: Callable[[list[Value]], list[Instruction]] = lambda values: [i for v in values for i in self.lifted(v)]  # noqa: E731
        self.forward_pass = [*at_once(plan.forward.ahead), *loop_forward, *at_once(plan.forward.behind)]
        backward = [i for steps in reversed(loop_backward) for i in steps]
        self.backward_pass = [*at_once(plan.backward.ahead), *backward, *at_once(plan.backward.behind)]

    def slot(self, k: int, t: int) -> Array:
        """Where the cotangent of state ``k`` before step ``t`` is: one of two slots, or one for each step."""
        buffer = self.d_state[k]
        return buffer[t % len(buffer), ...]

    def array(self, x: Any, t: int) -> Any:
        """The array that a value is at step ``t``; a constant as it is."""
        if type(x) is not Value:
            return x
        if x.number not in self.bound:
            if x.kind == "view":
                found = x.fn(self.array(x.args[0], t), *x.args[1:])
            else:
                found = self.at(self.layout.place[x.number], t)
            self.bound[x.number] = found
        return self.bound[x.number]

    def at(self, place: Any, t: int) -> Array:
        """The array at a place at step ``t``."""
        room, k, key = place
        if room == "into":
            return part_of(self.array(self.plan.draft.book.values[k], t), key)
        if room == "seed":
            return self.slot(k, t + 1)
        if room == "dstate":
            return self.slot(k, t)
        if room in {"invariant", "once", "scratch"}:
            return getattr(self, room)[k]  # type: ignore[no-any-return]
        return self.whole(room, k)[t, ...]

    def whole(self, room: str, k: int) -> Array:
        """A stacked buffer [T, ...]."""
        if room == "state":
            return self.state[k][:-1]
        if room == "after":
            return self.state[k][1:]
        if room == "seed":
            return self.d_state[k][1:]
        if room in {"x", "stack", "d_x"}:
            return getattr(self, room)[k]  # type: ignore[no-any-return]
        return {"y": self.y, "seed_y": self.d_y}[room]

    def copy(self, copy: Any, t: int) -> Instruction:
        """Copy a value to the place of a result."""
        return np.copyto, (self.at(copy.to, t), self.array(copy.value, t), "same_kind")

    def instructions(self, v: Value, t: int) -> list[Instruction]:
        """The NumPy calls that compute ``v`` at step ``t``."""
        args = tuple(self.array(a, t) for a in v.args)
        return calls(v, args, self.array(v, t), v.kwargs, self.layout)

    def lifted(self, v: Value) -> list[Instruction]:
        """The NumPy calls that compute ``v`` at all steps."""
        out, args = self.steps(v), tuple(self.operand(a, v) for a in v.args)
        if v.fn is np.matmul:
            return [product(args[0], args[1], out)]
        return calls(v, args, out, lifted_options(v), self.layout)

    def operand(self, x: Any, of: Value) -> Any:
        """What the call of ``of`` takes for ``x`` at all steps."""
        if type(x) is not Value:
            return x
        if x.number in self.plan.fixed:
            return self.array(x, 0)
        return aligned(self.steps(x), of.shape) if of.kind != "assemble" else self.steps(x)

    # ----------------------------------------------------------------------------------------------- running the plan

    def prepare(self, invariants: Sequence[Any]) -> None:
        """Take over the invariants, arrays or Tensors, and compute what no step changes."""
        for buffer, x in zip(self.invariant, invariants, strict=True):
            np.copyto(buffer, plain(x))
        for function, args in self.prologue:
            function(*args)

    def forward(self, state: Sequence[Array], xs: Sequence[Array], invariants: Sequence[Array]) -> None:
        """Run all steps; ``y`` [T, ...] and ``state`` [T + 1, ...] hold the results."""
        for buffer, start in zip(self.state, state, strict=True):
            buffer[0] = start
        for buffer, x in zip(self.x, xs, strict=True):
            np.copyto(buffer, x)
        self.prepare(invariants)
        for function, args in self.forward_pass:
            function(*args)

    def backward(self, d_y: Array | None, d_final: Sequence[Array | None]) -> list[Array | None]:
        """The cotangents of (state, xs, invariants), from those of y and of the last state (None for zero)."""
        for k, d in enumerate(d_final):
            self.slot(k, self.T)[...] = 0 if d is None else d
        self.d_y[...] = 0 if d_y is None else d_y
        for running in self.running:
            if running is not None:
                running.fill(0)
        for function, args in self.backward_pass:
            function(*args)
        plan, count = self.plan, len(self.invariant)
        totals: list[Array | None] = [None] * count
        for total, running in zip(plan.draft.totals, self.running, strict=True):
            shape = self.invariant[total.invariant].shape
            new = running.copy() if running is not None else self.total(total, shape)
            before = totals[total.invariant]
            totals[total.invariant] = new if before is None else before + new
        d_state = [None if d is None else self.slot(k, 0) for k, d in enumerate(plan.draft.d_state)]
        return [*d_state, *self.d_x, *totals]

    def total(self, total: Total, shape: tuple[int, ...]) -> Array:
        """What all steps together contribute to the cotangent of an invariant of ``shape``."""
        parts = [self.steps(v) for v in total.parts]
        if total.how == "rows":
            a, b = (as_rows(part) for part in parts)
            return np.dot(a.T, b)  # type: ignore[no-any-return]
        if total.how == "sum":
            return unbroadcast(parts[0], shape)  # type: ignore[no-any-return]
        value, *arrays = parts
        out = np.zeros(shape, value.dtype)
        if total.how == "gather":
            add_at(out, value, tuple(arrays), total.key)
        else:
            out[total.key] += value.sum(0)
        return out

    def steps(self, v: Value) -> Array:
        """A value at all steps, [T, ...]."""
        if v.kind == "view" and v.number not in self.plan.fixed:
            if view_liftable(v):
                return lifted_view(v, self.steps(v.args[0]))
            return np.stack([self.array_anew(v, t) for t in range(self.T)])
        room, k, key = self.layout.place[v.number]
        if room == "into":
            return part_of(self.steps(self.plan.draft.book.values[k]), (slice(None), *key))
        if v.number in self.plan.fixed:
            return np.broadcast_to(self.array(v, 0), (self.T, *v.shape))
        return self.whole(room, k)

    def array_anew(self, v: Value, t: int) -> Any:
        """The array that ``v`` is at step ``t``, whatever step was looked at before."""
        self.bound = {}
        return self.array(v, t)


def pieces(plan: Plan, T: int) -> list[Piece]:
    """How the flat output is divided: the floating-point results, without a last state that is the last y."""
    layout, draft = plan.layout, plan.draft
    results = [(-1, (T, *draft.y.shape), draft.y.dtype)] if draft.y.dtype.kind == "f" else []
    for k, v in enumerate(draft.after):
        if v.dtype.kind == "f" and not (layout.y_is_state == k and results):
            results.append((k, v.shape, v.dtype))
    ends = list(accumulate((math.prod(shape) for _, shape, _ in results), initial=0))
    return [Piece(k, a, b, s, d) for (k, s, d), a, b in zip(results, ends, ends[1:], strict=False)]


def calls(v: Value, args: tuple[Any, ...], out: Array, options: dict[str, Any], layout: Layout) -> list[Instruction]:
    """The NumPy calls that compute ``v`` from ``args``, at one step or at all."""
    if v.kind == "ufunc":
        return [ufunc_call(v, args, out, options)]
    if v.kind == "concatenate":
        return [(partial(np.concatenate, out=out, **options), (args,))]
    if v.kind == "where":
        condition, x, y = args
        return [(np.copyto, (out, y)), (np.copyto, (out, x, "same_kind", condition))]
    if v.kind == "assemble":
        lead = (slice(None),) * (out.ndim - len(v.shape))
        tiled, parts = layout.joints[v.number]
        copies = [(part_of(out, (*lead, *key)), args[k]) for k, key in parts]
        if tiled:
            return [(np.copyto, (target, part)) for target, part in copies]
        return [(out.fill, (0,)), *((np.add, (target, part, target)) for target, part in copies)]
    return [(partial(into, out, v.fn, options), args)]


def ufunc_call(v: Value, args: tuple[Any, ...], out: Array, options: dict[str, Any]) -> Instruction:
    """One call of a ufunc (or of a function with ``out=``) in its quickest form."""
    if isinstance(v.fn, np.ufunc) and out.dtype.kind == "f":  # a number is converted at each call, a 0-d array is not
        args = tuple(np.asarray(a, out.dtype) if type(a) in {int, float} else a for a in args)
    if v.fn is np.matmul and args[0].ndim == args[1].ndim == 2 and out.flags.c_contiguous:  # which dot insists on
        return np.dot, (*args, out)
    if isinstance(v.fn, np.ufunc) and not options and v.fn not in BY_KEYWORD:
        return v.fn, (*args, out)
    return partial(v.fn, **options, out=out), args


def part_of(whole: Array, key: tuple[Any, ...]) -> Array:
    """A view of ``whole`` at a basic index, also where that names one element."""
    return whole[key if ... in key else (*key, ...)]


def into(out: Array, function: Callable[..., Any], options: dict[str, Any], *args: Any) -> None:
    """Copy the result of a function without a result buffer to ``out``."""
    out[...] = function(*args, **options)
