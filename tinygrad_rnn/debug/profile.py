"""Where the time goes: seconds and bytes for each operation and each part of the model, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Self

import numpy as np

from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.debug.table import Table
from tinygrad_rnn.debug.watch import Pullback, Watcher
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Node, Scope, Tensor, plain

SUMS = "sums for leaves"  # stands among the operations for what adds up the contributions to a leaf's gradient
COLUMNS = ("calls", "fwd ms", "fwd MB", "bwd ms", "bwd MB", "share")


@dataclass
class Cost:
    """What something took: ``calls`` of it, and the seconds and bytes of both passes."""

    calls: int = 0
    forward_seconds: float = 0.0
    forward_bytes: int = 0
    backward_seconds: float = 0.0
    backward_bytes: int = 0

    @property
    def seconds(self) -> float:
        """Forward and backward together."""
        return self.forward_seconds + self.backward_seconds

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.calls + other.calls,
            self.forward_seconds + other.forward_seconds,
            self.forward_bytes + other.forward_bytes,
            self.backward_seconds + other.backward_seconds,
            self.backward_bytes + other.backward_bytes,
        )


class Profile(Watcher):
    """What ran inside ``with profile() as p:``, measured; ``p.costs`` has it by operation and scope."""

    def __init__(self) -> None:
        super().__init__()
        self.costs: dict[tuple[str, Scope], Cost] = {}
        self.pause = 0.0  # seconds outside of both passes
        self.running = False  # whether the last thing heard of was an operation, so that the next one follows on it
        self.mark = 0.0

    def __enter__(self) -> Self:
        self.mark, self.running = perf_counter(), False
        return super().__enter__()

    def cost(self, name: str, scope: Scope) -> Cost:
        """The cost of an operation in a scope, to be added to."""
        return self.costs.setdefault((name, scope), Cost())

    def __call__(self, out: Tensor) -> None:
        """Charge a recorded operation with the time since the one before it."""
        node = out.node
        if node is None or self.depth:  # what a rule records is part of the rule
            return
        took = perf_counter() - self.mark
        if not self.running:
            alone = seconds_of(node)
            self.pause, took = self.pause + max(0.0, took - alone), min(took, alone)
        cost = self.cost(node.op.name, node.scope)
        cost.calls += 1
        cost.forward_seconds += took
        cost.forward_bytes += fresh_bytes([out.data], map(plain, node.inputs))
        self.mark, self.running = perf_counter(), True

    def begun(self, _starts: list[tuple[Tensor, Any]]) -> None:
        """What came after the last operation belongs to neither pass."""
        if self.depth == 1:
            self.pause += perf_counter() - self.mark

    def pulled(self, turn: Pullback) -> None:
        """Charge an operation with a turn of the backward loop."""
        if self.depth > 1:  # what runs inside a turn is part of it
            return
        node = turn.node
        cost = self.cost(node.op.name if node else SUMS, node.scope if node else ())
        cost.calls += node is None
        cost.backward_seconds += turn.seconds
        made = [a for part in turn.contributions for a in arrays_of(part.value)]
        given = map(plain, [turn.cotangent, turn.tensor, *(node.inputs if node else ())])
        cost.backward_bytes += fresh_bytes(made, given) if node else plain(turn.cotangent).nbytes

    def ended(self) -> None:
        """Backward is over."""
        self.mark, self.running = perf_counter(), False

    def grouped(self, key: Callable[[str, Scope], str]) -> dict[str, Cost]:
        """The costs added up over what has one key, the most costly first."""
        found: dict[str, Cost] = {}
        for (name, scope), cost in self.costs.items():
            found[key(name, scope)] = found.get(key(name, scope), Cost()) + cost
        return dict(sorted(found.items(), key=lambda item: -item[1].seconds))

    def by_operation(self) -> dict[str, Cost]:
        """The cost of each operation."""
        return self.grouped(lambda name, _: name)

    def by_scope(self) -> dict[str, Cost]:
        """The cost of each part of the model, over all its time steps."""
        return self.grouped(lambda name, scope: name if name == SUMS else part_of(scope))

    def table(self) -> Table:
        """Both, with what came outside of the passes, and a total."""
        total = sum(self.costs.values(), Cost())
        whole = total.seconds + self.pause
        rows: list[tuple[str, ...] | str] = ["by operation"]
        rows += [row(name, cost, whole) for name, cost in self.by_operation().items()]
        rows.append("by part of the model")
        rows += [row(name, cost, whole) for name, cost in self.by_scope().items()]
        rows += ["in all", row("both passes", total, whole)]
        rows.append(f"outside of them {self.pause * 1e3:.2f} ms, {self.pause / (whole or 1):.0%}")
        return Table(("", *COLUMNS), rows, frozenset(range(1, len(COLUMNS) + 1)))

    def __str__(self) -> str:
        return self.table().text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table().html()


def row(name: str, cost: Cost, whole: float) -> tuple[str, ...]:
    """A row of the table; shares are of ``whole`` seconds."""
    forward, backward = f"{cost.forward_seconds * 1e3:.2f}", f"{cost.backward_seconds * 1e3:.2f}"
    megabytes = [f"{n / 1e6:.2f}" for n in (cost.forward_bytes, cost.backward_bytes)]
    return name, f"{cost.calls:,}", forward, megabytes[0], backward, megabytes[1], f"{cost.seconds / (whole or 1):.0%}"


def part_of(scope: Scope) -> str:
    """The part of a model that a scope is in, whatever the time step."""
    return describe(tuple(part for part in scope if isinstance(part, str))) or "in no module"


def seconds_of(node: Node) -> float:
    """The time of an operation, by running it once more."""
    inputs = [plain(x) for x in node.inputs]
    start = perf_counter()
    node.op.forward(*inputs, **node.params)
    return perf_counter() - start


def arrays_of(value: Any) -> list[Any]:
    """The arrays that a contribution consists of."""
    arrays = [value.value] if isinstance(value, At) else [value.a, value.b] if isinstance(value, Rows) else [value]
    return [plain(a) for a in arrays]


def fresh_bytes(made: Iterable[Any], given: Iterable[Any]) -> int:
    """The bytes of arrays that are no views of what was given, and not counted twice."""
    known = [a for a in given if type(a) is np.ndarray]
    total = 0
    for a in made:
        if type(a) is np.ndarray and not any(np.may_share_memory(a, b) for b in known):
            total += a.nbytes
            known.append(a)
    return total


def profile() -> Profile:
    """A context that measures what runs in it: ``print`` what it gives for a table.

    For each operation and each part of the model: how often it ran, its time in the forward and in the backward pass,
    the bytes of new arrays that it made (views are none), and its share of the time. An operation's forward time is
    that since the operation before it, with the Python between the two; the first of a pass is run once more to be
    measured alone. The rest, between the passes, is outside of them: preparing data, ordering the graph for backward,
    the optimizer. A leaf's contributions add up at the end of backward; for a weight that all time steps share, that is
    the one large product (``sums for leaves``). Watching costs some microseconds for each operation, not counted.

    >>> x = Tensor(np.ones((100, 100)), requires_grad=True)
    >>> with profile() as p:
    ...     (x @ x).sum().backward()
    >>> {name: (cost.calls, cost.forward_bytes, cost.backward_bytes) for name, cost in sorted(p.by_operation().items())}
    {'matmul': (1, 80000, 80000), 'sum': (1, 8, 0), 'sums for leaves': (1, 0, 80000)}
    """
    return Profile()
