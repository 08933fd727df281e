"""A template filled in: blocks on its grid, and lines by its turns."""

from __future__ import annotations

from collections.abc import Mapping

from tinygrad_rnn.draw.scene import Box, Point
from tinygrad_rnn.draw.templates import STATES, Match
from tinygrad_rnn.draw.tile import LEAD, Block, Route, Step, Tile, tidy

COLUMN, ROW = 24.0, 18.0  # between the columns and rows of a grid
EDGE = 26.0  # to the left and right of them


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
