"""A plan as text: the step as it was recorded, and the programs that came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.scan.lower import Value, closure, item
from tinygrad_rnn.scan.place import Place
from tinygrad_rnn.scan.plan import Draft, Plan, Total, drafts
from tinygrad_rnn.scan.tape import Tape
from tinygrad_rnn.tensor import Array

ROOMS = {
    "state": "state before",
    "after": "state after",
    "x": "input",
    "y": "output",
    "invariant": "invariant",
    "seed": "cotangent of state after",
    "seed_y": "cotangent of output",
    "dstate": "cotangent of state before",
    "d_x": "cotangent of input",
    "stack": "stacked",
    "once": "once",
    "scratch": "scratch",
}


def show(tape: Tape, samples: Sequence[Array], *, passes: bool = False) -> str:
    """The step as it was recorded, and the programs of its plan; with ``passes`` also the calls after each pass.

    A line says the value's number, its NumPy call, its shape, and, in the programs, where it lives: a scratch buffer, a
    buffer stacked over all steps, a result of the step, or a slice of another value. Each pass numbers values anew.
    """
    lines = [*recorded(tape)]
    if passes:
        for title, draft in drafts(tape, samples):
            lines += calls(title, draft)
    return "\n".join([*lines, *programs(Plan(tape, samples))])


def recorded(tape: Tape) -> Iterator[str]:
    """The operations on a tape."""
    names = [f"state{k}" for k in range(tape.states)] + [f"x{k}" for k in range(tape.xs)]
    names += [f"invariant{k}" for k in range(len(tape.inputs) - len(names))]
    names += [f"r{k}" for k in range(len(tape.calls))]
    yield f"recorded: {len(tape.calls)} operations"
    for k, call in enumerate(tape.calls):
        operands = ", ".join(names[o] if type(o).__name__ == "Ref" else repr(o) for o in call.operands)
        static = "".join(f", {key}={brief(value)}" for key, value in call.params.items())
        yield f"  {f'r{k}':5} {call.op.name}({operands}{static})"


def calls(title: str, draft: Draft) -> Iterator[str]:
    """The calls of one step after a pass, in two parts: those that lead to its results forward, and the others."""
    used, forward = closure(draft.ends), closure([*draft.after, draft.y])
    computed = [v for v in draft.book.values if v.number in used and v.kind not in {"view", "input"}]
    for direction, part in (
        ("forward", [v for v in computed if v.number in forward]),
        ("backward", [v for v in computed if v.number not in forward]),
    ):
        yield f"{title}, {direction}: {len(part)} calls"
        yield from (line(draft, v) for v in part)


def programs(plan: Plan) -> Iterator[str]:
    """What is run: once, forward, backward, and at the end."""
    parts = [("once", plan.once)]
    for direction, program in (("forward", plan.forward), ("backward", plan.backward)):
        parts += [(f"{direction}, for all steps at once, before the loop", program.ahead)]
        parts += [(f"{direction}, at each step", program.loop)]
        parts += [(f"{direction}, for all steps at once, after the loop", program.behind)]
    for title, values in parts:
        if values:
            yield f"{title}: {len(values)} calls"
            yield from (f"{line(plan.draft, v):72} {where(plan.layout.place[v.number])}" for v in values)
    yield "at the end:"
    yield from (
        f"  cotangent of invariant{total.invariant}: {ending(plan.draft, total)}" for total in plan.draft.totals
    )


def line(draft: Draft, v: Value) -> str:
    """One computed value."""
    name = getattr(v.fn, "__name__", str(v.fn))
    if name == "reduce":
        name = f"{getattr(v.fn, '__self__', np.add).__name__}.reduce"
    call = f"{name}({', '.join(operand(draft, a) for a in v.args)})"
    return f"  v{v.number:<4} {call:48} {list(v.shape)}"


def operand(draft: Draft, x: Any) -> str:
    """A value by its name, a view of one by its index, a constant by its number."""
    if type(x) is not Value:
        return brief(x)
    if x.kind == "view":
        inner = operand(draft, x.args[0])
        return f"{inner}[{brief(x.args[1])}]" if x.fn is item else f"{inner}.{x.fn.__name__}"
    room = draft.given.get(x.number)
    return f"{room[0]}{room[1]}" if room else f"v{x.number}"


def brief(x: Any) -> str:
    """A constant in few characters; a slice as ``2:4``."""
    if isinstance(x, slice):
        return ":".join("" if part is None else str(part) for part in (x.start, x.stop))
    if isinstance(x, tuple):
        return ", ".join(brief(part) for part in x)
    return f"array{list(x.shape)}" if isinstance(x, np.ndarray) and x.ndim else str(x)


def where(place: Place) -> str:
    """A place in words."""
    if place.room == "into":
        return f"slice [{brief(place.key)}] of v{place.number}"
    return ROOMS[place.room] + ("" if place.room in {"stack", "once"} else f" {place.number}")


def ending(draft: Draft, total: Total) -> str:
    """A sum over all steps in words."""
    a, *b = (operand(draft, part) for part in total.parts)
    if total.how == "rows":
        return f"Σ_t {a}ᵀ {b[0]}, one product over stacked rows"
    return {"gather": f"rows of {a} added at their indices", "slice": f"Σ_t {a} at [{brief(total.key)}]"}.get(
        total.how, f"Σ_t {a}" + (", added up in the loop" if total.how == "running" else "")
    )
