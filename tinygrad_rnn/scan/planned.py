"""A scan as one node of the recorded graph.

The node's operation runs a plan along time. Its result is one flat array, of the outputs y and of what last states are
not among them; reshaped slices of it are what ``scan`` returns. Its rule runs the plan backward or, where the result is
to be differentiated again, replays the steps one by one and differentiates that.

The buffers of a run are lent to the node and come back to the plan when the last user of them is gone: the node, or a
cotangent that is still in use. So they are never handed out twice while a graph needs them, whatever order graphs are
built and dropped in, and an error or an interrupt in the middle loses nothing.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.backward import gradients
from tinygrad_rnn.op import op, thread
from tinygrad_rnn.ops import astype, concatenate, getitem, reshape, stack
from tinygrad_rnn.scan.plan import Plan
from tinygrad_rnn.scan.run import Piece, Run
from tinygrad_rnn.scan.tape import Outside, Tape, replay
from tinygrad_rnn.scan.trace import record
from tinygrad_rnn.tensor import Array, Tensor, plain
from tinygrad_rnn.tree import flat, leaves, rebuilt

MOST_PLANS = 32  # kept for the functions of users; each has the buffers of a few runs
MOST_RUNS = 4  # idle ones that a plan keeps


class Loan:
    """The buffers of a run, lent; they go back when nothing refers to this object any more.

    ``lock`` is held while the plan runs backward in them, and ``lent`` refers to the cotangents that were handed out.
    """

    def __init__(self, planned: Planned, T: int) -> None:
        self.planned = planned
        self.run = planned.take(T)
        self.lock = threading.Lock()
        self.lent: list[weakref.ref[Lent]] = []

    def __del__(self) -> None:
        if hasattr(self, "run"):
            self.planned.give_back(self.run)

    def __repr__(self) -> str:
        return f"<buffers of {self.run.T} steps>"

    def lend(self, array: Array) -> Array:
        """``array``, one of the run's, in a form that keeps the loan as long as it is in use."""
        lent = Lent(self, array.__array_interface__)
        self.lent.append(weakref.ref(lent))
        return np.asarray(lent)

    def free(self) -> bool:
        """Whether none of the cotangents that were handed out is still in use."""
        self.lent = [reference for reference in self.lent if reference() is not None]
        return not self.lent


class Lent:
    """Memory that belongs to a loan, by NumPy's array interface."""

    def __init__(self, loan: Loan, interface: dict[str, Any]) -> None:
        self.loan, self.__array_interface__ = loan, interface


class Planned:
    """The plan of one step and the runs that are idle, by their number of steps."""

    def __init__(self, tape: Tape, samples: Sequence[Array]) -> None:
        self.tape = tape
        self.plan = Plan(tape, samples)
        self.idle: dict[int, list[Run]] = {}

    def take(self, T: int) -> Run:
        """A run for ``T`` steps that nobody else has: an idle one, or a new one."""
        try:
            return self.idle[T].pop()
        except (KeyError, IndexError):
            return Run(self.plan, T)

    def give_back(self, run: Run) -> None:
        """Take a run back; beyond a few, those of other lengths are dropped, oldest first."""
        idle = self.idle
        idle.setdefault(run.T, []).append(run)
        while sum(map(len, list(idle.values()))) > MOST_RUNS:
            T = next(iter(list(idle)))
            runs = idle.pop(T, [])
            if len(runs) > 1:
                idle[T] = runs[1:]


def planned_scan_rule(g: Any, _out: Any, *inputs: Any, loan: Loan, reverse: bool) -> Sequence[Any]:
    """The plan run backward, or the derivative of the steps replayed one by one."""
    tape, pieces = loan.planned.tape, loan.run.pieces
    if any(type(x) is Tensor for x in (g, *inputs)):
        return replayed(g, inputs, tape, pieces, reverse=reverse)
    parts = {p.number: g[p.start : p.stop].reshape(p.shape) for p in pieces}
    d_y, own = parts.get(-1), tape.states + tape.xs
    with loan.lock:
        if not loan.free():  # another backward through this graph is not done with its results: take other buffers
            loan = Loan(loan.planned, loan.run.T)
            run_forward(loan, inputs, reverse=reverse)
        found = loan.run.backward(
            d_y[::-1] if reverse and d_y is not None else d_y, [parts.get(k) for k in range(tape.states)]
        )
        lent = [None if d is None else loan.lend(d) for d in found[:own]]
    if reverse:
        lent[tape.states :] = [None if d is None else d[::-1] for d in lent[tape.states :]]
    return [*lent, *found[own:]]


def run_forward(loan: Loan, inputs: Sequence[Any], *, reverse: bool) -> None:
    """Run the plan forward in the buffers of ``loan``."""
    tape = loan.planned.tape
    n = tape.states + tape.xs
    xs = [x[::-1] if reverse else x for x in inputs[tape.states : n]]
    loan.run.forward(inputs[: tape.states], xs, inputs[n:])


@op(planned_scan_rule)
def planned_scan(*inputs: Any, loan: Loan, reverse: bool) -> Array:
    """All steps of a planned scan: (state, xs, invariants) to the flat array of its results."""
    run, pieces = loan.run, loan.run.pieces
    run_forward(loan, inputs, reverse=reverse)
    if not pieces:
        return np.zeros(0)
    out = np.empty(pieces[-1].stop, np.result_type(*(p.dtype for p in pieces)))
    for p in pieces:
        y = run.y[::-1] if reverse else run.y
        out[p.start : p.stop].reshape(p.shape)[...] = y if p.number < 0 else run.state[p.number][-1]
    return out


def replayed(g: Tensor, inputs: Sequence[Any], tape: Tape, pieces: Sequence[Piece], *, reverse: bool) -> list[Any]:
    """The cotangents as recorded operations: every step replayed, and that graph differentiated.

    The inputs may depend on each other outside of the scan, so the derivative is taken with respect to aliases.
    """
    aliases = [getitem(x, key=(...,)) if type(x) is Tensor else x for x in inputs]
    wanted = [x for x in aliases if type(x) is Tensor and x.requires_grad]
    n = tape.states + tape.xs
    state, xs, invariants = aliases[: tape.states], aliases[tape.states : n], aliases[n:]
    steps = range(len(xs[0]))
    ys: list[Any] = []
    for t in reversed(steps) if reverse else steps:
        *state, y = replay(tape, [*state, *(x[t] for x in xs), *invariants])
        ys.append(y)
    y = stack(*(reversed(ys) if reverse else ys))
    dtype = np.result_type(*(p.dtype for p in pieces))
    parts = [y if p.number < 0 else state[p.number] for p in pieces]
    flat_out = concatenate(*(astype(reshape(part, shape=(part.size,)), dtype=dtype) for part in parts))
    found = dict(zip(map(id, wanted), gradients(flat_out, wanted, g, create_graph=True), strict=True))
    return [found.get(id(x)) for x in aliases]


class Plans:
    """Plans by the signature of their step's tape; the oldest goes when there are too many."""

    def __init__(self) -> None:
        self.found: dict[Any, Planned] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has no plans: the buffers of their runs, and the views of them, belong to one object."""
        return Plans, ()

    def of(self, tape: Tape, samples: Sequence[Array]) -> Planned:
        """The plan of a tape."""
        key = tape.signature()
        planned = self.found.get(key)
        if planned is None:
            planned = self.found[key] = Planned(tape, samples)
            for old in list(self.found)[:-MOST_PLANS]:
                self.found.pop(old, None)
        return planned


class Pure:
    """``Pure(step)``: a step that reads the same tensors, in the same way, at every call.

    ``scan`` runs a plain function once at each call, to see what it computes and from which tensors. Of a Pure step it
    remembers that for inputs of one form, which matters where a step takes microseconds. It must be made anew when a
    tensor that the step reads is replaced by another (new values in it are no matter), unless that is handed to it as
    one of ``shared``, and when numbers in an array or anything else that it reads have changed. The ``plans`` of the
    one before serve the new one wherever the operations are the same.
    """

    def __init__(self, step: Callable[..., Any], plans: Plans | None = None) -> None:
        self.step = step
        self.plans = plans or Plans()
        self.known: dict[Any, tuple[Planned, Outside, tuple[bool, ...]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy remembers nothing."""
        return Pure, (self.step,)

    def __call__(self, *args: Any) -> Any:
        """One step."""
        return self.step(*args)


PLANS = Plans()


def scan_planned(
    step: Callable[..., Any], state: Any, xs: Sequence[Any], shared: Sequence[Tensor], *, reverse: bool
) -> tuple[Any, Tensor]:
    """``scan`` by the plan of ``step``: one node in the recorded graph."""
    states = [x if type(x) is Tensor else Tensor(x) for x in flat(state)]
    inputs = [x if type(x) is Tensor else Tensor(x) for x in xs]
    planned, invariants = planned_step(step, state, states, inputs, shared)
    T = len(inputs[0])
    loan = Loan(planned, T)
    run, pieces = loan.run, loan.run.pieces
    out = planned_scan(*states, *inputs, *invariants, loan=loan, reverse=reverse)
    found: dict[int, Tensor] = {}
    for p in pieces:
        part = out if len(pieces) == 1 else getitem(out, key=(slice(p.start, p.stop),))
        part = reshape(part, shape=p.shape)
        found[p.number] = part if part.dtype == p.dtype else astype(part, dtype=p.dtype)
    if -1 not in found:
        found[-1] = Tensor(run.y[::-1] if reverse else run.y)
    last = [
        found[k]
        if k in found
        else found[-1][0 if reverse else T - 1]
        if run.layout.y_is_state == k
        else Tensor(run.state[k][-1])
        for k in range(len(states))
    ]
    return rebuilt(state, iter(last)), found[-1]


def planned_step(
    step: Callable[..., Any], state: Any, states: list[Tensor], xs: list[Tensor], shared: Sequence[Tensor]
) -> tuple[Planned, list[Tensor | Array]]:
    """The plan of a step for inputs of this form, and the invariants that it reads."""
    form = None
    if isinstance(step, Pure):
        form = (
            thread.recorder.enabled,
            None if type(state) is Tensor else tuple(path for path, _ in leaves(state)),
            tuple((x.shape[1:], x.dtype, x.requires_grad) for x in xs),
            tuple((s.shape, s.dtype, s.requires_grad) for s in (*states, *shared)),
        )
        if form in step.known:
            planned, outside, wanted = step.known[form]
            if wanted == tuple(map(requires_grad, outside.tensors(shared))):
                return planned, outside.invariants(shared)
    tape, outside = record(step, states, xs, shared, lambda parts: rebuilt(state, iter(parts)))
    invariants = outside.invariants(shared)
    if not thread.recorder.enabled or not any(map(requires_grad, [*states, *xs, *invariants])):
        tape = tape._replace(inputs=tuple(f._replace(requires_grad=False) for f in tape.inputs))
    planned = (step.plans if isinstance(step, Pure) else PLANS).of(tape, samples_of(states, xs, invariants))
    if isinstance(step, Pure):
        step.known[form] = planned, outside, tuple(map(requires_grad, outside.tensors(shared)))
    return planned, invariants


def samples_of(states: Sequence[Tensor], xs: Sequence[Tensor], invariants: Sequence[Any]) -> list[Array]:
    """Values for the inputs of one step: those of the first."""
    return [s.data for s in states] + [x.data[0, ...] for x in xs] + [plain(x) for x in invariants]


def requires_grad(x: Tensor | Array) -> bool:
    """Whether ``x`` is a tensor that requires grad."""
    return type(x) is Tensor and x.requires_grad
