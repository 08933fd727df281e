"""A placed scene of a graph that runs along time: marks, lines and frames from items, tiles and the board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_rnn.draw.board import HEAD, PAD, Board, Cable, Place, Shelf
from tinygrad_rnn.draw.cables import Cables
from tinygrad_rnn.draw.flat import Names
from tinygrad_rnn.draw.graph import Leaf, Operation
from tinygrad_rnn.draw.planned import inside, is_planned
from tinygrad_rnn.draw.project import Item, Projection
from tinygrad_rnn.draw.scene import Box, Frame, FrameKind, Line, LineKind, Mark, Scene
from tinygrad_rnn.draw.steps import Key, Tiles
from tinygrad_rnn.draw.style import text_width
from tinygrad_rnn.draw.tile import LEAD, Route, short, tidy
from tinygrad_rnn.draw.wording import Wording, span
from tinygrad_rnn.op import describe

if TYPE_CHECKING:
    from tinygrad_rnn.draw.theme import Theme
    from tinygrad_rnn.tensor import Scope

LOOP = 22.0  # how far a line from a mark to itself reaches to the right
START = 20.0  # from a state before the first step to its tile
TITLE = 13.0  # the size of titles


class Tiled:
    """The scene of one projection in the making."""

    def __init__(self, made: Projection, theme: Theme, wording: Wording) -> None:
        self.made, self.graph, self.wording = made, made.graph, wording
        self.scene = Scene(made.graph, theme, placed=True)
        self.unique = Names()
        self.words = [wording.item(item, made) for item in made.items]
        self.blocks = [wording.block(item, made, words) for item, words in zip(made.items, self.words, strict=True)]
        self.tiles = Tiles(made, self.blocks)
        self.directions = [self.direction(lane) for lane in range(len(made.lanes.order))]
        self.names: dict[int, str] = {}  # of the marks of items
        self.lines: list[tuple[int, int, Line]] = []  # with the operation and its input: the order to be drawn in
        links = [(item, slot, source) for item in made.items for slot, (source, _) in enumerate(item.inputs)]
        self.links = [(item, slot, source) for item, slot, source in links if source is not None]
        self.cables = [link for link in self.links if self.is_cable(*link)]
        ends = [Cable(self.source(*link), self.target(*link)) for link in self.cables]
        self.board = Board(
            self.tiles.tile,
            self.directions,
            len(made.columns),
            shelves=self.shelves(),
            cables=ends,
            margins=self.margins(),
            left=self.titles(),
        )
        self.routes = Cables(self.board, ends).routes

    def made_scene(self) -> Scene:
        """Everything, placed."""
        self.put_lanes()
        self.put_steps()
        for key in self.tiles.members:
            self.put_tile(key)
        for shelf in self.board.shelf.values():
            self.put_shelf(shelf)
        self.put_starts()
        for (item, slot, source), route in zip(self.cables, self.routes, strict=True):
            self.join(source, item, slot, route)
        self.lines.sort(key=lambda entry: entry[:2])
        self.scene.lines += (line for _, _, line in self.lines)
        return self.scene

    # ------------------------------------------------------------------------------------------ what the board needs

    def direction(self, lane: int) -> int:
        """1 if a lane's states go to later steps, -1 if to earlier ones. A layer has no direction."""
        if self.made.level == "layer":
            return 1
        time, lanes = self.made.lanes.time, self.made.lanes
        name = lanes.order[lane]
        for (k, at), step in self.made.steps.items():
            for i in step if k == lane else ():
                for s in self.graph.inputs(i):
                    if lanes.lane.get(s) == name and time[s] != at:
                        return 1 if time[s] < at else -1
        return 1

    def is_cable(self, item: Item, slot: int, source: int) -> bool:
        """Whether an input comes along the board: not from the same tile, nor from a state that stands beside it."""
        if item.start or self.made.items[source].start:
            return False
        return self.tiles.ways[item.number][slot] != "local"

    def source(self, item: Item, slot: int, source: int) -> Place:
        """Where a line starts."""
        other = self.made.items[source].where
        if other.column is None or other.inputs:
            return Place(item=source)
        key = other.lane, other.column
        block = self.tiles.index[source]
        if self.tiles.ways[item.number][slot] == "below":
            return Place(lane=other.lane, column=other.column, port=("top", block, 0))
        if self.tiles.folded(key):
            block = self.tiles.leave_level(key, item, slot)
        return Place(lane=other.lane, column=other.column, port=("right", block, 0))

    def target(self, item: Item, slot: int, _source: int) -> Place:
        """Where a line ends."""
        if item.where.column is None or item.where.inputs:
            return Place(item=item.number)
        return Place(lane=item.where.lane, column=item.where.column, port=("in", self.tiles.index[item.number], slot))

    def shelves(self) -> dict[int, list[Shelf]]:
        """The items of each gap."""
        found: dict[int, list[Shelf]] = {}
        for item in self.made.items:
            if not item.start and (item.where.column is None or item.where.inputs):
                shelf = Shelf(item.number, self.blocks[item.number], column=item.where.column)
                found.setdefault(item.where.lane, []).append(shelf)
        return found

    def margins(self) -> dict[int, float]:
        """What the states before the first step, and loops, need of the aisles."""
        need: dict[int, float] = {}
        for item in self.made.items:
            if item.start:
                aisle = (item.where.column or 0) + (self.directions[item.where.lane] < 0)
                need[aisle] = max(need.get(aisle, 0.0), self.blocks[item.number].width + START - 14)
        if self.made.level == "layer":
            need[len(self.made.columns)] = LOOP + 8
        return need

    def titles(self) -> float:
        """What titles need on the left of the board."""
        shown = self.made.lanes.order if self.made.level != "layer" else ()
        return max((text_width(".".join(lane.path), TITLE) + 10 for lane in shown), default=0.0)

    # --------------------------------------------------------------------------------------------------------- frames

    def put_lanes(self) -> None:
        """The title of each lane."""
        board = self.board
        if self.made.level == "layer":
            return
        for lane, name in enumerate(self.made.lanes.order):
            bottom, top = board.y[lane] - PAD, board.y[lane] + board.lane_height[lane] + PAD
            box = Box(board.width / 2, (bottom + top) / 2, board.width, top - bottom)
            self.frame(name.path, ".".join(name.path), "lane", box)

    def put_steps(self) -> None:
        """A frame around each tile at the level of operations; at that of cells, around each column."""
        board, made = self.board, self.made
        if made.level == "cell" and board.y:
            bottom, top = board.y[0] - PAD, board.y[-1] + board.lane_height[-1] + PAD + HEAD
            for c, (times, fold) in enumerate(made.columns):
                box = Box(
                    board.x[c] + board.column_width[c] / 2,
                    (bottom + top) / 2,
                    board.column_width[c] + 2 * PAD,
                    top - bottom,
                )
                self.frame(times[0], "" if fold else span(times), "fold" if fold else "column", box)
        for lane, c in self.tiles.members if made.level == "op" else ():
            if not made.columns[c].fold:
                bottom, height = board.y[lane] - PAD, board.lane_height[lane] + 2 * PAD + HEAD
                box = Box(
                    board.x[c] + board.column_width[c] / 2, bottom + height / 2, board.column_width[c] + 2 * PAD, height
                )
                times = made.columns[c].times
                look = {"labeljust": "r"} if self.directions[lane] < 0 else {}
                self.frame((*made.lanes.order[lane].path, *times[0]), span(times), "step", box, look)

    def frame(self, scope: Scope, title: str, kind: FrameKind, box: Box, look: dict[str, str] | None = None) -> None:
        """One frame."""
        frame = Frame(
            self.unique(scope, kind if kind == "lane" else ""), title, kind, scope, describe(scope), box, look or {}
        )
        self.scene.frames[*scope, len(self.scene.frames)] = frame

    # ---------------------------------------------------------------------------------------------------------- marks

    def put_tile(self, key: Key) -> None:
        """The marks of a tile, and the lines inside."""
        tile, numbers, items = self.tiles.tile[key], self.tiles.members[key], self.made.items
        move = Move(self.board, key)
        for n, box in zip(numbers, tile.boxes, strict=True):
            self.mark(items[n], move.box(box))
            self.put_inside(items[n], move.box(box))
        for (k, side), box in tile.chips.items():
            self.put_chip(items[numbers[k]], side, move.box(box))
        for k, n in enumerate(numbers):
            for slot, (source, _) in enumerate(items[n].inputs):
                if source is not None and self.tiles.ways[n][slot] == "local":
                    self.join(source, items[n], slot, move.route(tile.routes[k, slot]))
            if items[n].loop and self.made.level == "layer":
                self.put_loop(items[n])

    def put_shelf(self, shelf: Shelf) -> None:
        """The mark of an item between lanes, and its chips."""
        item, block = self.made.items[shelf.item], shelf.block
        self.mark(item, Box(shelf.x, shelf.y, shelf.width, block.height), bar=shelf.bar)
        self.put_inside(item, Box(shelf.x, shelf.y, shelf.width, block.height))
        for side, chip, sign in (("under", block.under, -1), ("over", block.over, 1)):
            if chip:
                away = sign * (shelf.width / 2 + LEAD + chip[0] / 2)
                self.put_chip(item, side, Box(shelf.x + away, shelf.y, *chip))

    def mark(self, item: Item, box: Box, *, bar: bool = False) -> None:
        """The mark of an item."""
        lines, kind, about = self.words[item.number]
        node = self.graph.nodes[item.positions[0]]
        word = kind if len(item.positions) > 1 else node.name or node.kind if isinstance(node, Leaf) else node.op
        self.names[item.number] = name = self.unique(item.scope, word)
        look = {"shape": "box", "style": "rounded,filled"} if kind == "pointwise" and (bar or len(lines) > 1) else {}
        emphasis = any(i in self.graph.outputs for i in item.positions)
        self.scene.add(Mark(name, lines, kind, tuple(item.positions), item.scope, about, emphasis, box, look))

    def put_chip(self, item: Item, side: str, box: Box) -> None:
        """A chip, and its short line."""
        slot = self.wording.chips(item, self.made)[-1 if side == "over" else 0]  # a single one may be on either side
        (pair,) = item.inputs[slot][1]
        leaf: Any = self.graph.nodes[pair[0]]
        name = self.unique(item.scope, leaf.name or leaf.kind)
        lines, kind, about = self.wording.node(pair[0])
        self.scene.add(Mark(name, lines, kind, (pair[0],), item.scope, about, box=box))
        own = self.scene.marks[self.names[item.number]].box or box
        self.lines.append((pair[1], slot, Line(name, self.names[item.number], (pair,), route=short(box, own))))

    def put_inside(self, item: Item, box: Box) -> None:
        """The small graph of a planned scan, in its mark."""
        node = self.graph.nodes[item.positions[-1]]
        if self.made.level != "op" or not isinstance(node, Operation) or not is_planned(node):
            return
        self.frame(item.scope, "", "step", box)  # the ground: lines run above it and below the mark, which has none
        own, found = self.names[item.number], inside(self.graph, node)
        parts: list[str] = []
        left, bottom = box.x - found.width / 2, box.bottom
        for lines, look, place in found.parts:
            name = self.unique((*item.scope, "step"), lines[0])
            here = place._replace(x=left + place.x, y=bottom + place.y)
            parts.append(self.scene.add(Mark(name, lines, look, (), item.scope, box=here)).name)
        for tail, head, kind, route in found.lines:
            start, end = (own if number is None else parts[number] for number in (tail, head))
            moved = tuple((left + x, bottom + y) for x, y in route)
            self.scene.lines.append(Line(start, end, (), kind, route=moved))

    def put_starts(self) -> None:
        """The states before the first step, beside the tiles that they go into."""
        uses: dict[int, list[tuple[Item, int]]] = {}
        for item, slot, source in self.links:
            if self.made.items[source].start:
                uses.setdefault(source, []).append((item, slot))
        for number, found in uses.items():
            start, block = self.made.items[number], self.blocks[number]
            key = start.where.lane, start.where.column or 0
            move, tile, board = Move(self.board, key), self.tiles.tile[key], self.board
            routes = [move.route(tile.routes[self.tiles.index[item.number], slot]) for item, slot in found]
            y, turned = routes[0][0][1], self.directions[key[0]] < 0
            edge = board.x[key[1]] + board.column_width[key[1]] + START if turned else board.x[key[1]] - START
            self.mark(start, Box(edge + block.width / 2 * (1 if turned else -1), y, block.width, block.height))
            for (item, slot), route in zip(found, routes, strict=True):
                self.join(number, item, slot, tidy([(edge, route[0][1]), *route]))

    def put_loop(self, item: Item) -> None:
        """The line from a layer to itself."""
        mark = self.scene.marks[self.names[item.number]]
        if mark.box is not None:
            x, y = mark.box.right, mark.box.y
            route = ((x, y + 9), (x + LOOP, y + 9), (x + LOOP, y - 9), (x, y - 9))
            self.lines.append((item.loop[0][1], -1, Line(mark.name, mark.name, tuple(item.loop), "state", route=route)))

    def join(self, source: int, item: Item, slot: int, route: Route) -> None:
        """A line for an input of an item."""
        pairs = tuple(item.inputs[slot][1])
        kind: LineKind = "data"
        if self.tiles.ways[item.number][slot] == "state":
            kind = "memory" if self.tiles.is_memory(item, slot, source) else "state"
        line = Line(self.names[source], self.names[item.number], pairs, kind, route=route)
        self.lines.append((pairs[0][1], slot, line))


class Move:
    """From the coordinates of a tile to those of the board; tiles that run from right to left are mirrored."""

    def __init__(self, board: Board, key: Key) -> None:
        self.left, self.bottom = board.tile_left(*key), board.y[key[0]]
        self.width = board.tiles[key].width
        self.turned = board.directions[key[0]] < 0

    def box(self, box: Box) -> Box:
        """A box."""
        x = self.width - box.x if self.turned else box.x
        return Box(self.left + x, self.bottom + box.y, box.width, box.height)

    def route(self, route: Route) -> Route:
        """A route."""
        left, bottom = self.left, self.bottom
        if self.turned:
            return tuple([(left + self.width - x, bottom + y) for x, y in route])
        return tuple([(left + x, bottom + y) for x, y in route])
