"""The looks of the best-known cells, as textbooks draw them: where each of their operations stands.

A *pattern* lists the operations of one step with their inputs: other operations by their names, ``$h`` and ``$c`` for
states, ``^`` for what comes from below; parameters and constants are left out. A step that has exactly these
operations and inputs is drawn by the template, any other in the general way. Operations stand on a grid, whose columns
and rows are as wide and high as what stands in them, and a line is said by its turns: ``H`` goes straight to the right,
``V`` straight up or down, ``HV`` first to the right and then up or down.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from tinygrad_rnn.draw.graph import Graph, Operation
from tinygrad_rnn.draw.scene import Box, Point
from tinygrad_rnn.draw.tile import LEAD, Block, Route, Step, Tile, tidy

COMMUTE = frozenset({"add", "mul"})
STATES = frozenset({"$h", "$c"})
COLUMN, ROW = 24.0, 18.0  # between the columns and rows of a grid
EDGE = 26.0  # to the left and right of them


class Role(NamedTuple):
    """One operation of a pattern: its inputs, its place on the grid, and how each input comes in."""

    op: str
    inputs: tuple[str, ...]
    at: tuple[float, float]  # column, row
    turns: tuple[str, ...]


@dataclass(frozen=True)
class Template:
    """One cell: its operations by their names, inputs before uses, and the ways out of a step."""

    name: str
    roles: Mapping[str, Role]
    height: Mapping[str, float]  # the row on which each state comes in and goes out
    out: Mapping[str, tuple[str, str]]  # of each state: the operation that makes it, and its turns
    top: tuple[str, str, float]  # of the result: the operation, its turns, and the column in which it goes up
    free: tuple[str, str]  # an operation, and the side on which its chip needs no room of its own
    beside: tuple[str, str]  # the sides for the chips of an operation into which a line comes from below


RNN = Template(
    "RNN",
    MappingProxyType({
        "x": Role("getitem", ("^",), (0, 0), ("V",)),
        "a": Role("linear", ("$h", "x"), (0, 1), ("H", "V")),
        "h": Role("tanh", ("a",), (1, 1), ("H",)),
    }),
    height=MappingProxyType({"$h": 1}),
    out=MappingProxyType({"$h": ("h", "H")}),
    top=("h", "HV", 2),
    free=("a", "over"),
    beside=("right", "left"),
)  # fmt: skip

LSTM = Template(
    "LSTM",
    MappingProxyType({
        "x": Role("getitem", ("^",), (0, 0), ("V",)),
        "a": Role("linear", ("$h", "x"), (0, 1), ("H", "V")),
        "f_": Role("getitem", ("a",), (1, 2), ("HV",)),
        "i_": Role("getitem", ("a",), (2, 2), ("HV",)),
        "g_": Role("getitem", ("a",), (3, 2), ("HV",)),
        "o_": Role("getitem", ("a",), (4, 2), ("HV",)),
        "f": Role("sigmoid", ("f_",), (1, 3), ("V",)),
        "i": Role("sigmoid", ("i_",), (2, 3), ("V",)),
        "g": Role("tanh", ("g_",), (3, 3), ("V",)),
        "o": Role("sigmoid", ("o_",), (4, 3), ("V",)),
        "keep": Role("mul", ("f", "$c"), (1, 6), ("V", "H")),
        "new": Role("mul", ("i", "g"), (3, 4), ("VH", "V")),
        "c": Role("add", ("keep", "new"), (3, 6), ("H", "V")),
        "seen": Role("tanh", ("c",), (5, 5), ("HV",)),
        "h": Role("mul", ("o", "seen"), (5, 4), ("VH", "V")),
    }),
    height=MappingProxyType({"$h": 1, "$c": 6}),
    out=MappingProxyType({"$h": ("h", "VH"), "$c": ("c", "H")}),
    top=("h", "HV", 6),
    free=("a", "over"),
    beside=("right", "left"),
)  # fmt: skip

GRU = Template(
    "GRU",
    MappingProxyType({
        "x": Role("getitem", ("^",), (0, 0), ("V",)),
        "x_rz": Role("getitem", ("x",), (1, 1), ("HVH",)),
        "x_n": Role("getitem", ("x",), (1, 0), ("H",)),
        "a": Role("linear", ("$h",), (0, 3), ("HVH",)),
        "h_rz": Role("getitem", ("a",), (1, 2), ("HVH",)),
        "h_n": Role("getitem", ("a",), (1, 3), ("H",)),
        "rz_": Role("add", ("x_rz", "h_rz"), (2, 2), ("HV", "H")),
        "rz": Role("sigmoid", ("rz_",), (3, 2), ("H",)),
        "r": Role("getitem", ("rz",), (4, 2), ("H",)),
        "z": Role("getitem", ("rz",), (4, 1), ("HVH",)),
        "reset": Role("mul", ("r", "h_n"), (5, 3), ("HV", "H")),
        "n_": Role("add", ("x_n", "reset"), (6, 3), ("HV", "H")),
        "n": Role("tanh", ("n_",), (7, 3), ("H",)),
        "off": Role("sub", ("$h", "n"), (8, 4), ("H", "HV")),
        "part": Role("mul", ("z", "off"), (9, 4), ("HV", "H")),
        "h": Role("add", ("n", "part"), (10, 4), ("HV", "H")),
    }),
    height=MappingProxyType({"$h": 4}),
    out=MappingProxyType({"$h": ("h", "H")}),
    top=("h", "HV", 11),
    free=("a", "under"),
    beside=("left", "over"),
)  # fmt: skip


def fed(template: Template, *, bias: bool) -> Template:
    """The same cell when it is called with x, and multiplies it in the step itself; with ``bias``, by b_ih + b_hh."""
    x = Role("linear", ("^", "b") if bias else ("^",), template.roles["x"].at, ("V", "H"))
    roles = {**({"b": Role("add", (), (-1, x.at[1]), ())} if bias else {}), **template.roles, "x": x}
    return replace(template, roles=roles)


TEMPLATES = tuple(
    form
    for template in (RNN, LSTM, GRU)
    for form in (template, fed(template, bias=False), *([] if template is GRU else [fed(template, bias=True)]))
)


class Match(NamedTuple):
    """How a step plays a template: the operation (its number in the step) of each role, and what each state is."""

    template: Template
    played: Mapping[str, int]
    states: Mapping[str, Hashable]


Inputs = Sequence[tuple[str, Hashable]]  # ("local", operation), ("state", which), ("below", which), ("leaf", which)


def match(ops: Sequence[str], inputs: Sequence[Inputs]) -> Match | None:
    """The template of a step with these operations; None if there is none.

    ``inputs`` has those of each operation but for parameters and constants. A *leaf* may be a state or come from below.

    >>> match(["linear", "tanh"], [[("state", "h"), ("below", 0)], [("local", 0)]]) is None
    True
    >>> match(
    ...     ["getitem", "linear", "tanh"], [[("below", 0)], [("leaf", 1), ("local", 0)], [("local", 1)]]
    ... ).template.name
    'RNN'
    """
    for template in TEMPLATES:
        if sorted(ops) == sorted(role.op for role in template.roles.values()):
            found = next(plays(template, ops, inputs, {}, {}), None)
            if found is not None:
                return found
    return None


def plays(
    template: Template,
    ops: Sequence[str],
    inputs: Sequence[Inputs],
    played: dict[str, int],
    states: dict[str, Hashable],
) -> Iterator[Match]:
    """Every way to give the roles that are still free to operations that nobody plays."""
    if len(played) == len(template.roles):
        yield Match(template, played, states)
        return
    name, role = list(template.roles.items())[len(played)]
    taken = set(played.values())
    for k, op in enumerate(ops):
        if op != role.op or k in taken or len(inputs[k]) != len(role.inputs):
            continue
        orders = [inputs[k], inputs[k][::-1]] if op in COMMUTE else [inputs[k]]
        for order in orders:
            bound = fits(role, order, played, states)
            if bound is not None:
                yield from plays(template, ops, inputs, {**played, name: k}, bound)


def fits(
    role: Role, given: Inputs, played: Mapping[str, int], states: dict[str, Hashable]
) -> dict[str, Hashable] | None:
    """What the states are, if the inputs given are those of the role; else None."""
    bound = dict(states)
    for wanted, (kind, which) in zip(role.inputs, given, strict=True):
        if wanted in STATES:
            if kind not in {"state", "leaf"} or bound.setdefault(wanted, which) != which:
                return None
        elif wanted == "^":
            if kind not in {"below", "leaf"}:
                return None
        elif (kind, which) != ("local", played[wanted]):
            return None
    return bound


def of_step(step: Step) -> Match | None:
    """The template of a step, if one has a place for all that comes in and goes out."""
    inputs: list[list[tuple[str, Hashable]]] = [[] for _ in step.blocks]
    for wire in step.wires:
        kind = "local" if wire.source is not None else "below" if wire.state is None else "state"
        inputs[wire.block].append((kind, {"local": wire.source, "below": None, "state": wire.state}[kind]))
    found = match(step.ops, inputs)
    if found is None:
        return None
    ways = {found.played[name] for name, _ in found.template.out.values()}
    up = found.played[found.template.top[0]]
    return found if ways >= set(step.right) and {up} >= set(step.top) else None


def of_operations(graph: Graph, time: Mapping[int, Hashable], step: Sequence[int]) -> Match | None:
    """The same for the recorded operations of one step, at these positions in the graph."""
    number = {i: k for k, i in enumerate(step)}
    inputs: list[list[tuple[str, Hashable]]] = []
    for i in step:
        inputs.append([])
        for s in graph.nodes[i].inputs:  # type: ignore[union-attr]
            node = graph.nodes[s]
            if s in number:
                inputs[-1].append(("local", number[s]))
            elif isinstance(node, Operation):
                inputs[-1].append(("state" if s in time and time[s] != time[i] else "below", s))
            elif node.kind == "input":
                inputs[-1].append(("leaf", s))
    return match([graph.nodes[i].op for i in step], inputs)  # type: ignore[union-attr]


def set_out(step: Step, found: Match) -> Tile:
    """The tile of a step that plays a template."""
    return Setting(step, found).tile


class Setting:
    """One template filled in."""

    def __init__(self, step: Step, found: Match) -> None:
        self.step, self.found, self.template = step, found, found.template
        roles = self.template.roles
        self.blocks = {name: self.turned(name, step.blocks[found.played[name]]) for name in roles}
        self.x = grid({name: (role.at[0], *self.across(name)) for name, role in roles.items()}, COLUMN, EDGE)
        self.y = grid({name: (role.at[1], *self.upright(name)) for name, role in roles.items()}, ROW, 8.0)
        self.boxes = {
            name: Box(self.x[role.at[0]], self.y[role.at[1]], self.blocks[name].width, self.blocks[name].height)
            for name, role in roles.items()
        }
        last = self.template.top[2]
        self.x[last] = (
            max(self.x.values())
            + max(box.width for box in self.boxes.values() if box.x == max(self.x.values())) / 2
            + COLUMN
        )
        top = max(
            box.top + (LEAD + b.over[1] if b.over else 0)
            for box, b in zip(self.boxes.values(), self.blocks.values(), strict=True)
        )
        self.tile = Tile(self.x[last] + 14.0, top + 8.0)
        self.tile.boxes = [self.boxes[name] for name in sorted(roles, key=lambda name: found.played[name])]
        self.put_chips()
        self.put_routes()

    def turned(self, name: str, block: Block) -> Block:
        """A block with its only chip on the side that is free."""
        if (name, "over") == self.template.free and block.under and not block.over:
            return block._replace(under=None, over=block.under)
        return block

    def side(self, name: str, chip: str) -> str:
        """Where a chip stands: under or over its block, but beside it where a line comes in from below."""
        if "^" not in self.template.roles[name].inputs:
            return chip
        return self.template.beside[chip == "over"]

    def room(self, name: str, side: str) -> tuple[float, float]:
        """The size of the chip on one side of a block, with the line that leads to it."""
        block = self.blocks[name]
        for chip, size in (("under", block.under), ("over", block.over)):
            if size and self.side(name, chip) == side:
                return size[0] + LEAD, size[1] + LEAD
        return 0.0, 0.0

    def across(self, name: str) -> tuple[float, float]:
        """How far a block with its chips reaches to the left and to the right."""
        half = self.blocks[name].width / 2
        over = max(self.room(name, side)[0] - LEAD for side in ("under", "over")) / 2
        return max(half + self.room(name, "left")[0], over), max(half + self.room(name, "right")[0], over)

    def upright(self, name: str) -> tuple[float, float]:
        """How far a block with its chips reaches down and up."""
        half, free = self.blocks[name].height / 2, self.template.free
        under, over = (0.0 if (name, side) == free else self.room(name, side)[1] for side in ("under", "over"))
        return half + under, half + over

    def put_chips(self) -> None:
        """Chips on the sides of their operations."""
        ways = {"under": (0, -1), "over": (0, 1), "left": (-1, 0), "right": (1, 0)}
        for name, block in self.blocks.items():
            box = self.boxes[name]
            for chip, size in (("under", block.under), ("over", block.over)):
                if size:
                    x, y = ways[self.side(name, chip)]
                    away = (block.width + size[0]) / 2 + LEAD, (block.height + size[1]) / 2 + LEAD
                    self.tile.chips[self.found.played[name], chip] = Box(
                        box.x + x * away[0], box.y + y * away[1], *size
                    )

    def put_routes(self) -> None:
        """The lines of all inputs, and those that go out."""
        of = {number: name for name, number in self.found.played.items()}
        for wire in self.step.wires:
            name = of[wire.block]
            role, box = self.template.roles[name], self.boxes[name]
            if wire.source is not None:
                wanted = of[wire.source]
                turns = role.turns[role.inputs.index(wanted)]
                self.tile.routes[wire.block, wire.slot] = self.line(self.boxes[wanted], box, turns)
            elif wire.state is not None:
                wanted = next(s for s in role.inputs if s in STATES)
                y = self.y[self.template.height[wanted]]
                turns = role.turns[role.inputs.index(wanted)]
                start = Box(0.0, y, 0.0, 0.0)
                self.tile.routes[wire.block, wire.slot] = self.line(start, box, turns)
            else:
                self.tile.routes[wire.block, wire.slot] = ((box.x, 0.0), (box.x, box.bottom))
        for state, (name, turns) in self.template.out.items():
            end = Box(self.tile.width, self.y[self.template.height[state]], 0.0, 0.0)
            self.tile.right[self.found.played[name]] = self.line(self.boxes[name], end, turns)
        name, turns, column = self.template.top
        end = Box(self.x[column], self.tile.height, 0.0, 0.0)
        self.tile.top[self.found.played[name]] = self.line(self.boxes[name], end, turns)

    def line(self, a: Box, b: Box, turns: str) -> Route:
        """The corners of a line from ``a`` to ``b``."""
        up = b.y > a.y
        corners: list[Point]
        if turns == "H":
            corners = [(a.right, b.y), (b.left, b.y)]
        elif turns == "V":
            corners = [(b.x, a.top), (b.x, b.bottom)] if up else [(b.x, a.bottom), (b.x, b.top)]
        elif turns == "HV":
            corners = [(a.right, a.y), (b.x, a.y), (b.x, b.bottom if up else b.top)]
        elif turns == "VH":
            corners = [(a.x, a.top if up else a.bottom), (a.x, b.y), (b.left, b.y)]
        else:
            middle = (0.0 if a.width == 0 else min(c.left for c in self.boxes.values() if c.x == b.x) - COLUMN) + 11.0
            corners = [(a.right, a.y), (middle, a.y), (middle, b.y), (b.left, b.y)]
        return tidy(corners)


def grid(members: Mapping[str, tuple[float, float, float]], gap: float, start: float) -> dict[float, float]:
    """Where each column, or row, is: (its number, how far its members reach back and forth), side by side."""
    place: dict[float, float] = {}
    edge = start
    for number in sorted({number for number, _, _ in members.values()}):
        back = max(b for n, b, _ in members.values() if n == number)
        forth = max(f for n, _, f in members.values() if n == number)
        place[number] = edge + back
        edge += back + forth + gap
    return place
