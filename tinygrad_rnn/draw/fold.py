"""Which time steps are drawn one by one, and which are folded into one column; whether folded steps are alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_rnn.draw.graph import Graph, Leaf
from tinygrad_rnn.draw.lanes import Lane, Lanes, Time

FIRST, LAST = 3, 2  # steps that stay, where others are folded
MOST_NAMED = 3  # of steps that differ


class Column(NamedTuple):
    """Time steps drawn as one: a single one, or a fold."""

    times: tuple[Time, ...]
    fold: bool = False


def columns(lanes: Lanes, *, fold: bool, steps: range | slice | None) -> list[Column]:
    """A column for each time step; ``steps`` are drawn one by one, or with ``fold`` the first three and last two.

    Raises ValueError if none of the time steps is in ``steps``.
    """
    times = sorted(set(lanes.time.values()))
    folded: set[Time] = set()
    if steps is not None:
        end = max((time[-1] for time in times), default=-1) + 1
        inside = range(*steps.indices(end)) if isinstance(steps, slice) else steps
        folded = {time for time in times if time[-1] not in inside}
        if len(folded) == len(times):
            there = f"they run from {times[0][-1]} to {times[-1][-1]}" if times else "this graph has none"
            raise ValueError(f"draw: none of the time steps is in steps={steps}; {there}")
    elif fold:
        folded = set(times[FIRST : len(times) - LAST])
    return list(runs(times, folded))


def runs(times: Iterable[Time], folded: Collection[Time]) -> Iterator[Column]:
    """Columns of ``times`` in order; neighbours among ``folded`` share one, unless it would be of a single step.

    >>> [(column.times, column.fold) for column in runs([(0,), (1,), (2,)], {(1,), (2,)})]
    [(((0,),), False), (((1,), (2,)), True)]
    """
    waiting: list[Time] = []
    for time in [*times, None]:
        if time is not None and time in folded:
            waiting.append(time)
            continue
        if waiting:
            yield Column(tuple(waiting), fold=len(waiting) > 1)
        waiting = []
        if time is not None:
            yield Column((time,))


Steps = Mapping[tuple[int, Time], Sequence[int]]  # the operations of a lane (its number) at one time


def differing(graph: Graph, lanes: Lanes, steps: Steps, lane: int, times: Sequence[Time]) -> list[Time]:
    """Those of a lane's steps that have not recorded the same as most of them."""
    place = {i: (lanes.lane[i], time, k) for (_, time), step in steps.items() for k, i in enumerate(step)}
    groups: dict[tuple[Any, ...], list[Time]] = {}
    for time in times:
        groups.setdefault(form(graph, steps[lane, time], time, place), []).append(time)
    most = max(groups.values(), key=len)
    return sorted(time for group in groups.values() if group is not most for time in group)


def form(graph: Graph, step: Sequence[int], time: Time, place: Mapping[int, tuple[Lane, Time, int]]) -> tuple[Any, ...]:
    """What a step has recorded, said so that equal steps at different times say the same."""
    found: list[Any] = []
    for i in step:
        node = graph.nodes[i]
        if isinstance(node, Leaf):
            continue
        static = tuple((key, at_time(value, time[-1])) for key, value in node.params.items())
        inputs: list[Any] = []
        for s in node.inputs:
            if s in place:
                lane, when, k = place[s]
                inputs.append((lane, when != time, k))
            else:
                other = graph.nodes[s]
                inputs.append((other.kind, other.shape) if isinstance(other, Leaf) else s)
        found.append((node.op, node.shape, node.dtype, repr(static), tuple(inputs)))
    return tuple(found)


def at_time(value: Any, t: int) -> Any:
    """A static parameter, with the time step in an index as a sign: ``x[3]`` at t = 3 is ``x[t]``."""
    if isinstance(value, tuple):
        return tuple(at_time(part, t) for part in value)
    return "t" if type(value) is int and value == t else value


def difference(times: Sequence[Time]) -> tuple[str, ...]:
    """Steps that differ, in words.

    >>> difference([]), difference([(40,)]), difference([(t,) for t in range(4)])
    ((), ('t = 40 differs',), ('4 differ',))
    """
    if not times:
        return ()
    if len(times) > MOST_NAMED:
        return (f"{len(times)} differ",)
    which = ", ".join("/".join(map(str, time)) for time in times)
    return (f"t = {which} {'differs' if len(times) == 1 else 'differ'}",)
