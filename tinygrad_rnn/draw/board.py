"""A picture with a time axis: tiles side by side, lanes on top of each other, and what has no time step in the gaps.

Time runs from left to right in columns. A lane is a row of tiles, one a column. Between columns run the *aisles* and
between lanes the gaps: a gap holds rows of items and channels for the lines that turn there. An item that touches
several columns, such as the product with all inputs or the stack of all outputs, is a *bar* along time, so that each
line to or from it runs straight.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tinygrad_rnn.draw.channel import mean
from tinygrad_rnn.draw.layered import Vertex, spread
from tinygrad_rnn.draw.order import sorted_up
from tinygrad_rnn.draw.tile import CHANNEL, LEAD, TRACK, Block, Route, Tile

AISLE = 30.0  # between two columns
HEAD = 18.0  # for the title over a tile
PAD = 8.0  # inside the frame of a tile
ROW = 14.0  # of a channel between two rows, without tracks
OVERHANG = 16.0  # of a bar over the first and last line that it touches


class Place(NamedTuple):
    """An end of a line: an item in a gap, or a port of a tile; ``port`` says which."""

    gap: int = -1
    item: int = -1
    lane: int = -1
    column: int = -1
    port: tuple[str, int, int] = ("", 0, 0)  # of a tile: ("top", block, _), ("right", block, _), ("in", block, slot)


class Cable(NamedTuple):
    """A line to be routed."""

    source: Place
    target: Place


@dataclass
class Shelf:
    """An item in a gap."""

    item: int
    block: Block
    row: int = 0
    column: int | None = None  # an input of one column, right under its lane
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    ends: list[float] = field(default_factory=list)  # where lines from and to columns meet it
    below: list[float] = field(default_factory=list)  # those of them that come from below
    bar: bool = False  # it stretches along time

    @property
    def reach(self) -> tuple[float, float]:
        """The least and the greatest x, with chips."""
        left = LEAD + self.block.under[0] if self.block.under else 0.0
        right = LEAD + self.block.over[0] if self.block.over else 0.0
        return self.x - self.width / 2 - left, self.x + self.width / 2 + right


def hurdles(s: Shelf) -> list[tuple[float, float]]:
    """From where to where no line should pass: an item with its chips; of a bar, only these."""
    left, right = s.reach
    if not s.bar:
        return [(left, right)]
    ends = s.x - s.width / 2, s.x + s.width / 2
    return [(a, b) for a, b in ((left, ends[0]), (ends[1], right)) if a < b]


@dataclass
class Gap:
    """The rows of one gap from the bottom up; channel k is below row k, the last one above all."""

    rows: list[list[Shelf]] = field(default_factory=list)
    tracks: dict[int, int] = field(default_factory=dict)  # how many there are in each channel that lines cross
    bottom: list[float] = field(default_factory=list)  # of each channel


class Board:
    """The places of everything, from tiles, items between them, and what connects them.

    ``tiles`` has one for each lane and column where there is anything; a lane with direction -1 runs from right to
    left, and its tiles are mirrored. ``margins`` are widths to be kept free in the aisles, and ``left`` left of all.
    """

    def __init__(
        self,
        tiles: Mapping[tuple[int, int], Tile],
        directions: Sequence[int],
        columns: int,
        *,
        shelves: Mapping[int, list[Shelf]],
        cables: Sequence[Cable],
        margins: Mapping[int, float],
        left: float,
    ) -> None:
        self.tiles, self.directions, self.columns = tiles, directions, columns
        self.lanes = len(directions)
        self.margins, self.left = margins, left
        self.shelf = {s.item: s for found in shelves.values() for s in found}
        self.gap_of = {s.item: k for k, found in shelves.items() for s in found}
        self.gaps = [Gap() for _ in range(self.lanes + 1)]
        self.feeds: dict[int, list[Cable]] = {}  # cables by the items in gaps at their ends
        for cable in cables:
            for end in (cable.source, cable.target):
                if end.item >= 0:
                    self.feeds.setdefault(end.item, []).append(cable)
        self.entering: dict[int, list[Cable]] = {}
        for cable in cables:
            if cable.target.lane >= 0 and cable.source.port[0] != "right":
                self.entering.setdefault(cable.target.lane, []).append(cable)
        self.touched = {i: [b if a.item == i else a for a, b in found] for i, found in self.feeds.items()}
        self.inner: dict[tuple[int, int, tuple[str, int, int]], Route] = {}
        self.stack_rows(shelves)
        self.column_width, self.lane_height = [40.0] * columns, [0.0] * self.lanes
        for (lane, column), tile in tiles.items():
            self.column_width[column] = max(self.column_width[column], tile.width)
            self.lane_height[lane] = max(self.lane_height[lane], tile.height)
        self.aisle = [AISLE + margins.get(c, 0.0) for c in range(columns + 1)]
        self.x: list[float] = []  # of the left edge of each column
        self.y: list[float] = []  # of the bottom of each lane's tiles
        self.put_columns()
        self.put_rows()

    # ------------------------------------------------------------------------------------------------ rows of a gap

    def stack_rows(self, shelves: Mapping[int, list[Shelf]]) -> None:
        """Put each item of a gap above those it gets inputs from; bars have rows of their own, inputs the top one."""
        for k, found in shelves.items():
            level = self.levels(found)
            rows: dict[tuple[int, int, int], list[Shelf]] = {}
            for n, s in enumerate(found):
                s.bar = s.column is None and len({end.column for end in self.touched.get(s.item, ())} - {-1}) > 1
                key = (1, 0, 0) if s.column is not None else (0, level[s.item], n - len(found) if s.bar else 0)
                rows.setdefault(key, []).append(s)
            self.gaps[k].rows = [rows[key] for key in sorted(rows)]
            for r, row in enumerate(self.gaps[k].rows):
                for s in row:
                    s.row = r

    def levels(self, found: Sequence[Shelf]) -> dict[int, int]:
        """How high each item of a gap stands: above its inputs, or under its uses, if nothing below feeds it."""
        inside = {s.item for s in found}
        edges = [(c.source.item, c.target.item) for i in inside for c in self.feeds.get(i, [])]
        edges = [(a, b) for a, b in edges if a in inside and b in inside]
        order = sorted_up([s.item for s in found], edges)
        into: dict[int, list[int]] = {i: [a for a, b in edges if b == i] for i in order}
        uses: dict[int, list[int]] = {i: [b for a, b in edges if a == i] for i in order}
        level: dict[int, int] = {}
        fed: set[int] = set()
        for i in order:
            level[i] = max((level[a] + 1 for a in into[i]), default=0)
            outside = any(c.target.item == i and c.source.item not in inside for c in self.feeds.get(i, []))
            if outside or not fed.isdisjoint(into[i]):
                fed.add(i)
        for i in reversed(order):
            if i not in fed:
                level[i] = min((level[b] - 1 for b in uses[i]), default=len(order))
        return level

    # ------------------------------------------------------------------------------------------------------- places

    def put_columns(self) -> None:
        """The left edge of each column, and the x of all that follows from it."""
        self.x, x = [], self.left
        for c, width in enumerate(self.column_width):
            x += self.aisle[c]
            self.x.append(x)
            x += width
        self.width = x + self.aisle[self.columns]
        self.put_shelves()

    def tile_left(self, lane: int, column: int) -> float:
        """The left edge of a tile, which stands in the middle of its column."""
        return self.x[column] + (self.column_width[column] - self.tiles[lane, column].width) / 2

    def inside(self, place: Place) -> Route:
        """The part of a line that is inside a tile, from the tile's lower left corner."""
        tile, direction = self.tiles[place.lane, place.column], self.directions[place.lane]
        key = id(tile), direction, place.port
        if key not in self.inner:
            kind, block, slot = place.port
            route = {"top": tile.top, "right": tile.right}[kind][block] if kind != "in" else tile.routes[block, slot]
            self.inner[key] = route if direction > 0 else tuple((tile.width - x, y) for x, y in route)
        return self.inner[key]

    def port_x(self, place: Place) -> float:
        """Where a line passes the lower or upper border of a tile."""
        end = self.inside(place)[-1 if place.port[0] == "top" else 0]
        return self.tile_left(place.lane, place.column) + end[0]

    def put_shelves(self) -> None:
        """The x of every item in a gap, and the widths of bars."""
        middle = (self.x[0] + self.x[-1] + self.column_width[-1]) / 2 if self.x else 0.0
        rows = [row for gap in self.gaps for row in gap.rows]
        for s in self.shelf.values():
            s.ends = [self.port_x(end) for end in self.touched.get(s.item, ()) if end.column >= 0]
            s.below = [self.port_x(c.source) for c in self.feeds.get(s.item, ()) if c.source.column >= 0]
            s.width = s.block.width
            s.x = mean(s.ends) if s.ends else middle
            if s.bar:
                left, right = min(s.ends) - OVERHANG, max(s.ends) + OVERHANG
                s.x, s.width = (left + right) / 2, max(right - left, s.block.width)
        for upwards in (True, False):  # above what feeds it; what nothing feeds, under what it feeds
            for row in rows if upwards else reversed(rows):
                for s in row:
                    near = [(c.source if upwards else c.target).item for c in self.feeds.get(s.item, ())]
                    near = [item for item in near if item not in {s.item, -1}]
                    fed = any(c.target.item == s.item for c in self.feeds.get(s.item, ()))
                    if near and not s.ends and (upwards or not fed):
                        s.x = mean([self.shelf[item].x for item in near])
                apart(row)
        for lane, gap in enumerate(self.gaps):
            for row in gap.rows[-1:]:
                if row[0].column is not None:
                    avoid(row, [self.port_x(cable.target) for cable in self.passing(lane)])

    def passing(self, lane: int) -> list[Cable]:
        """The lines that come into a lane's tiles from below the row of its inputs."""
        found = self.entering.get(lane, [])
        return [c for c in found if c.source.item < 0 or self.shelf[c.source.item].column is None]

    def put_rows(self) -> None:
        """The y of lanes and of the rows between."""
        y, self.y = 0.0, []
        for k, gap in enumerate(self.gaps):
            gap.bottom = []
            for r in range(len(gap.rows) + 1):
                gap.bottom.append(y)
                if r in gap.tracks or 0 < r < len(gap.rows):
                    count = gap.tracks.get(r, 0)
                    y += CHANNEL * 0.6 + TRACK * count if count else ROW
                if r < len(gap.rows):
                    blocks = [s.block for s in gap.rows[r]]
                    height = max(h for b in blocks for h in (b.height, *(c[1] for c in (b.under, b.over) if c)))
                    for s in gap.rows[r]:
                        s.y = y + height / 2
                    y += height
            if k < self.lanes:
                self.y.append(y + PAD)
                y += self.lane_height[k] + 2 * PAD + HEAD
        self.height = y


def avoid(row: Sequence[Shelf], lines: Sequence[float]) -> None:
    """Move inputs aside from lines that pass them, and from each other, looking from left to right."""
    lines, edge = sorted(lines), float("-inf")
    for s in sorted(row, key=lambda s: s.x):
        reach = s.width / 2 + 6
        s.x = max(s.x, edge + reach)
        for x in lines[bisect_left(lines, s.x - reach) :]:
            if x >= s.x + reach:
                break
            s.x = max(s.x, x + reach)
        edge = s.x + s.width / 2


def apart(row: Sequence[Shelf]) -> None:
    """Move the items of a row so far that they don't overlap; bars and inputs of columns stay."""
    free = sorted(row, key=lambda s: s.x)
    marks = []
    for s in free:
        left, right = s.reach
        marks.append(Vertex(0, below=s.x - left + 8, above=right - s.x + 8))
    spread(marks, [s.x for s in free])
    for s, mark in zip(free, marks, strict=True):
        s.x = mark.y
