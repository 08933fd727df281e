"""What ran, in order: every recorded operation, and every contribution to a gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tinygrad_rnn.backward import Sums, reachable, starting_cotangent
from tinygrad_rnn.debug.table import WIDTH, Table
from tinygrad_rnn.debug.watch import Lines, Pullback, Watcher, turns
from tinygrad_rnn.debug.words import Names, call_text, shape_text, value_text
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Node, Scope, Tensor, plain

COLUMNS = ("what ran", "shape", "value", "where")


class Entry(NamedTuple):
    """One line of a trace.

    Forward, ``text`` reads ``%3 = mul(w, %2)``: a result and how it was made, with its ``shape`` and ``value`` (a large
    array's range). Backward it reads ``∂w ← ∂%3 by mul``: a contribution to the cotangent of w, made from that of %3 by
    the rule of the operation that made %3; or ``∂w, sum of 2``, the complete cotangent. ``scope`` and ``line`` are
    those of the forward operation: where in the model it is, and the line of the caller's code that it came from.
    """

    backward: bool
    text: str
    shape: tuple[int, ...]
    value: str
    scope: Scope
    line: str


class Trace(Watcher):
    """What ran inside ``with trace() as t:``. ``print(t)`` for lines, or the last line of a cell for a table."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.lines = Lines()
        self.parts: dict[int, int] = {}

    def __call__(self, out: Tensor) -> None:
        """List a recorded operation."""
        node, line = out.node, self.lines.note(out)
        if node is None:
            return
        call = call_text(node, self.names)
        text = f"{self.names(out)} = {call}"
        self.entries.append(Entry(self.depth > 0, text, out.shape, value_text(out.data), node.scope, line))

    def begun(self, starts: list[tuple[Tensor, Any]]) -> None:
        """List what backward starts from."""
        if self.depth == 1:
            self.parts.clear()
        for out, gradient in starts:
            self.append_sum(out, out.node, gradient, "where backward starts")

    def pulled(self, turn: Pullback) -> None:
        """List the contributions of a turn, and before them the sum that it had, if there was anything to add up."""
        out, node = turn.tensor, turn.node
        parts = self.parts.pop(id(out), 0)
        if parts > 1 or (node is None and parts):
            self.append_sum(out, node, turn.cotangent, f"sum of {parts}" if parts > 1 else "complete")
        line = self.lines.of(out)
        for part in turn.contributions:
            x = part.tensor
            self.parts[id(x)] = self.parts.get(id(x), 0) + 1
            text = f"∂{self.names(x)} ← ∂{self.names(out)} by {node.op.name if node else ''}"
            value = value_text(plain(part.value))
            self.entries.append(Entry(True, text, x.shape, value, node.scope if node else (), line))

    def append_sum(self, x: Tensor, node: Node | None, total: Any, what: str) -> None:
        """List a cotangent as it is now."""
        scope = node.scope if node else ()
        entry = Entry(True, f"∂{self.names(x)}, {what}", x.shape, value_text(plain(total)), scope, self.lines.of(x))
        self.entries.append(entry)

    def table(self) -> Table:
        """The trace as a table; the line of code that led to some rows stands above them."""
        rows: list[tuple[str, ...] | str] = []
        above = ""
        for entry in self.entries:
            line = f"{'backward' if entry.backward else 'forward'}, {entry.line or 'at the leaves'}"
            if line != above:
                rows.append(line)
            above = line
            rows.append((entry.text, shape_text(entry.shape), entry.value, describe(entry.scope)))
        return Table(COLUMNS, rows)

    def text(self, width: int = WIDTH) -> str:
        """The trace in lines of at most ``width`` characters."""
        return self.table().text(width)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table().html()


def trace() -> Trace:
    """A ``Trace`` to run something in: it lists forward and backward.

    Each line is an ``Entry``; all are in ``t.entries``, and of more than 400 the text and the table show the first and
    the last.

    >>> w, x = Tensor(2.0, True, name="w"), Tensor(3.0, True, name="x")
    >>> with trace() as t:
    ...     y = w * x
    ...     (y * y + w).backward()
    >>> for entry in t.entries:
    ...     print(entry.text, "=", entry.value)
    %0 = mul(w, x) = 6
    %1 = mul(%0, %0) = 36
    %2 = add(%1, w) = 38
    ∂%2, where backward starts = 1
    ∂%1 ← ∂%2 by add = 1
    ∂w ← ∂%2 by add = 1
    ∂%0 ← ∂%1 by mul = 6
    ∂%0 ← ∂%1 by mul = 6
    ∂%0, sum of 2 = 12
    ∂w ← ∂%0 by mul = 36
    ∂x ← ∂%0 by mul = 24
    ∂x, complete = 24
    ∂w, sum of 2 = 37
    """
    return Trace()


def pullbacks(output: Tensor, gradient: Any = None) -> Iterator[Pullback]:
    """Backward from ``output``, one turn at a time: advance the iterator and look at what was pulled back.

    Each ``Pullback`` has a tensor whose cotangent is complete, and what that contributes to the cotangents of the
    inputs, with the sums so far. Nothing is changed: the graph is kept, and no ``.grad`` is written; the cotangent of a
    leaf, which comes when all of its uses have been passed, is what ``backward`` would add to it.

    Arguments and errors as for ``backward``.

    >>> a = Tensor(1.0, requires_grad=True, name="a")
    >>> b = a + a
    >>> c = b + b
    >>> turn = pullbacks(c)
    >>> next(turn)
    ∂%1 () = 1    complete, through %1 = add(%0, %0)
      → ∂%0 += 1    so far 1
      → ∂%0 += 1    so far 2
    >>> next(turn)
    ∂%0 () = 2    complete, through %0 = add(a, a)
      → ∂a += 2    so far 2
      → ∂a += 2    so far 4
    >>> next(turn)
    ∂a () = 4    complete: a is a leaf, this is its gradient
    """
    seed = starting_cotangent(output, gradient, record=False)
    order, live = reachable([output], None)
    sums, names = Sums(), Names()
    for x in order:
        names(x)
    sums.add(output, seed)
    return turns(order, live, set(), sums, found=[], names=names, expand=True)
