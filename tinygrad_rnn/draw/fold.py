"""Which time steps are drawn one by one, and which are folded into one column; whether folded steps are alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_rnn.draw.graph import Graph, Leaf
from tinygrad_rnn.draw.lanes import Lanes, Time

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
    groups: dict[tuple[Recorded, ...], list[Time]] = {}
    for time in times:
        form = tuple(said(graph, lanes, i, {s: k for k, s in enumerate(steps[lane, time])}) for i in steps[lane, time])
        groups.setdefault(form, []).append(time)
    most = max(groups, key=lambda form: len(groups[form]))
    return sorted(time for form, found in groups.items() if not alike(form, most) for time in found)


class Recorded(NamedTuple):
    """An operation of a step, said so that equal ones at different times say the same."""

    what: tuple[Any, ...]
    inputs: tuple[tuple[str, Any], ...]


def said(graph: Graph, lanes: Lanes, i: int, step: Mapping[int, int]) -> Recorded:
    """What the operation at position ``i`` says; ``step`` numbers those of its step."""
    op, time = graph.nodes[i], lanes.time[i]
    inputs: list[tuple[str, Any]] = []
    for s in graph.inputs(i):
        node = graph.nodes[s]
        if s in step:
            inputs.append(("same step", step[s]))
        elif isinstance(node, Leaf):
            inputs.append((node.kind, node.shape))
        elif s in lanes.time:
            inputs.append(("state", node.shape) if lanes.time[s] != time else ("below", lanes.lane[s]))
        else:
            inputs.append(("no step", s))
    static = tuple((key, at_time(value, time[-1])) for key, value in getattr(op, "params", {}).items())
    return Recorded((getattr(op, "op", ""), op.shape, op.dtype, repr(static)), tuple(inputs))


def alike(form: Sequence[Recorded], other: Sequence[Recorded]) -> bool:
    """Whether two steps recorded the same; where one has a state of the step before, the first has an input."""
    same = {("input", "state"), ("state", "input"), ("parameter", "state"), ("state", "parameter")}
    return len(form) == len(other) and all(
        a.what == b.what
        and len(a.inputs) == len(b.inputs)
        and all(x == y or ((x[0], y[0]) in same and x[1] == y[1]) for x, y in zip(a.inputs, b.inputs, strict=True))
        for a, b in zip(form, other, strict=True)
    )


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
