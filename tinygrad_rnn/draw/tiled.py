"""A placed scene of a graph that runs along time: marks and lines from items, tiles and the board."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

from tinygrad_rnn.draw.board import HEAD, PAD, Board, Cable, Place, Shelf
from tinygrad_rnn.draw.flat import Names, Note, no_notes
from tinygrad_rnn.draw.graph import Leaf, Operation
from tinygrad_rnn.draw.project import Item, Projection
from tinygrad_rnn.draw.scene import Box, Frame, FrameKind, Line, LineKind, Mark, Point, Scene
from tinygrad_rnn.draw.style import block_size, dims, family, label, sign, text_width, tooltip
from tinygrad_rnn.draw.tile import LEAD, Block, Route, Step, Tile, Wire, lay_out
from tinygrad_rnn.draw.templates import of_operations, of_step, set_out
from tinygrad_rnn.op import describe

if TYPE_CHECKING:
    from tinygrad_rnn.draw.lanes import Lane, Time
    from tinygrad_rnn.draw.theme import Theme

LOOP = 22.0  # how far a loop reaches to the right


class Tiled:
    """The scene of one projection in the making."""

    def __init__(self, made: Projection, theme: Theme, notes: Note = no_notes) -> None:
        self.made, self.graph, self.notes = made, made.graph, notes
        self.scene = Scene(made.graph, theme, placed=True)
        self.unique = Names()
        self.words = [self.noted(item) for item in made.items]
        self.tile_items: dict[tuple[int, int], list[int]] = {}
        self.starts: list[Item] = []
        self.lines: list[tuple[int, int, Line]] = []  # with the operation and its input: the order to be drawn in
        self.shelves: dict[int, list[Shelf]] = {}
        for item in made.items:
            if item.start:
                self.starts.append(item)
            elif item.where.column is None or item.where.inputs:
                shelf = Shelf(item.number, self.block(item), column=item.where.column)
                self.shelves.setdefault(item.where.lane, []).append(shelf)
            else:
                self.tile_items.setdefault((item.where.lane, item.where.column), []).append(item.number)
        self.index = {n: k for numbers in self.tile_items.values() for k, n in enumerate(numbers)}
        self.directions = [self.direction(lane) for lane in range(len(made.lanes.order))]
        self.top: dict[tuple[int, int], set[int]] = {}  # blocks of tiles whose results go out
        self.right: dict[tuple[int, int], set[int]] = {}
        self.links = [(item, slot, source) for item in made.items for slot, (source, _) in enumerate(item.inputs)]

    # --------------------------------------------------------------------------------------------------- what is said

    def noted(self, item: Item) -> tuple[tuple[str, ...], str, str]:
        """(label, family, tooltip) of an item, with notes below the label."""
        lines, kind, about = self.wording(item)
        return (*lines, *self.notes(item.positions)), kind, about

    def wording(self, item: Item) -> tuple[tuple[str, ...], str, str]:
        """(label, family, tooltip) of an item."""
        nodes = [self.graph.nodes[i] for i in item.positions]
        if item.start and (len(nodes) > 1 or self.made.level != "op"):
            return (
                (", ".join(label(node, [])[0] for node in nodes),),
                "input",
                "the state before the first step",
            )
        if len(nodes) == 1 and not item.loop:
            node = nodes[0]
            inputs = [] if isinstance(node, Leaf) else [self.graph.nodes[i] for i in node.inputs]
            lines = tuple(label(node, inputs))
            return lines, family(node), tooltip(node)
        return self.group_wording(item)

    def group_wording(self, item: Item) -> tuple[tuple[str, ...], str, str]:
        """The same for an item of several nodes."""
        nodes = [self.graph.nodes[i] for i in item.positions]
        operations = [node for node in nodes if isinstance(node, Operation)]
        if not operations:
            names = dict.fromkeys(node.name for node in nodes)
            what = next(iter(names)) if len(names) == 1 else f"{len(nodes)} inputs"
            return (what,), "input", f"{len(nodes)} inputs"
        count = f"{len(operations)} operations"
        where, column = item.where, None if item.where.column is None else self.made.columns[item.where.column]
        if column is not None and column.fold and self.made.level != "layer":
            steps = sorted({self.made.lanes.time[i] for i in item.positions})
            return (span(steps), f"{len(steps)} steps"), "fold", f"{count} in {len(steps)} steps"
        lane = self.made.lanes.order[where.lane] if column is not None else None
        name = lane.path[-1] if lane and lane.path else str(item.scope[-1]) if item.scope else ""
        signs = [sign(node) for node in operations]
        what = ", ".join(signs) if len(signs) < 4 else count
        if column is not None and self.made.level == "layer":
            steps = sorted({self.made.lanes.time[i] for i in item.positions if i in self.made.lanes.time})
            return (name or "step", f"× {len(steps)}"), "cell", count
        if lane is None:
            return tuple(filter(None, (name, what))), family(operations[-1]), count
        found = of_operations(self.graph, self.made.lanes.time, item.positions)
        return (found.template.name if found else name or what,), "cell", count

    def block(self, item: Item) -> Block:
        """The size of an item's mark, and of its chips."""
        lines, kind, _ = self.words[item.number]
        width, height = block_size(lines, kind)
        chips = [self.chip_size(item.inputs[slot][1][0][0]) for slot in self.chips(item)]
        under, over = [*chips, None, None][:2]
        return Block(width, height, kind == "pointwise" and len(lines) == 1, under, over)

    def chips(self, item: Item) -> list[int]:
        """The inputs drawn as chips of an item: of one operation, at the level of operations."""
        if self.made.level != "op" or len(item.positions) > 1:
            return []
        return [slot for slot, (source, _) in enumerate(item.inputs) if source is None]

    def chip_size(self, leaf: int) -> tuple[float, float]:
        """The size of a chip."""
        node = self.graph.nodes[leaf]
        return block_size(self.chip_lines(leaf), family(node))

    def chip_lines(self, leaf: int) -> tuple[str, ...]:
        """The label of a chip."""
        return (*label(self.graph.nodes[leaf], []), *self.notes((leaf,)))

    def direction(self, lane: int) -> int:
        """1 if a lane's states go to later steps, -1 if to earlier ones."""
        time, lanes = self.made.lanes.time, self.made.lanes
        name = lanes.order[lane]
        for (k, at), step in self.made.steps.items():
            if k != lane:
                continue
            for i in step:
                for s in self.graph.nodes[i].inputs:  # type: ignore[union-attr]
                    if lanes.lane.get(s) == name and time[s] != at:
                        return 1 if time[s] < at else -1
        return 1

    # ------------------------------------------------------------------------------------------------------ the tiles

    def way(self, item: Item, source: int) -> str:
        """How an input reaches an item in a tile: from a block of the same tile, as a state, or from below."""
        where, other = item.where, self.made.items[source]
        if other.start:
            return "state"
        if other.where.column is None or other.where.inputs:
            return "below"
        if other.where[:2] == where[:2]:
            return "local"
        return "below" if other.where.column == where.column else "state"

    def outlets(self) -> None:
        """Which results leave their tiles, and where."""
        for item, _, source in self.links:
            if source is None or item.start:
                continue
            other = self.made.items[source]
            if other.start or other.where.column is None or other.where.inputs:
                continue
            key, k = (other.where.lane, other.where.column), self.index[source]
            if item.where.column is None or self.way(item, source) == "below":
                self.top.setdefault(key, set()).add(k)
            elif self.way(item, source) == "state":
                self.right.setdefault(key, set()).add(k)

    def tiles(self) -> dict[tuple[int, int], Tile]:
        """The tile of each lane and column. Steps that differ in what leaves them only share one layout."""
        steps = {key: self.step(key) for key in self.tile_items if not self.folded(key)}
        union: dict[Step, Step] = {}
        for key, step in steps.items():
            bare = replace(step, right=(), top=(), ties=())
            both = union.get(bare, bare)
            union[bare] = replace(
                bare,
                right=tuple(sorted({*both.right, *step.right})),
                top=tuple(sorted({*both.top, *step.top})),
                ties=tuple(dict([*both.ties, *step.ties]).items()),
            )
        drawn: dict[Step, Tile] = {}
        tiles: dict[tuple[int, int], Tile] = {}
        for key, step in steps.items():
            whole = union[replace(step, right=(), top=(), ties=())]
            if whole not in drawn:
                drawn[whole] = self.single(whole) if len(whole.blocks) == 1 else self.placed(whole)
            tiles[key] = drawn[whole]
        for key in self.tile_items:
            if self.folded(key):
                tiles[key] = self.fold(key, tiles)
        return tiles

    def placed(self, step: Step) -> Tile:
        """The tile of a step: by a template, if there is one for it."""
        found = of_step(step)
        return lay_out(step) if found is None else set_out(step, found)

    def folded(self, key: tuple[int, int]) -> bool:
        """Whether a tile stands for several steps."""
        return self.made.columns[key[1]].fold

    def step(self, key: tuple[int, int]) -> Step:
        """What a tile is made from, without the numbers of items."""
        lane, column = key
        blocks, wires = [], []
        states: dict[Hashable, int] = {}
        ties: dict[Hashable, int] = {}
        for n in self.tile_items[key]:
            item = self.made.items[n]
            blocks.append(self.block(item))
            for slot, (source, _) in enumerate(item.inputs):
                if source is None:
                    continue
                way = self.way(item, source)
                if way == "local":
                    wires.append(Wire(self.index[n], slot, source=self.index[source]))
                    continue
                state = states.setdefault(source, len(states)) if way == "state" else None
                wires.append(Wire(self.index[n], slot, state=state))
                other = self.made.items[source].where
                if (
                    state is not None
                    and not self.made.items[source].start
                    and other.lane == lane
                    and not self.folded((lane, other.column or 0))
                ):
                    ties[state] = self.index[source]
        outlets = (tuple(sorted(found.get(key, ()))) for found in (self.right, self.top))
        ops = tuple(getattr(self.graph.nodes[self.made.items[n].positions[0]], "op", "") for n in self.tile_items[key])
        return Step(ops, tuple(blocks), tuple(wires), *outlets, tuple(ties.items()))

    def single(self, step: Step) -> Tile:
        """The tile of one block: states come in from the left and leave to the right, the rest goes straight up."""
        block = step.blocks[0]
        left = block.under[0] + LEAD if block.under else 0.0
        right = block.over[0] + LEAD if block.over else 0.0
        width, height = (
            left + block.width + right,
            max(block.height, *(c[1] for c in (block.under, block.over) if c), 0),
        )
        x, y = left + block.width / 2, height / 2
        tile = Tile(width, height, [Box(x, y, block.width, block.height)])
        if block.under:
            tile.chips[0, "under"] = Box(block.under[0] / 2, y, *block.under)
        if block.over:
            tile.chips[0, "over"] = Box(width - block.over[0] / 2, y, *block.over)
        for from_left in (True, False):
            wires = [wire for wire in step.wires if (wire.state is not None) == from_left]
            for k, wire in enumerate(wires):
                shift = 16.0 * (k - (len(wires) - 1) / 2)
                end = (left, y + shift / 2) if from_left else (x + shift, y - block.height / 2)
                start = (0.0, end[1]) if from_left else (end[0], 0.0)
                tile.routes[0, wire.slot] = (start, end) if start != end else (start,)
        tile.right[0] = ((left + block.width, y), (width, y)) if right else ((width, y),)
        tile.top[0] = ((x, y + block.height / 2), (x, height))
        return tile

    def fold(self, key: tuple[int, int], tiles: dict[tuple[int, int], Tile]) -> Tile:
        """The tile of folded steps: as high as its neighbours, so that states run straight through it."""
        lane, column = key
        n = self.tile_items[key][0]
        item = self.made.items[n]
        block = self.block(item)
        height = max(
            [block.height, *(t.height for (k, c), t in tiles.items() if k == lane and not self.folded((k, c)))]
        )
        tile = Tile(block.width, height, [Box(block.width / 2, height / 2, block.width, height)])
        below = [
            slot
            for slot, (source, _) in enumerate(item.inputs)
            if source is not None and self.way(item, source) == "below"
        ]
        for slot, (source, _) in enumerate(item.inputs):
            if source is None:
                continue
            other = self.made.items[source].where
            if slot in below:
                x = block.width * (below.index(slot) + 1) / (len(below) + 1)
                tile.routes[0, slot] = ((x, 0.0),)
            elif (other.lane, other.column) in tiles and other.lane == lane and not self.made.items[source].start:
                tile.routes[0, slot] = ((0.0, tiles[other.lane, other.column or 0].right[self.index[source]][-1][1]),)
            else:
                tile.routes[0, slot] = ((0.0, height * (slot + 1) / (len(item.inputs) + 1)),)
        tile.top[0] = ((block.width / 2, height),)
        tile.right[0] = ((block.width, height / 2),)
        return tile

    # ------------------------------------------------------------------------------------------------------- the scene

    def scene_of(self) -> Scene:
        """Everything, placed."""
        self.outlets()
        tiles = self.tiles()
        cables: list[Cable] = []
        drawn: list[tuple[Item, int, int]] = []
        for item, slot, source in self.links:
            if source is None or item.start or self.made.items[source].start:
                continue
            if item.where.column is not None and self.way(item, source) == "local":
                continue
            cables.append(Cable(self.source(item, slot, source, tiles), self.target(item, slot)))
            drawn.append((item, slot, source))
        self.board = board = Board(
            tiles, self.directions, len(self.made.columns), self.shelves, cables, self.margins(tiles)
        )
        self.put_frames()
        self.put_marks(tiles)
        self.put_starts(tiles)
        for (item, slot, source), route in zip(drawn, board.routes, strict=True):
            state = item.where.column is not None and self.way(item, source) == "state"
            self.join(source, item, slot, route, "state" if state else "data")
        self.lines.sort(key=lambda entry: entry[:2])
        self.scene.lines += (line for _, _, line in self.lines)
        return self.scene

    def source(self, item: Item, slot: int, source: int, tiles: dict[tuple[int, int], Tile]) -> Place:
        """Where a line starts."""
        other = self.made.items[source].where
        if other.column is None or other.inputs:
            return Place(item=source)
        key = (other.lane, other.column)
        up = item.where.column is None or self.way(item, source) == "below"
        if not up and self.folded(key):  # level with the place where it comes in
            goal = tiles.get((item.where.lane, item.where.column or 0))
            y = goal.routes[self.index[item.number], slot][0][1] if goal and item.where.lane == other.lane else None
            if y is not None:
                tiles[key].right[slot + 1000 * self.index[item.number]] = ((tiles[key].width, y),)
                return Place(
                    lane=other.lane, column=other.column, port=("right", slot + 1000 * self.index[item.number])
                )
        return Place(lane=other.lane, column=other.column, port=("top" if up else "right", self.index[source]))

    def target(self, item: Item, slot: int) -> Place:
        """Where a line ends."""
        if item.where.column is None or item.where.inputs:
            return Place(item=item.number)
        return Place(lane=item.where.lane, column=item.where.column, port=(self.index[item.number], slot))

    def margins(self, tiles: dict[tuple[int, int], Tile]) -> dict[int, float]:
        """What starts and titles need of the aisles."""
        need: dict[int, float] = {}
        for item in self.starts:
            c = item.where.column or 0
            aisle = c + (self.directions[item.where.lane] < 0)
            need[aisle] = max(need.get(aisle, 0.0), self.block(item).width + 6)
        titles = max((text_width(self.title(lane), 13) for lane in self.made.lanes.order), default=0.0)
        need[0] = need.get(0, 0.0) + (titles if self.made.level != "layer" else 0.0)
        if self.made.level == "layer":
            need[len(self.made.columns)] = LOOP + 8
        return need

    def title(self, lane: Lane) -> str:
        """What stands on the left of a lane."""
        return ".".join(lane.path)

    def put_frames(self) -> None:
        """A frame around each tile at the level of operations; at that of cells, around each column."""
        board, made = self.board, self.made
        if made.level == "layer":
            return
        for lane, name in enumerate(made.lanes.order):
            bottom, top = board.y[lane] - PAD, board.y[lane] + board.lane_height[lane] + PAD
            box = Box(board.width / 2, (bottom + top) / 2, board.width, top - bottom)
            about = describe(name.path)
            self.scene.frames[*name.path, len(self.scene.frames)] = Frame(
                self.unique(name.path, ""), ".".join(name.path), "lane", name.path, about, box
            )
        if made.level == "cell":
            for c, column in enumerate(made.columns):
                bottom, top = board.y[0] - PAD, board.y[-1] + board.lane_height[-1] + PAD + HEAD
                x, width = board.x[c], board.column_width[c]
                box = Box(x + width / 2, (bottom + top) / 2, width + 2 * PAD, top - bottom)
                self.frame((), column.times, box, "fold" if column.fold else "column")
            return
        for lane, column in self.tile_items:
            if self.folded((lane, column)):
                continue
            bottom, height = board.y[lane] - PAD, board.lane_height[lane] + 2 * PAD + HEAD
            x, width = board.x[column], board.column_width[column]
            box = Box(x + width / 2, bottom + height / 2, width + 2 * PAD, height)
            self.frame(made.lanes.order[lane].path, made.columns[column].times, box, "step")

    def frame(self, path: tuple[str, ...], times: tuple[Time, ...], box: Box, kind: FrameKind) -> None:
        """One frame."""
        scope = (*path, *times[0], *(() if len(times) == 1 else ("…", *times[-1])))
        name = self.unique(scope, "")
        title = "" if kind == "fold" else span(list(times))
        self.scene.frames[*scope, len(self.scene.frames)] = Frame(name, title, kind, scope, describe(scope), box)

    def put_marks(self, tiles: dict[tuple[int, int], Tile]) -> None:
        """The marks of items and chips, the lines inside tiles, and titles."""
        board, made = self.board, self.made
        self.names: dict[int, str] = {}
        for (lane, column), numbers in self.tile_items.items():
            tile, left, bottom = tiles[lane, column], board.tile_left(lane, column), board.y[lane]
            turned = board.directions[lane] < 0
            for n, box in zip(numbers, tile.boxes, strict=True):
                self.mark(made.items[n], moved(box, left, bottom, tile.width, turned=turned))
            for n in numbers:
                item, k = made.items[n], self.index[n]
                self.put_chips(
                    item,
                    {
                        s: moved(b, left, bottom, tile.width, turned=turned)
                        for (j, s), b in tile.chips.items()
                        if j == k
                    },
                )
                for slot, (source, _) in enumerate(item.inputs):
                    if source is not None and self.way(item, source) == "local":
                        route = shifted(tile.routes[k, slot], left, bottom, tile.width, turned=turned)
                        self.join(source, item, slot, route)
                if item.loop and made.level == "layer":
                    self.put_loop(item)
        for s in board.shelf.values():
            item = made.items[s.item]
            self.mark(item, Box(s.x, s.y, s.width, s.block.height))
            boxes = {}
            for side, chip, sign in (("under", s.block.under, -1), ("over", s.block.over, 1)):
                if chip:
                    boxes[side] = Box(s.x + sign * (s.width / 2 + LEAD + chip[0] / 2), s.y, *chip)
            self.put_chips(item, boxes)

    def mark(self, item: Item, box: Box) -> None:
        """The mark of an item."""
        lines, kind, about = self.words[item.number]
        node = self.graph.nodes[item.positions[0]]
        single = len(item.positions) == 1
        word = (node.name or node.kind if isinstance(node, Leaf) else node.op) if single else kind
        self.names[item.number] = name = self.unique(item.scope, word)
        look = {"shape": "box", "style": "rounded,filled"} if kind == "pointwise" and len(lines) > 1 else {}
        emphasis = any(i in self.graph.outputs for i in item.positions)
        self.scene.add(Mark(name, lines, kind, tuple(item.positions), item.scope, about, emphasis, box, look))

    def put_chips(self, item: Item, boxes: dict[str, Box]) -> None:
        """The chips of an item, and their short lines."""
        if not boxes:
            return
        own = self.scene.marks[self.names[item.number]].box
        for slot, box in zip(self.chips(item), boxes.values(), strict=False):
            position = item.inputs[slot][1][0][0]
            leaf = self.graph.nodes[position]
            name = self.unique(item.scope, getattr(leaf, "name", "") or getattr(leaf, "kind", ""))
            self.scene.add(
                Mark(name, self.chip_lines(position), family(leaf), (position,), item.scope, tooltip(leaf), box=box)
            )
            line = Line(name, self.names[item.number], tuple(item.inputs[slot][1]), route=short(box, own))  # type: ignore[arg-type]
            self.lines.append((item.inputs[slot][1][0][1], slot, line))

    def put_starts(self, tiles: dict[tuple[int, int], Tile]) -> None:
        """The states before the first step, beside the tiles that they go into."""
        board = self.board
        uses: dict[int, list[tuple[Item, int]]] = {}
        for item, slot, source in self.links:
            if source is not None and self.made.items[source].start:
                uses.setdefault(source, []).append((item, slot))
        for start in self.starts:
            lane, column = start.where.lane, start.where.column or 0
            tile, left, bottom = tiles[lane, column], board.tile_left(lane, column), board.y[lane]
            turned = self.directions[lane] < 0
            block = self.block(start)
            routes = [shifted(tile.routes[self.index[item.number], slot], left, bottom, tile.width, turned=turned)
                      for item, slot in uses[start.number]]  # fmt: skip
            y = routes[0][0][1]
            edge = board.x[column] + board.column_width[column] + 20 if turned else board.x[column] - 20
            box = Box(edge + (block.width / 2 if turned else -block.width / 2), y, block.width, block.height)
            self.mark(start, box)
            for (item, slot), route in zip(uses[start.number], routes, strict=True):
                self.join(start.number, item, slot, ((edge, y), *route), "state")

    def put_loop(self, item: Item) -> None:
        """The line from a layer to itself."""
        mark = self.scene.marks[self.names[item.number]]
        box = mark.box
        if box is not None:
            x, y = box.right, box.y
            route = ((x, y + 9), (x + LOOP, y + 9), (x + LOOP, y - 9), (x, y - 9))
            self.lines.append((item.loop[0][1], -1, Line(mark.name, mark.name, tuple(item.loop), "state", route=route)))

    def join(self, source: int, item: Item, slot: int, route: Route, kind: LineKind = "data") -> None:
        """A line for an input of an item."""
        pairs = tuple(item.inputs[slot][1])
        self.lines.append(
            (pairs[0][1], slot, Line(self.names[source], self.names[item.number], pairs, kind, route=route))
        )


def moved(box: Box, left: float, bottom: float, width: float, *, turned: bool) -> Box:
    """A box of a tile on the board; tiles that run from right to left are mirrored."""
    return Box(left + (width - box.x if turned else box.x), bottom + box.y, box.width, box.height)


def shifted(route: Route, left: float, bottom: float, width: float, *, turned: bool) -> Route:
    """A route of a tile on the board."""
    if turned:
        return tuple((left + width - x, bottom + y) for x, y in route)
    return tuple((left + x, bottom + y) for x, y in route)


def short(a: Box, b: Box) -> Route:
    """The straight line between two boxes that are beside each other or on top of each other."""
    if abs(a.x - b.x) < 1:
        return ((a.x, a.top), (a.x, b.bottom)) if a.y < b.y else ((a.x, a.bottom), (a.x, b.top))
    return ((a.right, a.y), (b.left, a.y)) if a.x < b.x else ((a.left, a.y), (b.right, a.y))


def span(times: list[Time]) -> str:
    """Time steps as a title.

    >>> span([(3,)]), span([(3,), (4,)]), span([(0, 3)])
    ('t = 3', 't = 3 … 4', 't = 0, 3')
    """
    first, last = (", ".join(map(str, time)) for time in (times[0], times[-1]))
    return f"t = {first}" if len(times) == 1 else f"t = {first} … {last}"


__all__ = ["Tiled", "dims", "span"]
