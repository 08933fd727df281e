"""Being told of each recorded operation and of each turn of the backward loop, without changing what is computed.

Forward, the engine's observers hear of every newly recorded tensor. Backward, ``pull_back`` is the engine's loop over
the tensors that a loss was computed from, and it takes a list of them: handed lists of one tensor each, in the same
order and with the same sums, it does the same work, and between two turns there is time to look.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_rnn.backward import Sums, pull_back
from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.debug.words import Names, call_text, heading, input_name, shape_text, value_text
from tinygrad_rnn.op import describe, thread
from tinygrad_rnn.scan.trace import asking_line
from tinygrad_rnn.tensor import Array, Node, Tensor, plain

if TYPE_CHECKING:
    from types import TracebackType

Found = list[tuple[Tensor, Any, bool]]  # what backward.walk returns


@dataclass(frozen=True)
class Contribution:
    """What one use of ``tensor``, as the input ``name`` of an operation, adds to its cotangent.

    ``value`` is an array, a Tensor (with ``create_graph``), or what the engine keeps unexpanded: an ``At`` or ``Rows``.
    ``so_far`` is the sum of the contributions up to this one, where it was asked for.
    """

    name: str
    tensor: Tensor
    value: Any
    so_far: Array | None = None


@dataclass(frozen=True)
class Pullback:
    """One turn of the backward loop: the complete cotangent of ``tensor``, and what it contributes to the inputs'.

    ``node`` is how the tensor was made: None for a leaf, whose cotangent is what is added to its ``.grad``. ``seconds``
    is the time that the turn took.
    """

    tensor: Tensor
    node: Node | None
    cotangent: Any
    contributions: tuple[Contribution, ...]
    seconds: float
    names: Names

    def __str__(self) -> str:
        name, shape = self.names(self.tensor), shape_text(self.tensor.shape)
        lines = [f"∂{name} {shape} = {value_text(plain(self.cotangent))}"]
        if self.node is None:
            return f"{lines[0]}    complete: {name} is a leaf, this is its gradient"
        lines[0] += (
            f"    complete, through {name} = {call_text(self.node, self.names)}{heading(describe(self.node.scope))}"
        )
        for part in self.contributions:
            line = f"  → ∂{self.names(part.tensor)} += {value_text(plain(part.value))}"
            lines.append(line if part.so_far is None else f"{line}    so far {value_text(part.so_far)}")
        return "\n".join(lines)

    __repr__ = __str__


class Claimed(dict[int, Any]):
    """A dictionary that says of every key that it is there: then the engine hands each contribution to ``Sums.add``."""

    def __contains__(self, key: object) -> bool:
        return True


class Apart(Sums):
    """Sums that keep the contributions of one turn apart, in order."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        super().__init__()
        self.dense = Claimed()
        self.made: list[tuple[Tensor, Any]] = []

    def add(self, x: Tensor, new: Any) -> None:
        """Keep one contribution."""
        self.made.append((x, new))


def turns(
    order: list[Tensor],
    live: set[int] | None,
    wanted: set[int],
    sums: Sums,
    *,
    record: bool = False,
    free: bool = False,
    found: Found,
    names: Names,
    expand: bool = False,
) -> Iterator[Pullback]:
    """The loop of ``pull_back``, with the same arguments, one turn at a time; its result is put into ``found``.

    ``expand``: with the sums so far.
    """
    while order:
        out = order.pop()
        key, node = id(out), out.node
        start = perf_counter()
        g = sums.dense.pop(key, None)
        if key in sums.slices or key in sums.rows:
            g = sums.complete(key, g)
        if g is None:
            continue
        apart = Apart()
        apart.dense[key], apart.owned = g, sums.owned
        found += pull_back([out], live, wanted, apart, record=record, free=free)
        seconds = perf_counter() - start
        parts = []
        for (x, new), name in zip(apart.made, names_of(node, apart.made), strict=True):
            start = perf_counter()
            sums.add(x, new)
            seconds += perf_counter() - start
            parts.append(Contribution(name, x, new, so_far(sums, x) if expand else None))
        yield Pullback(out, node, g, tuple(parts), seconds, names)


def so_far(sums: Sums, x: Tensor) -> Array:
    """A copy of the cotangent of ``x`` as it stands, with what is kept unexpanded."""
    total = sums.dense.get(id(x), 0)
    if id(x) in sums.slices:
        total = total + At.total(sums.slices[id(x)])
    if id(x) in sums.rows:
        total = total + Rows.total(sums.rows[id(x)])
    return np.array(plain(total))


def names_of(node: Node | None, made: list[tuple[Tensor, Any]]) -> list[str]:
    """For each contribution the name of the input that it belongs to, such as ``x``, or ``xs[2]`` of any number."""
    found: list[str] = []
    at = 0
    if node is None:
        return found
    for x, _ in made:
        while node.inputs[at] is not x:
            at += 1
        found.append(input_name(node.op, at))
        at += 1
    return found


class Lines:
    """The lines of the callers' code that recorded tensors came from, for as long as the tensors live."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[weakref.ref[Tensor], str]] = {}

    def note(self, out: Tensor) -> str:
        """The line outside of this package that led here, remembered for a tensor that is just being recorded."""
        key, line = id(out), asking_line()
        self.known[key] = weakref.ref(out, lambda _: self.known.pop(key, None)), line
        return line

    def of(self, out: Tensor) -> str:
        """The line of ``out``, or nothing if it was not noted."""
        return self.known.get(id(out), (None, ""))[1]


class Watcher:
    """The base of what watches: ``with watcher:`` it is told of what this thread records and pulls back.

    Several may watch at once, one inside the other.
    """

    def __init__(self) -> None:
        self.names = Names()
        self.depth = 0  # backward passes under way: a rule that is to be differentiated again may run one of its own

    def __enter__(self) -> Self:
        thread.recorder.observers = (*thread.recorder.observers, self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        thread.recorder.observers = tuple(o for o in thread.recorder.observers if o is not self)

    def __call__(self, out: Tensor) -> None:
        """``out`` was recorded."""

    def pulled(self, turn: Pullback) -> None:
        """Backward took a turn."""

    def pull_back(
        self, order: list[Tensor], live: set[int] | None, wanted: set[int], sums: Sums, *, record: bool, free: bool
    ) -> Found:
        """The engine's loop one turn at a time, with everyone told who watches."""
        watchers = [o for o in thread.recorder.observers if isinstance(o, Watcher)]
        found: Found = []
        starts = [(out, sums.dense[id(out)]) for out in reversed(order) if id(out) in sums.dense]
        for watcher in watchers:
            watcher.depth += 1
        try:
            for watcher in watchers:
                watcher.begun(starts)
            for turn in turns(order, live, wanted, sums, record=record, free=free, found=found, names=self.names):
                for watcher in watchers:
                    watcher.pulled(turn)
        finally:
            for watcher in watchers:
                watcher.depth -= 1
                watcher.ended()
        return found

    def begun(self, starts: list[tuple[Tensor, Any]]) -> None:
        """A backward pass begins at these tensors, with these cotangents."""

    def ended(self) -> None:
        """A backward pass is over."""
