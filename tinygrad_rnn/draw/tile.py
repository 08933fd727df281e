"""A tile: one time step of one lane, laid out.

The same step has the same tile at each time, so a long unrolled network costs as much to lay out as one step of it. A
tile says where its blocks stand and how its lines run, those that come in or go out as far as the tile's border:
*states* come in from the left and go out to the right, the rest comes from below and goes out at the top.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from tinygrad_rnn.draw.scene import Box, Point

Route: TypeAlias = tuple[Point, ...]

LEAD = 14.0  # from a chip to its block
TRACK = 8.0  # between two tracks of a channel
CHANNEL = 26.0  # the width of a channel with one track: an arrow's head and two bends


class Block(NamedTuple):
    """What is to be placed: its size, whether it is round, and the sizes of the chips under and over it."""

    width: float
    height: float
    round: bool = False
    under: tuple[float, float] | None = None
    over: tuple[float, float] | None = None


class Wire(NamedTuple):
    """An input of a block: from another block (its number), or from outside, through the border on the left or below.

    ``state`` says which state it is; uses of one state come in as one line.
    """

    block: int
    slot: int
    source: int | None = None
    state: Hashable | None = None


@dataclass(frozen=True)
class Step:
    """What a tile is made from. States tied to a block are what the step before sends out of that block."""

    ops: tuple[str, ...]
    blocks: tuple[Block, ...]
    wires: tuple[Wire, ...]
    right: tuple[int, ...] = ()  # blocks whose results go out as states
    top: tuple[int, ...] = ()  # blocks whose results go out at the top
    ties: tuple[tuple[Hashable, int], ...] = ()  # (state, block)


@dataclass
class Tile:
    """Places and routes; the lower left corner of the tile is (0, 0)."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    chips: dict[tuple[int, str], Box] = field(default_factory=dict)  # (block, "under" or "over")
    routes: dict[tuple[int, int], Route] = field(default_factory=dict)  # (block, slot): from the source or the border
    right: dict[int, Route] = field(default_factory=dict)  # block: to the border
    top: dict[int, Route] = field(default_factory=dict)


def tidy(corners: Sequence[Point]) -> Route:
    """A route without the corners at which it doesn't turn."""
    found: list[Point] = []
    for point in corners:
        if found and abs(point[0] - found[-1][0]) + abs(point[1] - found[-1][1]) < 1e-6:
            continue
        if len(found) > 1:
            (ax, ay), (bx, by) = found[-2:]
            if abs((bx - ax) * (point[1] - by) - (by - ay) * (point[0] - bx)) < 1e-6:
                found.pop()
        found.append(point)
    return tuple(found)


def short(a: Box, b: Box) -> Route:
    """The straight line between two boxes that are beside each other or on top of each other."""
    if abs(a.x - b.x) < 1:
        return ((a.x, a.top), (a.x, b.bottom)) if a.y < b.y else ((a.x, a.bottom), (a.x, b.top))
    return ((a.right, a.y), (b.left, a.y)) if a.x < b.x else ((a.left, a.y), (b.right, a.y))
