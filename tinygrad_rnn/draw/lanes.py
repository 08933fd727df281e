"""Where operations stand: on which *lane* and at which time, from recorded scopes and inputs alone.

A lane is what runs along time as one: a cell, and in a loop of one's own also what is computed around it at each step.
Lanes are stacked from the inputs up. What has no time step stands in the *gaps* between them: gap k is below lane k.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias, TypeVar

from tinygrad_rnn.draw.graph import Graph, Operation
from tinygrad_rnn.tensor import Scope

Time: TypeAlias = tuple[int, ...]  # of a loop inside a loop, the steps of both
V = TypeVar("V", bound=Hashable)


class Lane(NamedTuple):
    """The modules that it runs in, and numbers that tell apart what has the same: passes over time, parts of a step."""

    path: tuple[str, ...]
    depth: int  # how many of the modules are outside of the loop over time
    run: int = 0
    part: int = 0


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
    carry a state from step to step, and both feed the module and use its result.
    """
    operations = graph.operations()
    lane: dict[int, Lane] = {}
    time: dict[int, Time] = {}
    runs: dict[tuple[str, ...], tuple[int, Time | None, set[Time]]] = {}
    for i, operation in operations:
        found = place(operation.scope)
        if found is None:
            continue
        path, depth, at = found
        loop = path[:depth]
        run, now, seen = runs.get(loop, (0, None, set()))
        if at != now and at in seen:  # the same steps are gone through again
            run, seen = run + 1, set()
        seen.add(at)
        runs[loop] = run, at, seen
        lane[i], time[i] = Lane(path, depth, run), at
    between(operations, lane, time)
    divide(operations, lane, time)
    merge(operations, lane, time)
    order = stacked(operations, lane, time)
    return Lanes(order, lane, time, gaps(operations, lane, order))


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


def between(operations: Sequence[tuple[int, Operation]], lane: dict[int, Lane], time: dict[int, Time]) -> None:
    """Give operations that were recorded between the steps of a lane, and belong to none, the time of the step before.

    They use a lane's results and feed it again, so they can stand neither below nor above it.
    """
    feeds = {(lane.get(s, s), lane.get(i, i)) for i, op in operations for s in op.inputs}
    if not lane:
        return
    for circle in circles(dict.fromkeys(lane.get(i, i) for i, _ in operations), feeds):
        free = {v for v in circle if isinstance(v, int)}
        for i, op in operations:
            if i in free:
                time[i] = max((time[s] for s in op.inputs if s in time), default=())
                names = tuple(str(part) for part in op.scope)
                lane[i] = Lane(names, len(names), part=-1)


def divide(operations: Sequence[tuple[int, Operation]], lane: dict[int, Lane], time: Mapping[int, Time]) -> None:
    """Divide a step's own operations into parts, where modules are called in between and no state is carried on."""
    carried = {lane[i].path[: lane[i].depth] for i, op in operations if is_own(lane.get(i)) for s in op.inputs
               if s in lane and time[s] != time[i] and lane[s].path[: lane[s].depth] == lane[i].path}  # fmt: skip
    phase: dict[int, int] = {}
    for i, op in operations:
        if i not in lane:
            continue
        here = [s for s in op.inputs if s in phase and time[s] == time[i] and loop_of(lane[s]) == loop_of(lane[i])]
        own = is_own(lane[i])
        # even inside own operations and odd inside modules, so that each way out and back counts two
        phase[i] = max((phase[s] + (is_own(lane[s]) != own) for s in here), default=0 if own else 1)
    for i in phase:
        if is_own(lane[i]) and lane[i].path not in carried:
            lane[i] = lane[i]._replace(part=phase[i])


def is_own(lane: Lane | None) -> bool:
    """Whether its operations are a step's own, outside of the modules that it calls."""
    return lane is not None and len(lane.path) == lane.depth and lane.part >= 0


def loop_of(lane: Lane) -> tuple[tuple[str, ...], int]:
    """The loop over time that it belongs to."""
    return lane.path[: lane.depth], lane.run


def merge(operations: Sequence[tuple[int, Operation]], lane: dict[int, Lane], time: Mapping[int, Time]) -> None:
    """Make one lane of those that feed each other within a step."""
    feeds = {
        (lane[s], lane[i]) for i, op in operations if i in lane for s in op.inputs if s in lane and time[s] == time[i]
    }
    one: dict[Lane, Lane] = {}
    for circle in circles(dict.fromkeys(lane[i] for i, _ in operations if i in lane), feeds):
        chosen = min(circle, key=lambda part: (len(part.path), part))
        one.update(dict.fromkeys(circle, chosen))
    for i, old in lane.items():
        lane[i] = one.get(old, old)


def stacked(
    operations: Sequence[tuple[int, Operation]], lane: Mapping[int, Lane], time: Mapping[int, Time]
) -> tuple[Lane, ...]:
    """The lanes from the bottom up: each above those that feed it, at the same step before over time."""
    everything = dict.fromkeys(lane.get(i, i) for i, _ in operations)
    feeds = dict.fromkeys((lane.get(s, s), lane.get(i, i)) for i, op in operations for s in op.inputs)
    own = {v for v in everything if isinstance(v, Lane)}
    known: set[object] = set(everything)
    feeds = {edge: None for edge in feeds if edge[0] in known}
    group: dict[object, object] = {}
    for circle in circles(everything, feeds):
        group.update(dict.fromkeys(circle, circle[0]))
    whole = {(group.get(a, a), group.get(b, b)): None for a, b in feeds}
    members: dict[object, list[Lane]] = {}
    for v in everything:
        if v in own:
            members.setdefault(group.get(v, v), []).append(v)  # type: ignore[arg-type]
    within = {(lane[s], lane[i]): None for i, op in operations if i in lane for s in op.inputs
              if s in lane and time[s] == time[i]}  # fmt: skip
    order: list[Lane] = []
    for v in sorted_up(dict.fromkeys(group.get(v, v) for v in everything), whole):  # type: ignore[type-var]
        order += sorted_up(members.get(v, []), within)
    return tuple(order)


def gaps(
    operations: Sequence[tuple[int, Operation]], lane: Mapping[int, Lane], order: Sequence[Lane]
) -> dict[int, int]:
    """The gap of each operation without a time step: above all lanes it depends on.

    One that depends on no lane, nor on anything that does, stands as high as those that use it allow.
    """
    level = {name: k for k, name in enumerate(order)}
    gap: dict[int, int] = {}
    for i, op in operations:
        if i not in lane:
            gap[i] = max((gap.get(s, 0) if s not in lane else level[lane[s]] + 1 for s in op.inputs), default=0)
    bound: dict[int, int] = {}
    for i, op in reversed(operations):
        if i in gap and not gap[i] and i in bound:
            gap[i] = bound[i]
        here = level[lane[i]] if i in lane else gap[i]
        for s in op.inputs:
            bound[s] = min(bound.get(s, here), here)
    return gap


def circles(vertices: Iterable[V], edges: Iterable[tuple[V, V]]) -> list[list[V]]:
    """The sets of two or more vertices that lie on common circles (Tarjan 1972, without recursion)."""
    after: dict[V, list[V]] = {v: [] for v in vertices}
    for a, b in edges:
        if a in after and b in after and a != b:
            after[a].append(b)
    index: dict[V, int] = {}
    low: dict[V, int] = {}
    path: list[V] = []
    on_path: set[V] = set()
    found: list[list[V]] = []
    for root in after:
        if root in index:
            continue
        work = [(root, iter(after[root]))]
        index[root] = low[root] = len(index)
        path.append(root)
        on_path.add(root)
        while work:
            v, rest = work[-1]
            for w in rest:
                if w not in index:
                    index[w] = low[w] = len(index)
                    path.append(w)
                    on_path.add(w)
                    work.append((w, iter(after[w])))
                    break
                if w in on_path:
                    low[v] = min(low[v], index[w])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[v])
                if low[v] == index[v]:
                    start = path.index(v)
                    circle = path[start:]
                    del path[start:]
                    on_path.difference_update(circle)
                    if len(circle) > 1:
                        found.append(circle)
    return found


def sorted_up(vertices: Iterable[V], edges: Iterable[tuple[V, V]]) -> list[V]:
    """The vertices so that each comes after those with an edge to it; otherwise, and on circles, in their own order."""
    number = {v: k for k, v in enumerate(vertices)}
    before = dict.fromkeys(number, 0)
    after: dict[V, list[V]] = {v: [] for v in number}
    for a, b in dict.fromkeys(edges):
        if a in number and b in number and a != b:
            after[a].append(b)
            before[b] += 1
    ready = [(number[v], v) for v in number if not before[v]]
    order: dict[V, None] = {}
    waiting = iter(number)
    while len(order) < len(number):
        while ready:
            _, v = heappop(ready)
            if v in order:
                continue
            order[v] = None
            for w in after[v]:
                before[w] -= 1
                if not before[w]:
                    heappush(ready, (number[w], w))
        v = next((w for w in waiting if w not in order), None)  # type: ignore[assignment]
        if v is not None:
            ready = [(number[v], v)]
    return list(order)
