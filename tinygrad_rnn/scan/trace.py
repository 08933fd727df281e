"""One step of a cell as plain data, and its derivative.

``record`` runs the step once on stand-ins and writes down a *tape*: which operation was applied to which values. The
tape is the step, as far as numbers go: it can be replayed on other tensors (``replay``), compared with another, and
differentiated once for all time steps (``differentiate``), by the operations' own rules.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.backward import Sums, walk
from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.op import Op, thread
from tinygrad_rnn.scan.unroll import pair
from tinygrad_rnn.tensor import Array, Tensor, clock, plain

PACKAGE = str(Path(__file__).parent.parent)


class CannotPlan(TypeError):  # noqa: N818  it says what can't be done
    """A step that has no plan: it looks at numbers, or its state changes form."""


class Ref(int):
    """The number of a value on a tape, as an operand of a call."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"%{int(self)}"


class Form(NamedTuple):
    """What is fixed about an input of a step, whatever its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    requires_grad: bool


class Call(NamedTuple):
    """One operation of the step; its operands are Refs and constants."""

    op: Op
    operands: tuple[Any, ...]
    params: dict[str, Any]


class Tape(NamedTuple):
    """One step. Values are numbered: the inputs first (state, xs, invariants), then the result of each call.

    ``outputs`` are the numbers of the state after the step and, last, of the output y.
    """

    inputs: tuple[Form, ...]
    states: int
    xs: int
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]

    def signature(self) -> tuple[Any, ...]:
        """A key: equal for tapes that compute the same from inputs of the same form."""
        calls = tuple((call.op, repr(call.operands), repr(call.params)) for call in self.calls)
        return self.inputs, self.states, self.xs, calls, self.outputs


class Sample(np.ndarray[Any, np.dtype[Any]]):
    """The array inside a stand-in. Operations may compute with it; a step may not ask for its numbers."""

    advice = (
        "it is computed outside of the library from the value of a tensor (.data), inside a step that is planned: "
        "compute with the library's operations, or run it with unroll=True"
    )

    def item(self, *_: Any) -> Any:
        """What ``bool(t)``, ``float(t)`` and ``t.item()`` come to."""
        raise CannotPlan(
            f"scan: the step asks for the value of a tensor of shape {self.shape} at {asking_line()}. With "
            "unroll=False it is run once, for all time steps, so it can't depend on values in Python: choose with "
            "where(condition, a, b), or run it with unroll=True"
        )


def asking_line() -> str:
    """The innermost line of code outside of this package that led here, or else the outermost inside."""
    frame, found = sys._getframe(1), None  # noqa: SLF001  there is no public way to the caller's line
    while frame is not None:
        name, line = frame.f_code.co_filename, frame.f_lineno
        found = f"{Path(name).name}:{line}: {linecache.getline(name, line).strip()}"
        if not name.startswith(PACKAGE):
            break
        frame = frame.f_back  # type: ignore[assignment]
    return str(found)


@contextmanager
def tracing() -> Iterator[None]:
    """Record every operation, also those whose results need no gradient, on Samples."""
    recorder = thread.recorder
    before = recorder.enabled, recorder.tracing, recorder.observers
    recorder.enabled, recorder.tracing, recorder.observers = True, True, (mark,)
    try:
        yield
    finally:
        recorder.enabled, recorder.tracing, recorder.observers = before


def mark(out: Tensor) -> None:
    """Make the array inside a Tensor a Sample."""
    out._data = out._data.view(Sample)  # noqa: SLF001  stand-ins are made here


def stand_in(array: Array, requires_grad: bool) -> Tensor:
    """A leaf of the value ``array``, for tracing."""
    out = Tensor(array, requires_grad)
    mark(out)
    return out


def record(
    step: Callable[..., Any],
    state: Sequence[Tensor],
    xs: Sequence[Tensor],
    shared: Sequence[Tensor],
    rebuild: Callable[[list[Tensor]], Any],
) -> tuple[Tape, list[Any]]:
    """Run ``step`` once, on stand-ins for ``state`` and for the first of each of ``xs`` [T, ...].

    ``rebuild`` makes the state, as the step wants it, from a list of its tensors. Returns the tape and the invariants:
    the tensors and arrays from outside that the step reads at every time step, in the order of their first use; one of
    ``shared`` by its position there.
    """
    handed = [Tensor(x.data, x.requires_grad) for x in shared]
    position = {id(x): k for k, x in enumerate(handed)}
    start = next(clock)

    def run(nudge: float) -> tuple[Tape, list[Tensor | Array]]:
        other: Callable[[Array], Array] = lambda a: a + a.dtype.type(nudge) if a.dtype.kind == "f" else a  # noqa: E731
        with tracing():
            states = [stand_in(other(s.data), s.dtype.kind == "f") for s in state]
            inputs = [stand_in(other(x.data[0, ...]), x.requires_grad) for x in xs]
            after, y = pair(step(rebuild(states), *inputs, *handed))
        outputs = [*flat(after), y]
        check(state, outputs)
        return write_tape(states, inputs, outputs, start)

    tape, invariants = run(0.0)
    made = [x for x in invariants if type(x) is not Tensor or x.time > start]
    if made:
        with np.errstate(all="ignore"):
            _, again = run(0.25)
        check_pure(made, [x for x in again if type(x) is not Tensor or x.time > start])
    return tape, [position.get(id(x), x) for x in invariants]


def check_pure(made: Sequence[Tensor | Array], again: Sequence[Tensor | Array]) -> None:
    """Raise CannotPlan unless the arrays that a step made are the same when it is run on other values."""
    for first, second in zip_longest(made, again):
        a, b = (None if x is None else plain(x) for x in (first, second))
        if a is None or b is None or a.shape != b.shape or not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            raise CannotPlan(
                f"scan: the step makes an array of shape {(a if a is not None else b).shape} that is another one each "
                "time it is run: it draws random numbers, or computes outside of the library from the value of a "
                "tensor (.data). With unroll=False it is run once, for all time steps: hand in what differs through "
                "xs, compute with the library's operations, or run it with unroll=True"
            )


def write_tape(
    states: list[Tensor], xs: list[Tensor], outputs: list[Tensor], start: int
) -> tuple[Tape, list[Tensor | Array]]:
    """The tape of what led from ``states`` and ``xs`` to ``outputs``; what is older than ``start`` is invariant."""
    own = [*states, *xs]
    seen: dict[int, Any] = {id(x): x for x in [*own, *outputs]}
    made: list[Tensor] = []
    invariants: dict[int, Tensor | Array] = {}
    for x in (order := list(dict((id(o), o) for o in outputs).values())):  # noqa: C402  which grows meanwhile
        if any(x is o for o in own):
            continue
        node = x._made if type(x) is Tensor and x.time > start else None  # noqa: SLF001  a node is plain data
        if node is None:
            if type(getattr(x, "_data", None)) is Sample:
                raise CannotPlan(
                    f"scan: the step detaches a tensor of shape {x.shape}. With unroll=False every value inside the "
                    "step carries its gradient: detach the inputs before the scan, or run it with unroll=True"
                )
            invariants[id(x)] = x
            continue
        made.append(x)
        for operand in node[1]:
            if type(operand) in {Tensor, np.ndarray} and id(operand) not in seen:
                seen[id(operand)] = operand
                order.append(operand)
    made.sort(key=lambda x: x.time)
    known = [*own, *invariants.values(), *made]
    number = {id(x): Ref(i) for i, x in enumerate(known)}
    calls = tuple(
        Call(op, tuple(number.get(id(x), x) for x in operands), params)
        for op, operands, params, _ in (x._made for x in made if x._made is not None)  # noqa: SLF001
    )
    forms = tuple(
        Form(x.shape, x.dtype, type(x) is Tensor and x.requires_grad) for x in known[: len(own) + len(invariants)]
    )
    tape = Tape(forms, len(states), len(xs), calls, tuple(int(number[id(o)]) for o in outputs))
    return tape, list(invariants.values())


def flat(state: Any) -> list[Tensor]:
    """The tensors in a state: one, or any nesting of tuples, lists and dictionaries."""
    if isinstance(state, dict):
        return [x for part in state.values() for x in flat(part)]
    if isinstance(state, (tuple, list)):
        return [x for part in state for x in flat(part)]
    return [state]


def rebuilt(form: Any, parts: Iterator[Tensor]) -> Any:
    """A state nested as ``form`` is, of the tensors that come from ``parts``."""
    if isinstance(form, dict):
        return {key: rebuilt(part, parts) for key, part in form.items()}
    if isinstance(form, tuple) and hasattr(form, "_fields"):
        return type(form)(*(rebuilt(part, parts) for part in form))
    if isinstance(form, (tuple, list)):
        return type(form)(rebuilt(part, parts) for part in form)
    return next(parts)


def check(before: Sequence[Tensor], outputs: Sequence[Any]) -> None:
    """Raise CannotPlan unless the step gave Tensors, and a state of the form it was given."""
    for out in outputs:
        if type(out) is not Tensor:
            raise CannotPlan(f"scan: a step returns tensors, (state, y); there is a {type(out).__name__} in its result")
    after = outputs[:-1]
    if len(after) != len(before):
        raise CannotPlan(f"scan: the state has {len(before)} tensors before the step and {len(after)} after it")
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise CannotPlan(
                f"scan: tensor {k} of the state changes from {old.shape} {old.dtype} to {new.shape} {new.dtype} in one "
                "step. With unroll=False all steps share one form: start from a state of the shape and dtype that the "
                "step returns, or run it with unroll=True"
            )


def replay(tape: Tape, inputs: Sequence[Tensor]) -> list[Tensor]:
    """One step on other inputs (state, xs, invariants): the state after it and, last, y."""
    values: list[Any] = list(inputs)
    for op, operands, params in tape.calls:
        values.append(op(*[values[x] if type(x) is Ref else x for x in operands], **params))
    return [values[i] for i in tape.outputs]


class Trace(NamedTuple):
    """The recorded graphs of one step forward and backward, on stand-ins.

    ``seeds`` stand for the cotangents of ``outputs`` and ``cotangents`` are those of the state and of xs; there is None
    where there is none. ``contributions`` has those to each invariant, each by itself: Tensors, At, Rows.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    seeds: list[Tensor | None]
    cotangents: list[Tensor | None]
    contributions: list[list[Any]]


class KeptApart(Sums):
    """Sums in which the contributions to some tensors are kept, each by itself."""

    __slots__ = ("apart",)

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self.apart: dict[int, list[Tensor | At | Rows]] = {id(x): [] for x in tensors}

    def add(self, x: Tensor, new: Any) -> None:
        """Add one contribution, or keep it."""
        if id(x) in self.apart:
            self.apart[id(x)].append(new)
        else:
            super().add(x, new)


def differentiate(tape: Tape, samples: Sequence[Array]) -> Trace:
    """Replay a tape on stand-ins with the values ``samples``, and pull cotangents back through it once."""
    n = tape.states + tape.xs
    with tracing():
        inputs = [stand_in(a, form.requires_grad) for a, form in zip(samples, tape.inputs, strict=True)]
        outputs = replay(tape, inputs)
        seeds = [stand_in(np.ones(o.shape, o.dtype), True) if o.requires_grad else None for o in outputs]
        roots = [(o, seed) for o, seed in zip(outputs, seeds, strict=True) if seed is not None]
        wanted = [x for x in inputs if x.requires_grad]
        sums = KeptApart([x for x in inputs[n:] if x.requires_grad])
        found = walk([o for o, _ in roots], [s for _, s in roots], wanted, record=True, free=False, sums=sums)
    totals = {id(x): total for x, total, _ in found}
    apart = [sums.apart.get(id(x), []) for x in inputs[n:]]
    return Trace(inputs, outputs, seeds, [totals.get(id(x)) for x in inputs[:n]], apart)
