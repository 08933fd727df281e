"""Looking at one step of a cell: what it does, written down on a tape, and its derivative.

``record`` runs the step once on stand-ins and writes down its tape; ``differentiate`` pulls cotangents back through it
once for all time steps, by the operations' own rules.
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
from tinygrad_rnn.op import thread
from tinygrad_rnn.scan.tape import Call, CannotPlan, Form, Outside, Ref, Tape, replay
from tinygrad_rnn.scan.unroll import pair
from tinygrad_rnn.tensor import Array, Tensor, clock, plain
from tinygrad_rnn.tree import matched

PACKAGE = str(Path(__file__).parent.parent)


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
) -> tuple[Tape, Outside]:
    """Run ``step`` once, on stand-ins for ``state`` and for the first of each of ``xs`` [T, ...].

    ``rebuild`` makes the state, as the step wants it, from a list of its tensors. Returns the tape, and where its
    invariants come from: what the step reads at every time step and, computed once, what it makes of that alone.
    """
    handed = [Tensor(x.data, x.requires_grad) for x in shared]
    start = next(clock)

    def run(nudge: float) -> tuple[Tape, Outside]:
        other: Callable[[Array], Array] = lambda a: a + a.dtype.type(nudge) if a.dtype.kind == "f" else a  # noqa: E731
        with tracing():
            states = [stand_in(other(s.data), s.dtype.kind == "f") for s in state]
            inputs = [stand_in(other(x.data[0, ...]), x.requires_grad) for x in xs]
            before = rebuild(states)
            after, y = pair(step(before, *inputs, *handed))
        outputs = [*parts(after, before), y]
        check(state, outputs)
        return write_tape(states, inputs, outputs, handed, start)

    tape, outside = run(0.0)
    made = made_anew(outside, start)
    if made:
        with np.errstate(all="ignore"):
            check_pure(made, made_anew(run(0.25)[1], start))
    return tape, outside


def made_anew(outside: Outside, start: int) -> list[Tensor | Array]:
    """The arrays among what a step reads that it made itself."""
    return [x for x in outside.base if type(x) is np.ndarray or (type(x) is Tensor and x.time > start)]


def check_pure(made: Sequence[Tensor | Array], again: Sequence[Tensor | Array]) -> None:
    """Raise CannotPlan unless the arrays that a step made are the same when it is run on other values."""
    for first, second in zip_longest(made, again):
        a, b = (np.zeros(0) if x is None else plain(x) for x in (first, second))
        if first is None or second is None or a.shape != b.shape or not np.array_equal(a, b, a.dtype.kind == "f"):
            raise CannotPlan(
                f"scan: the step makes an array of shape {(a if second is None else b).shape} that is another one each "
                "time it is run: it draws random numbers, or computes outside of the library from the value of a "
                "tensor (.data). With unroll=False it is run once, for all time steps: hand in what differs through "
                "xs, compute with the library's operations, or run it with unroll=True"
            )


def write_tape(
    states: list[Tensor], xs: list[Tensor], outputs: list[Tensor], handed: Sequence[Tensor], start: int
) -> tuple[Tape, Outside]:
    """The tape of what led from ``states`` and ``xs`` to ``outputs``; what is older than ``start`` is invariant.

    ``handed`` are the tensors that the step was handed as shared ones.
    """
    own = [*states, *xs]
    made, base = looked_through(own, outputs, start)
    fixed = {id(x) for x in base}
    for x in made:
        if all(id(i) in fixed for i in operands_of(x)):
            fixed.add(id(x))
    steps = [x for x in made if id(x) not in fixed]
    read = {id(i) for x in [*steps] for i in operands_of(x)} | {id(o) for o in outputs}
    outer = [*base, *(x for x in made if id(x) in fixed)]
    invariants = [x for x in outer if id(x) in read]
    forms = [Form(x.shape, x.dtype, type(x) is Tensor and x.requires_grad) for x in [*own, *invariants]]
    number = {id(x): Ref(i) for i, x in enumerate([*own, *invariants, *steps])}
    results = tuple(int(number[id(o)]) for o in outputs)
    tape = Tape(tuple(forms), len(states), len(xs), calls_of(steps, number), results)
    position, place = {id(x): k for k, x in enumerate(handed)}, {id(x): Ref(i) for i, x in enumerate(outer)}
    picks = tuple(int(place[id(x)]) for x in invariants)
    return tape, Outside(tuple(position.get(id(x), x) for x in base), calls_of(outer[len(base) :], place), picks)


def looked_through(own: list[Tensor], outputs: list[Tensor], start: int) -> tuple[list[Tensor], list[Tensor | Array]]:
    """What the step made, in order, and what it read that is neither ``own`` nor made, in the order of first use."""
    seen: dict[int, Any] = {id(x): x for x in own}
    made: list[Tensor] = []
    base: list[Tensor | Array] = []
    order: list[Any] = list(outputs)
    for x in order:  # which grows meanwhile
        if id(x) in seen:
            continue
        seen[id(x)] = x
        if type(x) is Tensor and x.time > start and x._made is not None:  # noqa: SLF001  a node is plain data
            made.append(x)
            order += operands_of(x)
        elif type(getattr(x, "_data", None)) is Sample:
            raise CannotPlan(
                f"scan: the step detaches a tensor of shape {x.shape}. With unroll=False every value inside the "
                "step carries its gradient: detach the inputs before the scan, or run it with unroll=True"
            )
        else:
            base.append(x)
    return sorted(made, key=lambda x: x.time), base


def operands_of(x: Tensor) -> list[Tensor | Array]:
    """The tensors and arrays that ``x`` was made from."""
    return [i for i in x._made[1] if type(i) in {Tensor, np.ndarray}] if x._made else []  # noqa: SLF001


def calls_of(made: Sequence[Any], number: dict[int, Ref]) -> tuple[Call, ...]:
    """The operations that made ``made``, with the numbers of their operands."""
    nodes = [x._made for x in made]  # noqa: SLF001
    return tuple(Call(op, tuple(number.get(id(x), x) for x in operands), params) for op, operands, params, _ in nodes)


def parts(after: Any, before: Any) -> list[Any]:
    """What the state after a step has in place of each tensor before it; CannotPlan if they are nested differently."""
    try:
        return [new for _, _, new in matched(before, after, "the state after the step")]
    except ValueError as error:
        raise CannotPlan(f"scan: {error}: it is nested as the state before the step") from error


def check(before: Sequence[Tensor], outputs: Sequence[Any]) -> None:
    """Raise CannotPlan unless the step gave Tensors, and a state of the shapes and dtypes it was given."""
    for out in outputs:
        if type(out) is not Tensor:
            raise CannotPlan(f"scan: a step returns tensors, (state, y); there is a {type(out).__name__} in its result")
    after = outputs[:-1]
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise CannotPlan(
                f"scan: tensor {k} of the state changes from {old.shape} {old.dtype} to {new.shape} {new.dtype} in one "
                "step. With unroll=False all steps share one form: start from a state of the shape and dtype that the "
                "step returns, or run it with unroll=True"
            )


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
