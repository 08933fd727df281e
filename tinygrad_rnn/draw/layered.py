"""The general way to lay out a step: a layered drawing (Sugiyama, Tagawa, Toda 1981) in columns from left to right.

Blocks stand right of their inputs. Long lines bend in the columns that they pass. Columns are ordered and given
heights so that lines are short and straight; between them, in channels, lines turn at right angles.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tinygrad_rnn.draw.channel import Net, tangled, tracks
from tinygrad_rnn.draw.scene import Box, Point
from tinygrad_rnn.draw.tile import CHANNEL, LEAD, TRACK, Block, Step, Tile, tidy

BESIDE = 12.0  # between two blocks of a column
THIN = 9.0  # between a block and a line that passes it
ENTRY = 38.0  # between two states that come in: what stands before the first step has room
KNOTS, LOOSE = 3, 4.0  # how often lines that lie on each other are moved apart, and how far
ORDERINGS, SWEEPS = 12, 48  # of all columns, to and fro
STIFF = 8.0  # how much more a bend of a long line keeps its height than a block


@dataclass(slots=True)
class Vertex:
    """A block, a bend of a long line, or a place on the border where a line comes in or goes out."""

    column: int
    below: float = THIN / 2  # how far it reaches down and up from `y`
    above: float = THIN / 2
    half: float = 0.0  # half its width
    y: float = 0.0
    number: int = -1  # of a block


def lay_out(step: Step) -> Tile:
    """The tile of a step."""
    return Layout(step).tile()


class Layout:
    """One layout in the making."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.column = columns(step)
        self.last = max(self.column, default=0) + 1
        self.blocks = [self.vertex(k, block) for k, block in enumerate(step.blocks)]
        self.vertices = list(self.blocks)
        self.entries: dict[Hashable, Vertex] = {}
        self.exits: dict[int, Vertex] = {}
        self.hops: dict[tuple[int, int], list[Vertex]] = {}  # of each wire, from its source to its block
        self.out: dict[int, list[Vertex]] = {}  # of each state that goes out
        self.chains: dict[tuple[Hashable, int], Vertex] = {}
        self.connect()
        self.rows: list[list[Vertex]] = [[] for _ in range(self.last + 1)]
        for v in self.vertices:
            self.rows[v.column].append(v)

    def vertex(self, number: int, block: Block) -> Vertex:
        """The vertex of a block."""
        under = LEAD + block.under[1] if block.under else 0.0
        over = LEAD + block.over[1] if block.over else 0.0
        half = max(block.width, *(chip[0] for chip in (block.under, block.over) if chip), 0.0) / 2
        y = block.height / 2 + BESIDE / 2
        return Vertex(self.column[number], y + under, y + over, half, number=number)

    def connect(self) -> None:
        """Make the border's places, and the bends of lines that pass columns."""
        for wire in self.step.wires:
            if wire.source is None and wire.state is None:
                continue
            start = self.entry(wire.state) if wire.source is None else self.blocks[wire.source]
            key = ("in", wire.state) if wire.source is None else wire.source
            self.hops[wire.block, wire.slot] = [*self.chain(key, start, wire.block), self.blocks[wire.block]]
        for k in self.step.right:
            self.exits[k] = end = Vertex(self.last)
            self.vertices.append(end)
            self.out[k] = [*self.chain(k, self.blocks[k], None), end]

    def entry(self, state: Hashable) -> Vertex:
        """The place where a state comes in."""
        if state not in self.entries:
            self.entries[state] = Vertex(0, ENTRY / 2, ENTRY / 2)
            self.vertices.append(self.entries[state])
        return self.entries[state]

    def chain(self, key: Hashable, start: Vertex, block: int | None) -> list[Vertex]:
        """``start``, and a bend in each column between it and a block, or the border; one source shares them."""
        end = self.last if block is None else self.column[block]
        hops = [start]
        for column in range(start.column + 1, end):
            if (key, column) not in self.chains:
                self.chains[key, column] = Vertex(column)
                self.vertices.append(self.chains[key, column])
            hops.append(self.chains[key, column])
        return hops

    def tile(self) -> Tile:
        """Order, heights, then the channels, which give the widths and the routes."""
        pairs = [(a, b, 1.0) for hops in [*self.hops.values(), *self.out.values()] for a, b in pairwise(hops)]
        ties = [
            (self.entries[s], self.exits[k], 4.0) for s, k in self.step.ties if s in self.entries and k in self.exits
        ]
        near = neighbours([*pairs, *ties])
        arrange(self.rows, near)
        self.straighten()
        for v in self.vertices:  # lines are straight, or have turns that are seen
            v.y = float(round(v.y))
        low = min((v.y - v.below for v in self.vertices), default=0.0)
        for v in self.vertices:
            v.y -= round(low)
        height = max((v.y + v.above for v in self.vertices), default=0.0)
        drawn = Drawn(self, height)
        for _ in range(KNOTS):
            if drawn.knots:
                for v in drawn.knots:
                    v.y += LOOSE
                drawn = Drawn(self, height)
        return drawn.tile

    def straighten(self) -> None:
        """Bring the bends of each long line to one height, if there is one that is free in all columns."""
        lines: dict[Hashable, list[Vertex]] = {}
        for (key, _), v in sorted(self.chains.items(), key=lambda entry: entry[0][1]):
            lines.setdefault(key, []).append(v)
        for key, line in lines.items():
            if isinstance(key, int) and key in self.exits:
                line.append(self.exits[key])
            elif isinstance(key, tuple):
                line.insert(0, self.entries[key[1]])
            low, high = float("-inf"), float("inf")
            for v in line:
                row = self.rows[v.column]
                k = row.index(v)
                low = max(low, row[k - 1].y + row[k - 1].above + v.below) if k else low
                high = min(high, row[k + 1].y - row[k + 1].below - v.above) if k + 1 < len(row) else high
            if low <= high:
                level = min(max(sum(v.y for v in line) / len(line), low), high)
                for v in line:
                    v.y = level


def columns(step: Step) -> list[int]:
    """The column of each block: right of its inputs, and no farther left of its uses than these allow."""
    column = [1] * len(step.blocks)
    for wire in step.wires:  # blocks come after their sources
        if wire.source is not None:
            column[wire.block] = max(column[wire.block], column[wire.source] + 1)
    fed = {wire.block for wire in step.wires if wire.source is not None or wire.state is not None}
    for k in reversed(range(len(column))):
        uses = [column[wire.block] for wire in step.wires if wire.source == k]
        if uses and k not in fed:
            column[k] = min(uses) - 1
    return column


def neighbours(edges: Sequence[tuple[Vertex, Vertex, float]]) -> dict[int, list[tuple[Vertex, float]]]:
    """What each vertex, by its identity, wants to be level with, and how much."""
    near: dict[int, list[tuple[Vertex, float]]] = {}
    for a, b, weight in edges:
        straight = weight * (4.0 if a.number < 0 and b.number < 0 else 2.0 if a.number < 0 or b.number < 0 else 1.0)
        near.setdefault(id(a), []).append((b, straight))
        near.setdefault(id(b), []).append((a, straight))
    return near


def arrange(rows: Sequence[list[Vertex]], near: dict[int, list[tuple[Vertex, float]]]) -> None:
    """Order the vertices of each column and give them heights: near to their neighbours', without overlap."""
    for row in rows:
        spread(row, [0.0] * len(row))
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wish = {id(v): wanted(v, near) for v in row}
            if sweep < ORDERINGS:
                row.sort(key=lambda v: wish[id(v)])  # stable: those that wish the same keep their order
            spread(row, [wish[id(v)] for v in row])


def wanted(v: Vertex, near: dict[int, list[tuple[Vertex, float]]]) -> float:
    """The height that a vertex would like to have."""
    found = near.get(id(v), [])
    return sum(w.y * weight for w, weight in found) / sum(weight for _, weight in found) if found else v.y


def spread(row: Sequence[Vertex], wishes: Sequence[float]) -> None:
    """Heights as near to the wishes as the order and the sizes allow, in weighted least squares: pooled violators."""
    offset, offsets = 0.0, []
    for k, v in enumerate(row):
        offset += row[k - 1].above + v.below if k else 0.0
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []
    for v, wish, shift in zip(row, wishes, offsets, strict=True):
        value, weight, count = wish - shift, 1.0 if v.number >= 0 else STIFF, 1
        while pools and pools[-1][0] > value:
            before, heavy, many = pools.pop()
            value, weight, count = (value * weight + before * heavy) / (weight + heavy), weight + heavy, count + many
        pools.append((value, weight, count))
    levels = [value for value, _, count in pools for _ in range(count)]
    for v, level, shift in zip(row, levels, offsets, strict=True):
        v.y = level + shift


class Drawn:
    """The second half of a layout: from heights to the tile."""

    def __init__(self, layout: Layout, height: float) -> None:
        self.layout, self.height = layout, height
        self.tile = Tile(height=height)
        self.ports = self.port_heights()
        self.nets: list[dict[Hashable, Net]] = [{} for _ in range(layout.last)]
        self.collect_nets()
        self.track: list[dict[Hashable, int | None]] = []
        self.knots: list[Vertex] = []  # bends of lines that lie on others
        self.left: list[float] = []  # of each channel
        self.x: list[float] = []  # of the middle of each column
        self.stretch()
        self.put_blocks()
        self.put_routes()

    def port_heights(self) -> dict[tuple[int, int], float]:
        """Where each wire comes into its block: the inputs of one block beside each other, ordered as they come."""
        step, found = self.layout.step, {}
        for k, block in enumerate(step.blocks):
            wires = [wire for wire in step.wires if wire.block == k]
            wires.sort(
                key=lambda wire: self.layout.hops[k, wire.slot][-2].y if (k, wire.slot) in self.layout.hops else -1.0
            )
            gap = min(11.0, (block.height - 6) / len(wires)) if wires else 0.0
            for n, wire in enumerate(wires):
                found[k, wire.slot] = self.layout.blocks[k].y + round(gap * (n - (len(wires) - 1) / 2))
        return found

    def collect_nets(self) -> None:
        """What runs in each channel; channel c is right of column c."""
        for (block, slot), hops in self.layout.hops.items():
            for a, b in pairwise(hops):
                far = self.ports[block, slot] if b.number >= 0 else b.y
                self.add(a.column, id(a), near=a.y, far=far)
        for hops in self.layout.out.values():
            for a, b in pairwise(hops):
                self.add(a.column, id(a), near=a.y, far=b.y)
        for wire in self.layout.step.wires:
            if wire.source is None and wire.state is None:
                here = self.ports[wire.block, wire.slot]
                self.add(self.layout.column[wire.block] - 1, ("below", wire.block, wire.slot), far=here, along=0.0)
        for k in self.layout.step.top:
            self.add(self.layout.column[k], id(self.layout.blocks[k]), near=self.layout.blocks[k].y, along=self.height)

    def add(self, channel: int, key: Hashable, **ends: float) -> None:
        """Add ends to a net."""
        net = self.nets[channel].get(key, Net())
        self.nets[channel][key] = net._replace(**{
            side: tuple(dict.fromkeys([*getattr(net, side), y])) for side, y in ends.items()
        })  # fmt: skip

    def stretch(self) -> None:
        """Give the channels their tracks, and with these the columns their places."""
        half = [max((v.half for v in row), default=0.0) for row in self.layout.rows]
        x = 0.0
        for column, width in enumerate(half):
            self.x.append(x + width)
            x += 2 * width
            if column < self.layout.last:
                nets = list(self.nets[column].values())
                found, count = tracks(nets)
                keys = list(self.nets[column])
                self.knots += (v for k in tangled(nets, found) for v in self.layout.rows[column]
                               if id(v) == keys[k] and v.number < 0 and column > 0)  # fmt: skip
                self.track.append(dict(zip(self.nets[column], found, strict=True)))
                self.left.append(x)
                outer = column == 0 or column == self.layout.last - 1
                x += CHANNEL + TRACK * (count - 1) if count else CHANNEL * (0.6 if outer else 0.8)
        self.tile.width = x

    def put_blocks(self) -> None:
        """The boxes of blocks and of their chips."""
        for v, block in zip(self.layout.blocks, self.layout.step.blocks, strict=True):
            x, y = self.x[v.column], v.y
            self.tile.boxes.append(Box(x, y, block.width, block.height))
            for side, chip, sign in (("under", block.under, -1), ("over", block.over, 1)):
                if chip:
                    away = sign * (block.height / 2 + LEAD + chip[1] / 2)
                    self.tile.chips[v.number, side] = Box(x, y + away, *chip)

    def put_routes(self) -> None:
        """The corners of every line."""
        for (block, slot), hops in self.layout.hops.items():
            route = self.along(hops, self.ports[block, slot])
            self.tile.routes[block, slot] = tidy([*route, self.border(block, self.ports[block, slot])])
        for wire in self.layout.step.wires:
            if wire.source is None and wire.state is None:
                y = self.ports[wire.block, wire.slot]
                x = self.track_x(self.layout.column[wire.block] - 1, ("below", wire.block, wire.slot))
                self.tile.routes[wire.block, wire.slot] = ((x, 0.0), (x, y), self.border(wire.block, y))
        for k, hops in self.layout.out.items():
            self.tile.right[k] = tidy([*self.along(hops, hops[-1].y), (self.tile.width, hops[-1].y)])
        for k in self.layout.step.top:
            v = self.layout.blocks[k]
            x = self.track_x(v.column, id(v))
            self.tile.top[k] = (
                (self.x[v.column] + self.layout.step.blocks[k].width / 2, v.y),
                (x, v.y),
                (x, self.height),
            )

    def along(self, hops: Sequence[Vertex], end: float) -> list[Point]:
        """The corners of a line through the channels, the last one at height ``end`` before its last column."""
        first = hops[0]
        start = self.x[first.column] + (self.layout.step.blocks[first.number].width / 2 if first.number >= 0 else 0.0)
        corners: list[Point] = [(start, first.y)]
        for a, b in pairwise(hops):
            y = b.y if b is not hops[-1] else end
            if self.track[a.column][id(a)] is not None:
                x = self.track_x(a.column, id(a))
                corners += [(x, a.y), (x, y)]
        return corners

    def track_x(self, channel: int, key: Hashable) -> float:
        """Where a net's track is."""
        return self.left[channel] + CHANNEL * 0.42 + TRACK * (self.track[channel][key] or 0)

    def border(self, number: int, y: float) -> Point:
        """Where a line at height ``y`` meets a block from the left."""
        v, block = self.layout.blocks[number], self.layout.step.blocks[number]
        half = block.width / 2
        if block.round:
            half *= max(0.0, 1 - (2 * (y - v.y) / block.height) ** 2) ** 0.5
        return self.x[v.column] - half, y
