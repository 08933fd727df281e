"""Projections of the recorded graph: what one mark stands for at the levels op, cell and layer, and in a fold.

Every operation is in exactly one *item*, and the links between items are the recorded inputs between what is in them.
Parameters and constants are chips of the item that uses them; inputs are items of their own, local to each use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from tinygrad_rnn.draw.fold import Column
from tinygrad_rnn.draw.graph import Graph, Leaf, Operation, Vertex
from tinygrad_rnn.draw.lanes import Lanes, Time
from tinygrad_rnn.draw.order import circles
from tinygrad_rnn.draw.templates import of_operations
from tinygrad_rnn.tensor import Scope

Level: TypeAlias = Literal["op", "cell", "layer"]
Pair: TypeAlias = tuple[int, int]  # a recorded (input, operation)

MOST_CHIPS = 2  # of one operation; further ones are items


class Where(NamedTuple):
    """The lane (counted from the bottom) and column of an item; or, without a column, its gap between lanes."""

    lane: int
    column: int | None = None
    inputs: bool = False  # in the row of inputs under the lane


@dataclass(slots=True)
class Item:
    """What one mark stands for: operations, or one input."""

    number: int
    where: Where
    scope: Scope
    positions: list[int] = field(default_factory=list)
    inputs: list[tuple[int | None, list[Pair]]] = field(default_factory=list)  # from which item; None: from a chip
    start: bool = False  # a state before the first step
    loop: list[Pair] = field(default_factory=list)  # inputs from an earlier step of the same item


@dataclass
class Projection:
    """The items of a picture, each after those it gets inputs from, except for states."""

    graph: Graph
    lanes: Lanes
    level: Level
    columns: list[Column]
    items: list[Item] = field(default_factory=list)
    item_of: dict[int, int] = field(default_factory=dict)  # of each operation
    steps: dict[tuple[int, Time], list[int]] = field(default_factory=dict)  # the operations of a lane at one time


def project(graph: Graph, lanes: Lanes, level: Level, columns: Sequence[Column]) -> Projection:
    """The items of ``graph`` at a level, with some time steps folded."""
    made = Projection(graph, lanes, level, list(columns))
    number = {lane: k for k, lane in enumerate(lanes.order)}
    column = {time: c for c, (times, _) in enumerate(columns) for time in times}
    for i, lane in lanes.lane.items():
        made.steps.setdefault((number[lane], lanes.time[i]), []).append(i)
    keys: dict[int, object] = {}
    whole = rolled_up(graph, lanes) if level == "layer" else {}
    phase = {} if level == "op" else phases(graph, lanes)
    for i, op in graph.operations():
        if i in lanes.lane:
            c, lane_number = column[lanes.time[i]], number[lanes.lane[i]]
            keys[i] = i if level == "op" and not columns[c].fold else Where(lane_number, c)
        else:
            keys[i] = whole.get(i, i if level == "op" else (op.scope, lanes.gap[i], phase[i]))
    found: dict[object, Item] = {}
    for i, op in graph.operations():
        if keys[i] not in found:
            where = keys[i]
            if not isinstance(where, Where):
                in_lane = i in lanes.lane
                where = Where(number[lanes.lane[i]], column[lanes.time[i]]) if in_lane else Where(lanes.gap[i])
            found[keys[i]] = Item(len(made.items), where, op.scope)
            made.items.append(found[keys[i]])
        found[keys[i]].positions.append(i)
        made.item_of[i] = found[keys[i]].number
    Links(made).connect()
    return made


class Links:
    """The links of a projection in the making."""

    def __init__(self, made: Projection) -> None:
        self.made = made
        self.leaf_items: dict[object, int] = {}
        self.index = {i: k for step in made.steps.values() for k, i in enumerate(step)}
        self.neighbours = neighbouring_steps(made)
        self.alone = states_of_single_steps(made)

    def connect(self) -> None:
        """Give every item its inputs."""
        made, nodes = self.made, self.made.graph.nodes
        for item in list(made.items):
            merged: dict[object, tuple[int | None, list[Pair]]] = {}
            single = made.level == "op" and len(item.positions) == 1
            chips = 0
            for i in item.positions:
                op = nodes[i]
                for slot, source in enumerate(op.inputs if isinstance(op, Operation) else ()):
                    leaf = nodes[source]
                    key: object
                    if isinstance(leaf, Leaf):
                        start = leaf.kind != "constant" and self.starts(i, slot)
                        chips += not start and (leaf.kind != "input" or slot > 0)
                        if start or (leaf.kind == "input" and not (single and slot and item.where.column is None)):
                            key = number = self.leaf_item(item, source, start=start)
                        elif single and chips > MOST_CHIPS:
                            key = number = self.leaf_item(item, source, apart=(i, slot))
                        else:
                            key, number = ("chip", source), None
                    else:
                        key = number = made.item_of[source]
                        if number == item.number:
                            if made.lanes.time.get(source) != made.lanes.time.get(i):
                                item.loop.append((source, i))
                            continue
                    if single:
                        key = slot
                    merged.setdefault(key, (number, []))[1].append((source, i))
            item.inputs = list(merged.values())

    def starts(self, i: int, slot: int) -> bool:
        """Whether input ``slot`` of operation ``i``, a leaf, stands where other steps have a state."""
        lanes, nodes = self.made.lanes, self.made.graph.nodes
        op = nodes[i]
        for step in self.neighbours.get(i, ()):
            j = step[self.index[i]] if self.index[i] < len(step) else None
            other = None if j is None else nodes[j]
            if not isinstance(other, Operation) or not isinstance(op, Operation):
                continue
            if (other.op, len(other.inputs)) != (op.op, len(op.inputs)):
                continue
            source = other.inputs[slot]
            if source in lanes.time and lanes.time[source] != lanes.time[j]:  # type: ignore[index]
                return True
        return (i, source_of(nodes[i], slot)) in self.alone

    def leaf_item(self, user: Item, leaf: int, *, start: bool = False, apart: object = None) -> int:
        """The item of a leaf near its user: in the row of inputs below, before the first step, or in the same gap."""
        lane, column, _ = user.where
        fold = column is not None and self.made.columns[column].fold
        if start:
            where: Where = user.where
        elif apart is not None:
            where = user.where
        else:
            where = Where(lane, column, inputs=column is not None)
        shared = (start and self.made.level != "op") or (fold and not start)  # one item for all of them
        key = (where, start, apart, None if shared else leaf)
        if key not in self.leaf_items:
            self.leaf_items[key] = len(self.made.items)
            self.made.items.append(Item(len(self.made.items), where, user.scope, start=start))
        item = self.made.items[self.leaf_items[key]]
        if leaf not in item.positions:
            item.positions.append(leaf)
        return item.number


def neighbouring_steps(made: Projection) -> dict[int, list[list[int]]]:
    """For each operation of a lane, the steps of that lane before and after its own."""
    times: dict[int, list[Time]] = {}
    for lane, time in made.steps:
        times.setdefault(lane, []).append(time)
    found: dict[int, list[list[int]]] = {}
    for lane, all_times in times.items():
        all_times.sort()
        for k, time in enumerate(all_times):
            around = [made.steps[lane, other] for other in [*all_times[max(k - 1, 0) : k], *all_times[k + 1 : k + 2]]]
            found.update(dict.fromkeys(made.steps[lane, time], around))
    return found


def states_of_single_steps(made: Projection) -> set[Pair]:
    """Inputs that are states before the first step, of lanes with one step only: by the template of the cell."""
    times: dict[int, list[Time]] = {}
    for lane, time in made.steps:
        times.setdefault(lane, []).append(time)
    found: set[Pair] = set()
    for lane, (time, *more) in times.items():
        step = made.steps[lane, time]
        known = None if more else of_operations(made.graph, made.lanes.time, step)
        if known is not None:
            states = set(known.states.values())
            found |= {(i, s) for i in step for s in made.graph.nodes[i].inputs if s in states}  # type: ignore[union-attr]
    return found


def source_of(node: Vertex, slot: int) -> int:
    """The input of an operation."""
    return node.inputs[slot] if isinstance(node, Operation) else -1


def phases(graph: Graph, lanes: Lanes) -> dict[int, int]:
    """A number for each operation between lanes: those of one scope, gap and number make up one item, on no circle."""
    free = [(i, op) for i, op in graph.operations() if i in lanes.gap]
    phase: dict[int, int] = {}
    for i, op in free:
        here = [s for s in op.inputs if lanes.gap.get(s) == lanes.gap[i]]
        phase[i] = max((phase[s] + (graph.nodes[s].scope != op.scope) for s in here), default=0)  # type: ignore[union-attr]
    bound: dict[int, int] = {}
    for i, op in reversed(free):
        phase[i] = bound.get(i, phase[i])
        for s in op.inputs:
            if lanes.gap.get(s) == lanes.gap[i]:
                most = phase[i] - (graph.nodes[s].scope != op.scope)  # type: ignore[union-attr]
                bound[s] = min(bound.get(s, most), most)
    return phase


def rolled_up(graph: Graph, lanes: Lanes) -> dict[int, Where]:
    """The operations just below and above a lane that were recorded in its module: the layer, with its time steps."""
    number = {lane: k for k, lane in enumerate(lanes.order)}
    home: dict[int, Where] = {}
    for k, lane in enumerate(lanes.order):
        for i, gap in lanes.gap.items():
            scope = graph.nodes[i].scope  # type: ignore[union-attr]
            if scope[: lane.depth] == lane.path[: lane.depth] and lane.depth and gap in {k, k + 1}:
                home[i] = Where(k, 0)
    group = {i: home.get(i, Where(number[lanes.lane[i]], 0) if i in lanes.lane else i) for i, _ in graph.operations()}
    feeds = {(group[s], group[i]) for i, op in graph.operations() for s in op.inputs if s in group}
    bad = {v for circle in circles(dict.fromkeys(group.values()), feeds) for v in circle}
    return {i: where for i, where in home.items() if where not in bad}
