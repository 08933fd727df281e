"""The small graph inside a planned scan: the one step that its plan runs T times, drawn inside its node.

The node is one recorded operation; what is drawn in it stands for no other. States go out on the right and come in
again on the left.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tinygrad_rnn.draw.graph import Graph, Leaf, Operation
from tinygrad_rnn.draw.layered import lay_out
from tinygrad_rnn.draw.scene import Box, LineKind, Point
from tinygrad_rnn.draw.setting import set_out
from tinygrad_rnn.draw.style import block_size, family, label
from tinygrad_rnn.draw.templates import of_step
from tinygrad_rnn.draw.tile import TRACK, Block, Route, Step, Tile, Wire, short, tidy
from tinygrad_rnn.scan.tape import Ref

if TYPE_CHECKING:
    from tinygrad_rnn.scan.tape import Tape

NAME = "planned_scan"
EDGE, HEAD = 12.0, 22.0  # inside the border of the node; for its label


class Part(NamedTuple):
    """Something in the node: its words, family and place, measured from the node's lower left corner."""

    lines: tuple[str, ...]
    family: str
    box: Box


class Inside(NamedTuple):
    """All that is drawn in a node, and how large that is."""

    width: float
    height: float
    parts: tuple[Part, ...]
    lines: tuple[Inner, ...]


class Inner(NamedTuple):
    """A line in the node, from one part to another; None is the node itself."""

    tail: int | None
    head: int | None
    kind: LineKind
    route: Route


def is_planned(node: object) -> bool:
    """Whether a node of the graph is a planned scan."""
    return isinstance(node, Operation) and node.op == NAME


def steps_of(node: Operation) -> int:
    """T: how often the plan runs its step."""
    return int(node.params["loan"].run.T)


def tape_of(node: Operation) -> Tape:
    """The step."""
    return node.params["loan"].planned.tape  # type: ignore[no-any-return]


def cell_of(node: Operation) -> str:
    """The name of the cell, if a template has one; else that of the module, if there is one."""
    tape = tape_of(node)
    found = of_step(step_of(tape, [()] * len(tape.inputs)))
    return found.template.name if found else str(node.scope[-1]) if node.scope else "scan"


def inside(graph: Graph, node: Operation) -> Inside:
    """The small graph of a planned scan."""
    tape = tape_of(node)
    names = [tuple(label(graph.nodes[s], [])[:1]) if isinstance(graph.nodes[s], Leaf) else ("…",) for s in node.inputs]
    step = step_of(tape, names)
    found = of_step(step)
    tile = lay_out(step) if found is None else set_out(step, found)
    return Drawing(tape, step, tile, words(tape, names), found.states.get("$c") if found else None).result()


def words(tape: Tape, names: Sequence[tuple[str, ...]]) -> list[list[tuple[tuple[str, ...], str]]]:
    """For each call of the tape (lines, family) of itself, then of its chips."""
    own = tape.states + tape.xs
    found = []
    for call in tape.calls:
        operation = Operation(call.op.name, tuple(range(len(call.operands))), call.params, (), (), "", "")
        chips: list[tuple[tuple[str, ...], str]] = []
        for operand in call.operands:
            if type(operand) is Ref and own <= operand < len(tape.inputs):
                chips.append((names[operand], "parameter"))
            elif type(operand) is not Ref and operand is not None:
                chips.append(((str(operand) if not getattr(operand, "ndim", 0) else "…",), "constant"))
        found.append([(tuple(label(operation, [operation])), family(operation)), *chips[:2]])
    return found


def step_of(tape: Tape, names: Sequence[tuple[str, ...]]) -> Step:
    """The step as a tile is made from."""
    first = len(tape.inputs)
    blocks, wires = [], []
    for k, (call, said) in enumerate(zip(tape.calls, words(tape, names), strict=True)):
        (lines, kind), *chips = said
        width, height = block_size(lines, kind)
        sizes = [block_size(*chip) for chip in chips]
        blocks.append(Block(width, height, kind == "pointwise" and len(lines) == 1, *[*sizes, None, None][:2]))
        for slot, operand in enumerate(call.operands):
            if type(operand) is not Ref or tape.states + tape.xs <= operand < first:
                continue
            if operand >= first:
                wires.append(Wire(k, slot, source=operand - first))
            else:
                wires.append(Wire(k, slot, state=int(operand) if operand < tape.states else None))
    right = tuple(sorted({number - first for number in tape.outputs[:-1] if number >= first}))
    top = tuple({number - first for number in tape.outputs[-1:] if number >= first})
    ties = tuple((k, number - first) for k, number in enumerate(tape.outputs[:-1]) if number >= first)
    return Step(tuple(call.op.name for call in tape.calls), tuple(blocks), tuple(wires), right, top, ties)


class Drawing:
    """The inside of one node in the making."""

    def __init__(
        self, tape: Tape, step: Step, tile: Tile, said: list[list[tuple[tuple[str, ...], str]]], memory: Hashable
    ) -> None:
        self.tape, self.step, self.tile, self.said, self.memory = tape, step, tile, said, memory
        self.side = EDGE + TRACK * tape.states  # for states on their way back
        self.height = EDGE + tile.height + self.side + HEAD

    def result(self) -> Inside:
        """Parts and lines."""
        parts: list[Part] = []
        lines: list[Inner] = []
        for (said, *_), box in zip(self.said, self.tile.boxes, strict=True):
            parts.append(Part(*said, self.moved(box)))
        for (k, side), box in self.tile.chips.items():
            chips = self.said[k][1:]
            parts.append(Part(*chips[-1 if side == "over" else 0], self.moved(box)))
            lines.append(Inner(len(parts) - 1, k, "data", short(parts[-1].box, parts[k].box)))
        for wire in self.step.wires:
            route = self.path(self.tile.routes[wire.block, wire.slot])
            if wire.source is not None:
                lines.append(Inner(wire.source, wire.block, "data", route))
            elif wire.state is None:
                lines.append(Inner(None, wire.block, "data", tidy([(route[0][0], 0.0), *route])))
            else:
                lines.append(self.back(int(str(wire.state)), wire.block, route))
        for k in self.step.top:
            route = self.path(self.tile.top[k])
            lines.append(Inner(k, None, "data", tidy([*route, (route[-1][0], self.height)])))
        return Inside(2 * self.side + self.tile.width, self.height, tuple(parts), tuple(lines))

    def back(self, state: int, block: int, route: Route) -> Inner:
        """The line of a state from where it is made to where the next step uses it."""
        source = self.tape.outputs[state] - len(self.tape.inputs)
        kind: LineKind = "memory" if state == self.memory else "state"
        if source < 0:
            return Inner(None, block, kind, tidy([(0.0, route[0][1]), *route]))
        out = self.path(self.tile.right[source])
        aside = EDGE / 2 + TRACK * state
        right, top = out[-1][0] + aside, EDGE + self.tile.height + aside
        left = route[0][0] - aside
        corners: list[Point] = [(right, out[-1][1]), (right, top), (left, top), (left, route[0][1])]
        return Inner(source, block, kind, tidy([*out, *corners, *route]))

    def moved(self, box: Box) -> Box:
        """A box of the tile, in the node."""
        return Box(box.x + self.side, box.y + EDGE, box.width, box.height)

    def path(self, route: Route) -> Route:
        """A route of the tile, in the node."""
        return tuple((x + self.side, y + EDGE) for x, y in route)
