"""A plan as text: the step as it was recorded, and the programs that came of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.scan.lower import Value, item
from tinygrad_rnn.scan.place import Place
from tinygrad_rnn.scan.plan import Plan, Total

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


def show(plan: Plan) -> str:
    """The step as recorded, what is computed once, at each step forward and backward, and at the end.

    A line says the value's number, its NumPy call, its shape, and where it lives: a scratch buffer, a buffer stacked
    over all steps, a result of the step, or a slice of another value.
    """
    tape = plan.tape
    names = [f"state{k}" for k in range(tape.states)] + [f"x{k}" for k in range(tape.xs)]
    names += [f"invariant{k}" for k in range(len(tape.inputs) - len(names))]
    names += [f"r{k}" for k in range(len(tape.calls))]
    lines = [f"recorded: {len(tape.calls)} operations"]
    for k, call in enumerate(tape.calls):
        operands = ", ".join(names[o] if type(o).__name__ == "Ref" else repr(o) for o in call.operands)
        static = "".join(f", {key}={brief(value)}" for key, value in call.params.items())
        lines.append(f"  {f'r{k}':5} {call.op.name}({operands}{static})")
    for title, program in (("once", plan.once), ("forward, at each step", plan.forward)):
        lines += [f"{title}: {len(program)} calls", *(line(plan, v) for v in program)]
    lines += [f"backward, at each step: {len(plan.backward)} calls", *(line(plan, v) for v in plan.backward)]
    lines += [
        "at the end:",
        *(f"  cotangent of invariant{total.invariant}: {ending(plan, total)}" for total in plan.totals),
    ]
    return "\n".join(lines)


def line(plan: Plan, v: Value) -> str:
    """One computed value."""
    call = f"{getattr(v.fn, '__name__', str(v.fn))}({', '.join(operand(plan, a) for a in v.args)})"
    return f"  v{v.number:<4} {call:44} {list(v.shape)!s:12} {where(plan.layout.place[v.number])}"


def operand(plan: Plan, x: Any) -> str:
    """A value by its name, a view of one by its index, a constant by its number."""
    if type(x) is not Value:
        return brief(x)
    if x.kind == "view":
        inner = operand(plan, x.args[0])
        return f"{inner}[{brief(x.args[1])}]" if x.fn is item else f"{inner}.{x.fn.__name__}"
    room = plan.given.get(x.number)
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


def ending(plan: Plan, total: Total) -> str:
    """A sum over all steps in words."""
    a, *b = (operand(plan, part) for part in total.parts)
    if total.how == "rows":
        return f"Σ_t {a}ᵀ {b[0]}, one product over stacked rows"
    return {"gather": f"rows of {a} added at their indices", "slice": f"Σ_t {a} at [{brief(total.key)}]"}.get(
        total.how, f"Σ_t {a}" + (", added up in the loop" if total.how == "running" else "")
    )
