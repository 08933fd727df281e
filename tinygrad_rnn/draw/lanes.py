"""Where operations stand: on which *lane* and at which time, from recorded scopes and inputs alone.

A lane is what runs along time as one: a cell, and in a loop of one's own also what is computed around it at each step.
Lanes are stacked from the inputs up. What has no time step stands in the *gaps* between them: gap k is below lane k.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, TypeAlias

from tinygrad_rnn.draw.graph import Graph
from tinygrad_rnn.draw.order import circles, sorted_up
from tinygrad_rnn.tensor import Scope

Time: TypeAlias = tuple[int, ...]  # of a loop inside a loop, the steps of both
Loop: TypeAlias = tuple[tuple[str, ...], int]


class Lane(NamedTuple):
    """The modules that it runs in, and numbers that tell apart what has the same: passes over time, parts of a step."""

    path: tuple[str, ...]
    depth: int  # how many of the modules are outside of the loop over time
    run: int = 0
    part: int = 0

    @property
    def loop(self) -> Loop:
        """The loop over time that it belongs to."""
        return self.path[: self.depth], self.run

    @property
    def own(self) -> bool:
        """Whether its operations are a step's own, outside of the modules that it calls."""
        return len(self.path) == self.depth and self.part >= 0


@dataclass(frozen=True)
class Lanes:
    """The lanes from the bottom up, and where each operation stands; positions are those of ``Graph.nodes``."""

    order: tuple[Lane, ...]
    lane: Mapping[int, Lane]  # of operations at a time step
    time: Mapping[int, Time]  # of the same
    gap: Mapping[int, int]  # of the other operations


def lanes_of(graph: Graph) -> Lanes:
    """The lanes of a graph; without time steps there are none.

    A module that is called within a step is a lane of its own, unless it is part of a cell: the step's own operations
    feed it, use its result, and hand that on to the next step.
    """
    found = Placing(graph)
    if not found.lane:
        return Lanes((), {}, {}, {i: 0 for i, _ in found.operations})
    order = found.stacked()
    lane = {i: found.lanes[k] for i, k in found.lane.items()}
    return Lanes(tuple(found.lanes[k] for k in order), lane, found.time, gaps(found, order))


@cache
def place(scope: Scope) -> tuple[tuple[str, ...], int, Time] | None:
    """(modules, how many of them are around the loop, time) of a scope; None without a time step.

    Of the modules inside a step the outermost counts: the rest is within it.

    >>> place(("lstm", "layer0", 3, "norm", "inner"))
    (('lstm', 'layer0', 'norm'), 2, (3,))
    """
    steps = [k for k, part in enumerate(scope) if isinstance(part, int)]
    if not steps:
        return None
    before = tuple(part for part in scope[: steps[-1]] if isinstance(part, str))
    inside = tuple(str(part) for part in scope[steps[-1] + 1 :][:1])
    return before + inside, len(before), tuple(part for part in scope if isinstance(part, int))


class Placing:
    """Operations on their way to lanes, which are numbers here: the index in ``lanes``."""

    def __init__(self, graph: Graph) -> None:
        self.operations = graph.operations()
        self.numbers: dict[Lane, int] = {}
        self.lanes: list[Lane] = []
        self.lane: dict[int, int] = {}
        self.time: dict[int, Time] = {}
        self.by_scope()
        if self.lane:
            self.between()
            self.divide()
            self.merge()

    def number(self, lane: Lane) -> int:
        """The number of a lane."""
        if lane not in self.numbers:
            self.numbers[lane] = len(self.lanes)
            self.lanes.append(lane)
        return self.numbers[lane]

    def by_scope(self) -> None:
        """The lane and time that each scope says. Steps that are gone through again make another run."""
        runs: dict[tuple[str, ...], tuple[int, Time | None, set[Time]]] = {}
        last: tuple[Scope, int, Time] | None = None
        for i, operation in self.operations:
            if last is not None and operation.scope is last[0]:
                self.lane[i], self.time[i] = last[1:]
                continue
            found = place(operation.scope)
            if found is None:
                continue
            path, depth, at = found
            run, now, seen = runs.get(path[:depth], (0, None, set()))
            if at != now and at in seen:
                run, seen = run + 1, set()
            seen.add(at)
            runs[path[:depth]] = run, at, seen
            last = operation.scope, self.number(Lane(path, depth, run)), at
            self.lane[i], self.time[i] = last[1:]

    def feeds(self) -> dict[tuple[int, int], None]:
        """Which lanes, and operations without one, feed which. Lanes are negative here: lane k is -1 - k."""
        lane = self.lane
        name = {i: -1 - lane[i] if i in lane else i for i, _ in self.operations}
        return {(name[s], name[i]): None for i, op in self.operations for s in op.inputs if s in name}

    def names(self) -> list[int]:
        """What ``feeds`` is about, in order of creation."""
        return list(dict.fromkeys(-1 - self.lane[i] if i in self.lane else i for i, _ in self.operations))

    def within(self) -> dict[tuple[int, int], None]:
        """Which lanes feed which at the same time."""
        lane, time = self.lane, self.time
        return {(lane[s], lane[i]): None for i, op in self.operations if i in lane
                for s in op.inputs if s in lane and lane[s] != lane[i] and time[s] == time[i]}  # fmt: skip

    def between(self) -> None:
        """Give what was recorded between the steps of a lane, and belongs to none, the time of the step before.

        Such operations use a lane's results and feed it again, so they can stand neither below nor above it.
        """
        free = {v for circle in circles(self.names(), self.feeds()) for v in circle if v >= 0}
        for i, op in self.operations if free else ():
            if i in free:
                self.time[i] = max((self.time[s] for s in op.inputs if s in self.time), default=())
                path = tuple(str(part) for part in op.scope)
                self.lane[i] = self.number(Lane(path, len(path), part=-1))

    def divide(self) -> None:
        """Divide a step's own operations into parts, where modules are called in between."""
        loops: dict[Loop, set[bool]] = {}
        for lane in self.lanes:
            loops.setdefault(lane.loop, set()).add(lane.own)
        mixed = {loop for loop, kinds in loops.items() if len(kinds) > 1}
        phase: dict[int, int] = {}
        for i, op in self.operations if mixed else ():
            if i in self.lane and (here := self.lanes[self.lane[i]]).loop in mixed:
                # even inside own operations and odd inside modules, so that each way out and back counts two
                phase[i] = 0 if here.own else 1
                for s in op.inputs:
                    if (
                        s in phase
                        and self.time[s] == self.time[i]
                        and (there := self.lanes[self.lane[s]]).loop == here.loop
                    ):
                        phase[i] = max(phase[i], phase[s] + (there.own != here.own))
        for i, part in phase.items():
            lane = self.lanes[self.lane[i]]
            if lane.own:
                self.lane[i] = self.number(lane._replace(part=part))
        if mixed:
            self.join_cells()

    def join_cells(self) -> None:
        """Put a step's own operations together again, with the modules between, if they hand a state on to themselves.

        That makes them a cell: its later operations feed its earlier ones of the next step. A module that keeps a state
        of its own, however, is a cell by itself.
        """
        lane, time = self.lane, self.time
        feeds: dict[tuple[int, int], None] = {}
        cells: set[int] = set()
        for i, op in self.operations:
            for s in op.inputs if i in lane else ():
                if s in lane and self.lanes[lane[s]].loop == self.lanes[lane[i]].loop:
                    feeds[lane[s], lane[i]] = None
                    if lane[s] == lane[i] and time[s] != time[i] and not self.lanes[lane[i]].own:
                        cells.add(lane[i])
        self.unite(circle for circle in circles(dict.fromkeys(lane.values()), feeds) if cells.isdisjoint(circle))

    def merge(self) -> None:
        """Make one lane of those that feed each other within a step."""
        self.unite(circles(dict.fromkeys(self.lane.values()), self.within()))

    def unite(self, groups: Iterable[list[int]]) -> None:
        """Make one lane of each group."""
        one: dict[int, int] = {}
        for group in groups:
            one.update(dict.fromkeys(group, min(group, key=lambda k: (len(self.lanes[k].path), self.lanes[k]))))
        if one:
            self.lane = {i: one.get(k, k) for i, k in self.lane.items()}

    def stacked(self) -> list[int]:
        """The lanes from the bottom up: each above those that feed it, at the same step before over time."""
        names, feeds = self.names(), self.feeds()
        group = {v: v for v in names}
        for circle in circles(names, feeds):
            group.update(dict.fromkeys(circle, circle[0]))
        members: dict[int, list[int]] = {}
        for v in names:
            if v < 0:
                members.setdefault(group[v], []).append(-1 - v)
        within = self.within()
        whole = {(group[a], group[b]): None for a, b in feeds}
        found = sorted_up(dict.fromkeys(group.values()), whole)
        return [k for v in found for k in sorted_up(members.get(v, []), within)]


def gaps(found: Placing, order: Sequence[int]) -> dict[int, int]:
    """The gap of each operation without a time step: above all lanes it depends on.

    One that depends on no lane, nor on anything that does, stands as high as those that use it allow; so does one that
    the steps of a lane use, which then stands right below that lane.
    """
    level, lane = {k: n for n, k in enumerate(order)}, found.lane
    gap: dict[int, int] = {}
    for i, op in found.operations:
        if i not in lane:
            gap[i] = max((gap.get(s, 0) if s not in lane else level[lane[s]] + 1 for s in op.inputs), default=0)
    bound: dict[int, int] = {}
    used: set[int] = set()
    for i, op in reversed(found.operations):
        if i in gap and i in bound and (not gap[i] or i in used):
            gap[i] = bound[i]
        here = level[lane[i]] if i in lane else gap[i]
        for s in op.inputs:
            bound[s] = min(bound.get(s, here), here)
            if i in lane:
                used.add(s)
    return gap
