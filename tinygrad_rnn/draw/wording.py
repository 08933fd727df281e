"""What is written on the marks of a projection: labels, families and tooltips, of single nodes and of many."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeAlias

from tinygrad_rnn.draw.fold import difference, differing
from tinygrad_rnn.draw.graph import Graph, Leaf, Operation
from tinygrad_rnn.draw.lanes import Time
from tinygrad_rnn.draw.planned import cell_of, inside, is_planned, steps_of
from tinygrad_rnn.draw.project import Item, Projection
from tinygrad_rnn.draw.style import block_size, family, label, place, sign, tooltip
from tinygrad_rnn.draw.templates import of_operations
from tinygrad_rnn.draw.tile import Block
from tinygrad_rnn.draw.words import counted

Note: TypeAlias = Callable[[Sequence[int]], tuple[str, ...]]  # lines below the label of a mark for these positions
MOST_SIGNS = 3  # of operations in one mark, before they are only counted


def no_notes(_positions: Sequence[int]) -> tuple[str, ...]:
    """Nothing beyond the label."""
    return ()


class Words(NamedTuple):
    """What is written on a mark, and about it."""

    lines: tuple[str, ...]
    family: str
    tooltip: str

    @property
    def size(self) -> tuple[float, float]:
        """The width and height that these lines need."""
        return block_size(self.lines, self.family)


class Wording:
    """The words for the marks of one graph. ``show`` may have ``"shape"`` and ``"dtype"``, for labels to say."""

    def __init__(self, graph: Graph, show: Collection[str], notes: Note) -> None:
        self.graph, self.show, self.notes = graph, show, notes
        self.known: dict[object, tuple[tuple[str, ...], str, str]] = {}  # of operations that differ in scope only

    def node(self, i: int) -> Words:
        """The words for one node of the graph."""
        node, nodes = self.graph.nodes[i], self.graph.nodes
        if isinstance(node, Leaf):
            key: object = node
        else:
            shapes = [nodes[s].shape for s in node.inputs]
            key = node.op, node.name, node.shape, node.dtype, str(node.params or ""), *shapes
        if key not in self.known:
            inputs = [] if isinstance(node, Leaf) else [nodes[s] for s in node.inputs]
            lines = tuple(label(node, inputs, shape="shape" in self.show, dtype="dtype" in self.show))
            self.known[key] = lines, family(node), tooltip(node, where=False)
        lines, kind, about = self.known[key]
        if isinstance(node, Operation) and is_planned(node):
            lines, kind = (f"{cell_of(node)} × {steps_of(node)}",), "scan"
        where = "" if isinstance(node, Leaf) else place(node.scope)
        return Words((*lines, *self.notes((i,))), kind, about + where)

    def item(self, item: Item, made: Projection) -> Words:
        """The words for an item."""
        node = self.graph.nodes[item.positions[0]]
        if len(item.positions) == 1 and (made.level == "op" or not (item.start or item.loop or is_planned(node))):
            column = item.where.column
            if isinstance(node, Leaf) or column is None or not made.columns[column].fold:
                return self.node(item.positions[0])
        if not isinstance(self.graph.nodes[item.positions[-1]], Operation):
            lines, kind, about = self.inputs(item)
        elif item.where.column is None:
            lines, kind, about = self.modules(item)
        else:
            lines, kind, about = self.steps(item, made, item.where.column)
        return Words((*lines, *self.notes(item.positions)), kind, about)

    def inputs(self, item: Item) -> Words:
        """The words for several inputs, or for the states before the first step."""
        nodes = [self.graph.nodes[i] for i in item.positions]
        if item.start:
            return Words((", ".join(label(node, [])[0] for node in nodes),), "input", "the state before the first step")
        names, count = {node.name for node in nodes}, counted(len(nodes), "input")
        return Words(((names.pop() if len(names) == 1 else "") or count,), "input", count)

    def modules(self, item: Item) -> Words:
        """The words for what a module does outside of time steps."""
        operations = self.operations(item)
        signs = ", ".join(map(sign, operations))
        about = f"{counted(len(operations), 'operation')}: {signs}"
        for node in operations:
            if is_planned(node):
                return Words((cell_of(node), f"× {steps_of(node)}"), "cell", about)
        name = str(item.scope[-1]) if item.scope else ""
        return Words(tuple(filter(None, (name, self.summary(operations)))), family(operations[-1]), about)

    def steps(self, item: Item, made: Projection, column: int) -> Words:
        """The words for what a cell does at one time step, or at several."""
        operations, lane = self.operations(item), made.lanes.order[item.where.lane]
        times = sorted({made.lanes.time[i] for i in item.positions if i in made.lanes.time})
        inside = set(item.positions)
        own = [i for i in made.steps[item.where.lane, times[0]] if i in inside]
        found = of_operations(self.graph, made.lanes.time, own)
        name = found.template.name if found else lane.path[-1] if lane.path else self.summary(operations)
        about = f"{name} of {'.'.join(lane.path)}, {span(times)}: {counted(len(operations), 'operation')}"
        if made.level == "layer":
            title = lane.path[-1] if lane.path and lane.path[-1] != name else ""
            return Words((name, f"{title} × {len(times)}".strip()), "cell", about)
        if made.columns[column].fold:
            different = difference(differing(self.graph, made.lanes, made.steps, item.where.lane, times))
            return Words((span(times), counted(len(times), "step"), *different), "fold", about)
        return Words((name,), "cell", about)

    def operations(self, item: Item) -> list[Operation]:
        """The operations of an item."""
        nodes = [self.graph.nodes[i] for i in item.positions]
        return [node for node in nodes if isinstance(node, Operation)]

    def summary(self, operations: Sequence[Operation]) -> str:
        """The signs of a few operations; else only how many there are."""
        if len(operations) > MOST_SIGNS:
            return counted(len(operations), "operation")
        return ", ".join(map(sign, operations))

    def chips(self, item: Item, made: Projection) -> list[int]:
        """The inputs drawn as chips of an item: of one operation, at the level of operations."""
        if made.level != "op" or len(item.positions) > 1:
            return []
        return [slot for slot, (source, _) in enumerate(item.inputs) if source is None]

    def block(self, item: Item, made: Projection, words: Words) -> Block:
        """The size of an item's mark, and of its chips."""
        width, height = words.size
        node = self.graph.nodes[item.positions[-1]]
        if made.level == "op" and is_planned(node) and isinstance(node, Operation):
            width, height = inside(self.graph, node)[:2]
        chips = [self.node(item.inputs[slot][1][0][0]).size for slot in self.chips(item, made)]
        under, over = [*chips, None, None][:2]
        return Block(width, height, words.family == "pointwise" and len(words.lines) == 1, under, over)


def span(times: Sequence[Time]) -> str:
    """Time steps as a title.

    >>> span([(3,)]), span([(3,), (4,)]), span([(0, 3)])
    ('t = 3', 't = 3 … 4', 't = 0, 3')
    """
    first, last = (", ".join(map(str, time)) for time in (times[0], times[-1]))
    return f"t = {first}" if len(times) == 1 else f"t = {first} … {last}"
