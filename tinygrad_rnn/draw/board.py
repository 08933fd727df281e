"""A picture with a time axis: tiles side by side, lanes on top of each other, and what has no time step in the gaps.

Time runs from left to right in columns. A lane is a row of tiles, one a column. Between columns run the *aisles* and
between lanes the gaps: a gap holds rows of items and channels for the lines that turn there. An item that touches
several columns, such as the product with all inputs or the stack of all outputs, is a *bar* along time, so that each
line to or from it runs straight.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tinygrad_rnn.draw.channel import Net, mean, tracks
from tinygrad_rnn.draw.lanes import sorted_up
from tinygrad_rnn.draw.scene import Point
from tinygrad_rnn.draw.tile import CHANNEL, LEAD, TRACK, Block, Route, Tile, Vertex, spread, tidy

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
    port: Hashable = None  # of a tile: ("top", block), ("right", block), (block, slot)


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


@dataclass
class Gap:
    """The rows of one gap from the bottom up, and the channels between them: channel k is below row k."""

    rows: list[list[Shelf]] = field(default_factory=list)
    nets: list[dict[Hashable, Net]] = field(default_factory=list)
    track: list[dict[Hashable, int | None]] = field(default_factory=list)
    bottom: list[float] = field(default_factory=list)  # of each channel


class Board:
    """The places of everything and the routes of all lines, from tiles, items between them, and what connects them.

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
        self.cables = cables
        self.margins, self.left = margins, left
        self.shelf = {s.item: s for found in shelves.values() for s in found}
        self.gap_of = {s.item: k for k, found in shelves.items() for s in found}
        self.gaps = [Gap() for _ in range(self.lanes + 1)]
        self.feeds: dict[int, list[Cable]] = {}  # cables by the items in gaps at their ends
        for cable in cables:
            for end in (cable.source, cable.target):
                if end.item >= 0:
                    self.feeds.setdefault(end.item, []).append(cable)
        self.stack_rows(shelves)
        self.column_width = [
            max((tiles[lane, c].width for lane in range(self.lanes) if (lane, c) in tiles), default=40.0)
            for c in range(columns)
        ]
        self.lane_height = [
            max((t.height for (lane, _), t in tiles.items() if lane == k), default=0.0) for k in range(self.lanes)
        ]
        self.aisle = [AISLE + margins.get(c, 0.0) for c in range(columns + 1)]
        self.x: list[float] = []  # of the left edge of each column
        self.y: list[float] = []  # of the bottom of each lane's tiles
        for _ in range(2):  # the widths of aisles follow from what turns in them, and that from where columns are
            self.put_columns()
            self.put_shelves()
            self.fill_gaps()
            self.put_rows()
            self.fill_aisles()
        self.put_columns()
        self.put_shelves()
        self.routes = [self.route(cable) for cable in cables]

    # ------------------------------------------------------------------------------------------------ rows of a gap

    def stack_rows(self, shelves: Mapping[int, list[Shelf]]) -> None:
        """Put each item of a gap above those it gets inputs from; bars have rows of their own, inputs the top one."""
        for k, found in shelves.items():
            level = self.levels(found)
            rows: dict[tuple[int, int, int], list[Shelf]] = {}
            for n, s in enumerate(found):
                bar = s.column is None and len(self.touched(s)) > 1
                key = (1, 0, 0) if s.column is not None else (0, level[s.item], n - len(found) if bar else 0)
                rows.setdefault(key, []).append(s)
            self.gaps[k].rows = [rows[key] for key in sorted(rows)]
            for r, row in enumerate(self.gaps[k].rows):
                for s in row:
                    s.row = r

    def levels(self, found: Sequence[Shelf]) -> dict[int, int]:
        """How high each item of a gap stands: above its inputs, or, if nothing below the gap feeds it, under its uses."""
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

    def touched(self, s: Shelf) -> list[tuple[Cable, Place]]:
        """The lines between an item in a gap and tiles, with the tile's end."""
        found = []
        for cable in self.feeds.get(s.item, []):
            other = cable.target if cable.source.item == s.item else cable.source
            if other.column >= 0:
                found.append((cable, other))
        return found

    # ------------------------------------------------------------------------------------------------------- places

    def put_columns(self) -> None:
        """The left edge of each column."""
        self.x, x = [], self.left
        for c, width in enumerate(self.column_width):
            x += self.aisle[c]
            self.x.append(x)
            x += width
        self.width = x + self.aisle[self.columns]

    def tile_left(self, lane: int, column: int) -> float:
        """The left edge of a tile, which stands in the middle of its column."""
        return self.x[column] + (self.column_width[column] - self.tiles[lane, column].width) / 2

    def port(self, place: Place) -> Route:
        """The part of a line that is inside a tile, from a border or to it, in the board's coordinates but for y."""
        tile = self.tiles[place.lane, place.column]
        kind, block = place.port if isinstance(place.port, tuple) else ("", 0)
        route = tile.top[block] if kind == "top" else tile.right[block] if kind == "right" else tile.routes[kind, block]
        left = self.tile_left(place.lane, place.column)
        if self.directions[place.lane] < 0:
            return tuple((left + tile.width - x, y) for x, y in route)
        return tuple((left + x, y) for x, y in route)

    def port_x(self, place: Place) -> float:
        """Where a line passes the lower or upper border of a tile."""
        route = self.port(place)
        return route[-1][0] if place.port[0] == "top" else route[0][0]  # type: ignore[index]

    def put_shelves(self) -> None:
        """The x of every item in a gap, and the widths of bars."""
        middle = (self.x[0] + self.x[-1] + self.column_width[-1]) / 2 if self.x else 0.0
        for gap in self.gaps:
            for row in gap.rows:
                for s in row:
                    s.ends = [self.port_x(other) for _, other in self.touched(s)]
                    s.width = s.block.width
                    s.x = mean(s.ends) if s.ends else middle
                    if s.column is None and len(s.ends) > 1:
                        left, right = min(s.ends) - OVERHANG, max(s.ends) + OVERHANG
                        s.x, s.width = (left + right) / 2, max(right - left, s.block.width)
        rows = [row for gap in self.gaps for row in gap.rows]
        for upwards in (True, False):  # above what feeds it; what nothing feeds, under what it feeds
            for row in rows if upwards else reversed(rows):
                for s in row:
                    near = [(c.source if upwards else c.target).item for c in self.feeds.get(s.item, [])]
                    near = [item for item in near if item not in {s.item, -1}]
                    fed = any(c.target.item == s.item for c in self.feeds.get(s.item, []))
                    if near and not s.ends and (upwards or not fed):
                        s.x = mean([self.shelf[item].x for item in near])
                apart(row)

    def fill_gaps(self) -> None:
        """The nets of the channels in gaps."""
        for gap in self.gaps:
            gap.nets = [{} for _ in range(len(gap.rows) + 1)]
        for cable in self.cables:
            for k, channel, key, below, above in self.turns(cable):
                nets = self.gaps[k].nets[channel]
                net = nets.get(key, Net())
                nets[key] = Net(tuple(dict.fromkeys([*net.near, below])), tuple(dict.fromkeys([*net.far, above])))
        for gap in self.gaps:
            gap.track = []
            for nets in gap.nets:
                found, _ = tracks(list(nets.values()))
                gap.track.append(dict(zip(nets, found, strict=True)))

    def turns(self, cable: Cable) -> list[tuple[int, int, Hashable, float, float]]:
        """(gap, channel, net, x below it, x above it) where a line may turn aside on its way up."""
        source, target = cable
        if source.port and source.port[0] == "right":  # type: ignore[index]
            return self.far_turns(cable)
        low = self.gap_of[source.item] if source.item >= 0 else source.lane + 1
        high = self.gap_of[target.item] if target.item >= 0 else target.lane
        top = self.shelf[target.item].row if target.item >= 0 else len(self.gaps[high].rows)
        start, end = self.start_x(cable), self.end_x(cable)
        if low == high:
            return [(high, top, (source, start), start, end)]
        aisle = self.aisle_x(self.passage(cable), source)
        bottom = self.shelf[source.item].row + 1 if source.item >= 0 else 0
        return [(low, bottom, (source, start), start, aisle), (high, top, (source, start), aisle, end)]

    def far_turns(self, cable: Cable) -> list[tuple[int, int, Hashable, float, float]]:
        """The same for a state that goes further than to the next column."""
        source, target = cable
        out, into = self.out_aisle(source), self.in_aisle(target)
        if out == into:
            return []
        lane = target.lane
        a, b = self.aisle_x(out, source), self.aisle_x(into, source)
        return [(lane, len(self.gaps[lane].rows), source, a, b)]

    def start_x(self, cable: Cable) -> float:
        """Where a line that goes up starts."""
        if cable.source.item < 0:
            return self.port_x(cable.source)
        s = self.shelf[cable.source.item]
        return self.meeting(s, cable.target)

    def end_x(self, cable: Cable) -> float:
        """Where a line that goes up ends."""
        if cable.target.item < 0:
            return self.port_x(cable.target)
        s = self.shelf[cable.target.item]
        x = self.meeting(s, cable.source)
        if x != s.x or len(s.ends) > 1:
            return x
        into = [c.source for c in self.feeds[s.item] if c.target.item == s.item]
        if len(into) == 1:
            return s.x
        into.sort(key=lambda place: self.shelf[place.item].x if place.item >= 0 else self.port_x(place))
        gap = min(14.0, s.width / (len(into) + 1))
        return s.x + gap * (into.index(cable.source) - (len(into) - 1) / 2)

    def meeting(self, s: Shelf, other: Place) -> float:
        """Where an item in a gap is met by a line from or to ``other``: a bar right over or under it."""
        if s.column is None and len(s.ends) > 1:
            x = self.port_x(other) if other.column >= 0 else self.shelf[other.item].x
            return min(max(x, s.x - s.width / 2 + 6), s.x + s.width / 2 - 6)
        return s.x

    def passage(self, cable: Cable) -> int:
        """The aisle in which a line passes the lanes between its ends."""
        source, target = cable
        if source.column >= 0:
            return source.column + (self.directions[source.lane] > 0)
        return target.column + (self.directions[target.lane] < 0) if target.column >= 0 else 0

    def out_aisle(self, source: Place) -> int:
        """The aisle that a tile sends its states into."""
        return source.column + (self.directions[source.lane] > 0)

    def in_aisle(self, target: Place) -> int:
        """The aisle that a tile gets its states from."""
        return target.column + (self.directions[target.lane] < 0)

    def aisle_x(self, aisle: int, source: Place) -> float:
        """The x of a source's track in an aisle."""
        left = self.x[aisle] - self.aisle[aisle] if aisle < self.columns else self.width - self.aisle[aisle]
        known = self.aisle_track[aisle].get(source) if hasattr(self, "aisle_track") else None
        return left + AISLE * 0.4 + TRACK * (known or 0)

    def put_rows(self) -> None:
        """The y of lanes and of the rows between."""
        y = 0.0
        self.y = []
        for k, gap in enumerate(self.gaps):
            gap.bottom = []
            for r, nets in enumerate(gap.nets):
                gap.bottom.append(y)
                count = 1 + max((t for t in gap.track[r].values() if t is not None), default=-1)
                y += max(ROW, CHANNEL * 0.6 + TRACK * count) if nets or r else 0.0
                if r < len(gap.rows):
                    height = max(s.block.height for s in gap.rows[r])
                    for s in gap.rows[r]:
                        s.y = y + height / 2
                    y += height
            if k < self.lanes:
                self.y.append(y + PAD)
                y += self.lane_height[k] + 2 * PAD + HEAD
        self.height = y

    # ------------------------------------------------------------------------------------------------------- aisles

    def fill_aisles(self) -> None:
        """The nets of the aisles, their tracks and the widths that follow."""
        nets: list[dict[Hashable, Net]] = [{} for _ in range(self.columns + 1)]
        for cable in self.cables:
            for aisle, side, y in self.aisle_ends(cable):
                net = nets[aisle].get(cable.source, Net())
                ends = tuple(dict.fromkeys([*getattr(net, side), round(y, 2)]))
                nets[aisle][cable.source] = net._replace(**{side: ends})
        known: dict[tuple[Net, ...], tuple[list[int | None], int]] = {}
        self.aisle_track: list[dict[Hashable, int | None]] = []
        for aisle, here in enumerate(nets):
            form = tuple(here.values())
            if form not in known:
                known[form] = tracks(form)
            found, count = known[form]
            self.aisle_track.append(dict(zip(here, found, strict=True)))
            self.aisle[aisle] = AISLE + TRACK * max(0, count - 1) + self.margins.get(aisle, 0.0)

    def aisle_ends(self, cable: Cable) -> list[tuple[int, str, float]]:
        """(aisle, side, y): where a line enters and leaves aisles."""
        source, target = cable
        if source.port and source.port[0] == "right":  # type: ignore[index]
            out, into = self.out_aisle(source), self.in_aisle(target)
            start = out, "near" if self.directions[source.lane] > 0 else "far", self.out_y(cable)
            end = into, "far" if self.directions[target.lane] > 0 else "near", self.in_y(cable)
            if out == into:
                return [start, end]
            lane = target.lane
            turn = self.turn_y(lane, len(self.gaps[lane].rows), source)
            return [start, (out, "along", turn), (into, "along", turn), end]
        turns = self.turns(cable)
        if len(turns) < 2:
            return []
        return [(self.passage(cable), "along", self.turn_y(k, channel, key)) for k, channel, key, _, _ in turns]

    def out_y(self, cable: Cable) -> float:
        """The y at which a state leaves its tile."""
        return self.y[cable.source.lane] + self.port(cable.source)[-1][1]

    def in_y(self, cable: Cable) -> float:
        """The y at which a state comes into its tile."""
        return self.y[cable.target.lane] + self.port(cable.target)[0][1]

    def turn_y(self, gap: int, channel: int, key: Hashable) -> float:
        """The y of a net's track in a gap."""
        if not self.gaps[gap].bottom:
            return 0.0
        return self.gaps[gap].bottom[channel] + CHANNEL * 0.3 + TRACK * (self.gaps[gap].track[channel].get(key) or 0)

    # ------------------------------------------------------------------------------------------------------- routes

    def route(self, cable: Cable) -> Route:
        """All corners of one line."""
        source, target = cable
        if source.item >= 0:
            s = self.shelf[source.item]
            corners: list[Point] = [(self.start_x(cable), s.y + s.block.height / 2)]
        else:
            corners = [(x, y + self.y[source.lane]) for x, y in self.port(source)]
        if source.port and source.port[0] == "right":  # type: ignore[index]
            corners += self.through_aisles(cable)
        else:
            for k, channel, key, below, above in self.turns(cable):
                y = self.turn_y(k, channel, key)
                corners += [(below, y), (above, y)] if abs(below - above) > 0.5 else []
        if target.item >= 0:
            s = self.shelf[target.item]
            corners.append((self.end_x(cable), s.y - s.block.height / 2))
        else:
            inside = [(x, y + self.y[target.lane]) for x, y in self.port(target)]
            corners += inside
        return tidy(corners)

    def through_aisles(self, cable: Cable) -> list[Point]:
        """The corners of a state on its way from tile to tile."""
        source, target = cable
        out, into = self.out_aisle(source), self.in_aisle(target)
        start, end = self.out_y(cable), self.in_y(cable)
        a = self.aisle_x(out, source)
        if out == into:
            return [] if self.aisle_track[out][source] is None else [(a, start), (a, end)]
        b = self.aisle_x(into, source)
        turn = self.turn_y(target.lane, len(self.gaps[target.lane].rows), source)
        return [(a, start), (a, turn), (b, turn), (b, end)]


def apart(row: Sequence[Shelf]) -> None:
    """Move the items of a row so far that they don't overlap; bars and inputs of columns stay."""
    free = sorted(row, key=lambda s: s.x)
    marks = []
    for s in free:
        left = s.width / 2 + (LEAD + s.block.under[0] if s.block.under else 0.0) + 8
        right = s.width / 2 + (LEAD + s.block.over[0] if s.block.over else 0.0) + 8
        marks.append(Vertex(0, below=left, above=right))
    spread(marks, [s.x for s in free])
    for s, mark in zip(free, marks, strict=True):
        s.x = mark.y
