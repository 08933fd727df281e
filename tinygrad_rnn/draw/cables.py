"""The routes of lines across a board: up through the gaps, and from column to column through the aisles.

A line turns aside only in the channels of gaps and in aisles, where each net has a track of its own. To pass a lane it
goes up in an aisle, so no line runs behind a tile; it may pass behind a bar, which hides it and its own label not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from tinygrad_rnn.draw.board import AISLE, Board, Cable, Place, Shelf, hurdles
from tinygrad_rnn.draw.channel import STRAIGHT, Net, tracks
from tinygrad_rnn.draw.scene import Point
from tinygrad_rnn.draw.tile import CHANNEL, TRACK, Route, tidy

ASIDE = 6.0  # from an item to a line that passes it
PORT = 14.0  # between two lines that come into one item from below


class Turn(NamedTuple):
    """Where a line may turn aside on its way up: in a channel of a gap, from one x to another."""

    gap: int
    channel: int
    net: Hashable
    below: float
    above: float

    @property
    def bent(self) -> bool:
        """Whether it does."""
        return abs(self.below - self.above) > STRAIGHT


class Cables:
    """The routes of all cables; the board is given the heights and widths that their tracks need."""

    def __init__(self, board: Board, cables: Sequence[Cable]) -> None:
        self.board, self.cables = board, cables
        self.crossing = [c for c in cables if c.source.port[0] == "right" or self.low(c) != self.high(c)]
        self.gap_track: dict[tuple[int, int], dict[Hashable, int | None]] = {}
        self.aisle_track: list[dict[Hashable, int | None]] = [{} for _ in board.aisle]
        for _ in range(3):  # heights follow from what turns in gaps, widths from what turns in aisles at these heights
            before = self.gap_track, list(self.aisle_track)
            self.fill_gaps()
            board.put_rows()
            self.fill_aisles()
            board.put_columns()
            if before == (self.gap_track, self.aisle_track):
                break
        self.routes = [self.route(cable) for cable in cables]

    # --------------------------------------------------------------------------------------------------------- gaps

    def fill_gaps(self) -> None:
        """The tracks of all lines that turn in gaps."""
        nets: dict[tuple[int, int], dict[Hashable, Net]] = {}
        for cable in self.cables:
            for turn in self.turns(cable):
                self.board.gaps[turn.gap].tracks[turn.channel] = 0
                if turn.bent:
                    here = nets.setdefault(turn[:2], {})
                    net = here.get(turn.net, Net())
                    here[turn.net] = Net(
                        tuple(dict.fromkeys([*net.near, turn.below])), tuple(dict.fromkeys([*net.far, turn.above]))
                    )
        self.gap_track = {}
        for (gap, channel), here in nets.items():
            found, count = tracks(list(here.values()))
            self.gap_track[gap, channel] = dict(zip(here, found, strict=True))
            self.board.gaps[gap].tracks[channel] = count

    def turns(self, cable: Cable) -> list[Turn]:
        """Where a line may turn aside on its way up."""
        source, target = cable
        board = self.board
        if source.port[0] == "right":
            out, into = self.out_aisle(source), self.in_aisle(target)
            channel = len(board.gaps[target.lane].rows)
            a, b = self.aisle_x(out, source), self.aisle_x(into, source)
            return [] if out == into else [Turn(target.lane, channel, source, a, b)]
        low, high = self.low(cable), self.high(cable)
        top = board.shelf[target.item].row if target.item >= 0 else len(board.gaps[high].rows)
        bottom = board.shelf[source.item].row + 1 if source.item >= 0 else 0
        start, end = self.start_x(cable), self.end_x(cable)
        if low == high:
            return self.through(cable, low, (bottom, top), (start, end), wish=start)
        aisle = self.aisle_x(self.passage(cable), source)
        found = self.through(cable, low, (bottom, len(board.gaps[low].rows)), (start, aisle), wish=aisle)
        for gap in range(low + 1, high):
            found += self.through(cable, gap, (0, len(board.gaps[gap].rows)), (aisle, aisle), wish=aisle)
        return found + self.through(cable, high, (0, top), (aisle, end), wish=aisle)

    def through(
        self, cable: Cable, gap: int, rows: tuple[int, int], x: tuple[float, float], *, wish: float
    ) -> list[Turn]:
        """The turns of a line in one gap, where it passes ``rows`` from one x to another, best at ``wish``."""
        (first, last), (start, end) = rows, x
        if first >= last:
            return [Turn(gap, last, (cable.source, start), start, end)]
        passed = [s for row in self.board.gaps[gap].rows[first:last] for s in row]
        taken = [part for s in passed if s.column in {None, cable.target.column} for part in hurdles(s)]
        if any(left < wish < right for left, right in taken):  # nor right above a line that goes up from a bar
            taken += ((end - ASIDE, end + ASIDE) for s in passed if s.bar for end in s.ends)
        beside = [edge for left, right in taken for edge in (left - ASIDE, right + ASIDE)]
        free = [x for x in (wish, start, end, *beside) if not any(left < x < right for left, right in taken)]
        middle = min(free, key=lambda x: abs(x - start) + abs(x - end), default=wish)
        before = Turn(gap, first, (cable.source, start), start, middle)
        return [before, Turn(gap, last, (cable.source, middle), middle, end)]

    def low(self, cable: Cable) -> int:
        """The gap in which a line that goes up starts."""
        source = cable.source
        return self.board.gap_of[source.item] if source.item >= 0 else source.lane + 1

    def high(self, cable: Cable) -> int:
        """The gap in which it ends."""
        target = cable.target
        return self.board.gap_of[target.item] if target.item >= 0 else target.lane

    def start_x(self, cable: Cable) -> float:
        """Where a line that goes up starts."""
        if cable.source.item < 0:
            return self.board.port_x(cable.source)
        return self.meeting(self.board.shelf[cable.source.item], cable.target, cable)

    def end_x(self, cable: Cable) -> float:
        """Where a line that goes up ends; several into one item end beside each other."""
        if cable.target.item < 0:
            return self.board.port_x(cable.target)
        s = self.board.shelf[cable.target.item]
        if s.bar:
            return self.meeting(s, cable.source, cable)
        into = [c.source for c in self.board.feeds[s.item] if c.target.item == s.item]
        if len(into) == 1:
            return s.x
        into.sort(key=lambda end: self.board.shelf[end.item].x if end.item >= 0 else self.board.port_x(end))
        gap = min(PORT, s.width / (len(into) + 1))
        return s.x + gap * (into.index(cable.source) - (len(into) - 1) / 2)

    def meeting(self, s: Shelf, other: Place, cable: Cable) -> float:
        """Where an item in a gap is met by a line from or to ``other``: a bar right over or under it, or the aisle."""
        if not s.bar:
            return s.x
        if other.column >= 0:
            across = self.low(cable) != self.high(cable)
            x = self.aisle_x(self.passage(cable), cable.source) if across else self.board.port_x(other)
        else:
            x = self.board.shelf[other.item].x
            into = cable.target.item == s.item
            x += PORT / 2 if into and any(abs(x - end) < PORT / 2 for end in s.below) else 0.0
        return min(max(x, s.x - s.width / 2 + 6), s.x + s.width / 2 - 6)

    def turn_y(self, turn: Turn) -> float:
        """The y of a net's track in a gap."""
        track = self.gap_track.get(turn[:2], {}).get(turn.net) or 0
        return self.board.gaps[turn.gap].bottom[turn.channel] + CHANNEL * 0.3 + TRACK * track

    # ------------------------------------------------------------------------------------------------------- aisles

    def passage(self, cable: Cable) -> int:
        """The aisle in which a line passes the lanes between its ends."""
        if cable.source.column >= 0:
            return self.out_aisle(cable.source)
        return self.in_aisle(cable.target) if cable.target.column >= 0 else 0

    def out_aisle(self, source: Place) -> int:
        """The aisle that a tile sends its states into."""
        return source.column + (self.board.directions[source.lane] > 0)

    def in_aisle(self, target: Place) -> int:
        """The aisle that a tile gets its states from."""
        return target.column + (self.board.directions[target.lane] < 0)

    def aisle_x(self, aisle: int, source: Place) -> float:
        """The x of a source's track in an aisle."""
        board = self.board
        right = board.x[aisle] if aisle < board.columns else board.width
        return right - board.aisle[aisle] + AISLE * 0.4 + TRACK * (self.aisle_track[aisle].get(source) or 0)

    def fill_aisles(self) -> None:
        """The nets of the aisles, their tracks and the widths that follow."""
        board = self.board
        nets: dict[int, dict[Hashable, Net]] = {}
        for cable in self.crossing:
            for aisle, side, y in self.aisle_ends(cable):
                here = nets.setdefault(aisle, {})
                net = here.get(cable.source, Net())
                here[cable.source] = net._replace(**{side: tuple(dict.fromkeys([*getattr(net, side), round(y, 2)]))})
        known: dict[tuple[Net, ...], tuple[list[int | None], int]] = {}
        for aisle, here in nets.items():
            form = tuple(lengthened(net) for net in here.values())
            if form not in known:
                known[form] = tracks(form)
            found, count = known[form]
            self.aisle_track[aisle] = dict(zip(here, found, strict=True))
            board.aisle[aisle] = AISLE + TRACK * max(0, count - 1) + board.margins.get(aisle, 0.0)

    def aisle_ends(self, cable: Cable) -> list[tuple[int, str, float]]:
        """(aisle, side, y): where a line that turns in aisles enters and leaves them."""
        source, target = cable
        turns = self.turns(cable)
        if source.port[0] != "right":
            return [(self.passage(cable), "along", self.turn_y(turn)) for turn in turns]
        out, into = self.out_aisle(source), self.in_aisle(target)
        start, end = self.out_y(source), self.in_y(target)
        if out == into and abs(start - end) < STRAIGHT:
            return []
        ways = self.board.directions
        ends = [(out, "near" if ways[source.lane] > 0 else "far", start)]
        for turn in turns:
            ends += [(out, "along", self.turn_y(turn)), (into, "along", self.turn_y(turn))]
        return [*ends, (into, "far" if ways[target.lane] > 0 else "near", end)]

    def out_y(self, source: Place) -> float:
        """The y at which a state leaves its tile."""
        return self.board.y[source.lane] + self.board.inside(source)[-1][1]

    def in_y(self, target: Place) -> float:
        """The y at which a state comes into its tile."""
        return self.board.y[target.lane] + self.board.inside(target)[0][1]

    # ------------------------------------------------------------------------------------------------------- routes

    def route(self, cable: Cable) -> Route:
        """All corners of one line."""
        source, target = cable
        corners = self.end(source, self.start_x, cable, up=1)
        if source.port[0] == "right":
            corners += self.through_aisles(cable)
        else:
            for turn in self.turns(cable):
                if turn.bent:
                    y = self.turn_y(turn)
                    corners += [(turn.below, y), (turn.above, y)]
        return tidy(corners + self.end(target, self.end_x, cable, up=-1))

    def end(self, place: Place, x: Callable[[Cable], float], cable: Cable, *, up: int) -> list[Point]:
        """The corners of a line in the tile where it ends, or its end on the border of an item."""
        if place.item >= 0:
            s = self.board.shelf[place.item]
            return [(x(cable), s.y + up * s.block.height / 2)]
        left, bottom = self.board.tile_left(place.lane, place.column), self.board.y[place.lane]
        return [(left + dx, bottom + dy) for dx, dy in self.board.inside(place)]

    def through_aisles(self, cable: Cable) -> list[Point]:
        """The corners of a state on its way from tile to tile."""
        source, target = cable
        out, into = self.out_aisle(source), self.in_aisle(target)
        start, end = self.out_y(source), self.in_y(target)
        a, b = self.aisle_x(out, source), self.aisle_x(into, source)
        if out == into:
            return [] if abs(start - end) < STRAIGHT else [(a, start), (a, end)]
        (turn,) = self.turns(cable)
        y = self.turn_y(turn)
        return [(a, start), (a, y), (b, y), (b, end)]


def lengthened(net: Net) -> Net:
    """A net that turns into gaps, made longer: lines that turn in one channel of a gap have different tracks."""
    if not net.along:
        return net
    return net._replace(along=(min(net.along) - CHANNEL, max(net.along) + CHANNEL))
