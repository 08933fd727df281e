"""The tiles of a projection: what each time step of each lane is made from, and its layout."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from tinygrad_rnn.draw.layered import lay_out
from tinygrad_rnn.draw.project import Item, Projection
from tinygrad_rnn.draw.scene import Box
from tinygrad_rnn.draw.setting import set_out
from tinygrad_rnn.draw.templates import of_step
from tinygrad_rnn.draw.tile import LEAD, Block, Step, Tile, Wire

Key: TypeAlias = tuple[int, int]  # lane and column
Port: TypeAlias = tuple[int, int] | int  # of a tile: (block, slot) on the left, block on the right
Way: TypeAlias = Literal["chip", "local", "state", "below"]

PORT = 16.0  # between two lines into one side of a block


class Tiles:
    """The tiles by lane and column, and the block of each item in its tile."""

    def __init__(self, made: Projection, blocks: Sequence[Block]) -> None:
        self.made, self.blocks = made, blocks
        self.members: dict[Key, list[int]] = {}  # the items in each tile
        for item in made.items:
            if item.where.column is not None and not item.start and not item.where.inputs:
                self.members.setdefault((item.where.lane, item.where.column), []).append(item.number)
        self.ways = [tuple([self.way_of(item, source) for source, _ in item.inputs]) for item in made.items]
        self.index = {n: k for numbers in self.members.values() for k, n in enumerate(numbers)}
        self.top: dict[Key, set[int]] = {}  # blocks whose results go out
        self.right: dict[Key, set[int]] = {}
        self.outlets()
        self.tile: dict[Key, Tile] = {}
        self.memories: dict[Key, frozenset[Port]] = {}  # of templates that have one: where it comes in and goes out
        self.lay()

    def way_of(self, item: Item, source: int | None) -> Way:
        """How an input reaches an item: as a chip, from a block of the same tile, as a state, or from below."""
        if source is None:
            return "chip"
        where, other = item.where, self.made.items[source]
        if where.column is None or where.inputs:
            return "below"
        if other.start:
            return "state"
        if other.where.column is None or other.where.inputs:
            return "below"
        if other.where[:2] == where[:2]:
            return "local"
        return "below" if other.where.column == where.column else "state"

    def folded(self, key: Key) -> bool:
        """Whether a tile stands for several steps."""
        return self.made.columns[key[1]].fold

    def outlets(self) -> None:
        """Which results leave their tiles, and where."""
        for item in self.made.items:
            for (source, _), way in zip(item.inputs, self.ways[item.number], strict=True):
                if source is not None and source in self.index and way != "local":
                    other = self.made.items[source].where
                    found = self.top if way == "below" else self.right
                    found.setdefault((other.lane, other.column or 0), set()).add(self.index[source])

    def lay(self) -> None:
        """Lay out each step. Steps that differ only in what leaves them share a layout, with all ways out."""
        bare = {key: self.step(key) for key in self.members if not self.folded(key)}
        whole: dict[Step, Step] = {}
        for key, step in bare.items():
            one = whole.get(step, step)
            right, top = self.right.get(key, set()).union(one.right), self.top.get(key, set()).union(one.top)
            ties = one.ties or self.ties(key)
            if (len(right), len(top), ties) != (len(one.right), len(one.top), one.ties) or step not in whole:
                whole[step] = replace(step, right=tuple(sorted(right)), top=tuple(sorted(top)), ties=ties)
        drawn = {step: self.layout(one) for step, one in whole.items()}
        for key, step in bare.items():
            self.tile[key], self.memories[key] = drawn[step]
        for key in self.members:
            if self.folded(key):
                self.tile[key] = self.fold(key)

    def states(self, key: Key) -> list[int]:
        """The items that a tile's states come from; their order numbers the states."""
        return list(dict.fromkeys(
            source for n in self.members[key]
            for (source, _), way in zip(self.made.items[n].inputs, self.ways[n], strict=True)
            if source is not None and way == "state"
        ))  # fmt: skip

    def layout(self, step: Step) -> tuple[Tile, frozenset[Port]]:
        """The tile of a step, by a template, if there is one for it; and where its memory comes in and goes out."""
        chips = any(block.under or block.over for block in step.blocks)
        if len(step.blocks) == 1 and not (chips and any(wire.state is not None for wire in step.wires)):
            return single(step), frozenset()
        found = of_step(step)
        if found is None:
            return lay_out(step), frozenset()
        return set_out(step, found), frozenset(found.memory(step))

    def step(self, key: Key) -> Step:
        """What a tile is made from, but for what leaves it, without the numbers of items."""
        items, nodes = self.made.items, self.made.graph.nodes
        wires: list[Wire] = []
        states: dict[int, int] = {}
        for k, n in enumerate(self.members[key]):
            for slot, ((source, _), way) in enumerate(zip(items[n].inputs, self.ways[n], strict=True)):
                if source is None:
                    continue
                if way == "local":
                    wires.append(Wire(k, slot, source=self.index[source]))
                else:
                    wires.append(
                        Wire(k, slot, state=states.setdefault(source, len(states)) if way == "state" else None)
                    )
        ops = tuple(getattr(nodes[items[n].positions[0]], "op", "") for n in self.members[key])
        return Step(ops, tuple(self.blocks[n] for n in self.members[key]), tuple(wires))

    def ties(self, key: Key) -> tuple[tuple[Hashable, int], ...]:
        """Which block of the step before makes each state, as far as that step is drawn."""
        found: list[tuple[Hashable, int]] = []
        for k, source in enumerate(self.states(key)):
            other = self.made.items[source]
            if not other.start and other.where.lane == key[0] and not self.folded((key[0], other.where.column or 0)):
                found.append((k, self.index[source]))
        return tuple(found)

    def is_memory(self, item: Item, slot: int, source: int) -> bool:
        """Whether a state is the memory of a cell: by the template of the step that it comes from or goes to."""
        for end, port in ((item, (self.index[item.number], slot)), (self.made.items[source], self.index.get(source))):
            if port in self.memories.get((end.where.lane, end.where.column or 0), ()):
                return True
        return False

    def fold(self, key: Key) -> Tile:
        """The tile of folded steps: as high as its neighbours, so that states run straight through it."""
        lane = key[0]
        item = self.made.items[self.members[key][0]]
        block = self.blocks[item.number]
        height = max([block.height, *(tile.height for (k, _), tile in self.tile.items() if k == lane)])
        tile = Tile(block.width, height, [Box(block.width / 2, height / 2, block.width, height)])
        sources = [(slot, source) for slot, (source, _) in enumerate(item.inputs) if source is not None]
        below = [slot for slot, way in enumerate(self.ways[item.number]) if way == "below"]
        for slot, source in sources:
            other = self.made.items[source]
            place = other.where.lane, other.where.column or 0
            if slot in below:
                tile.routes[0, slot] = ((block.width * (below.index(slot) + 1) / (len(below) + 1), 0.0),)
            elif not other.start and lane == place[0] and place in self.tile:
                tile.routes[0, slot] = ((0.0, self.tile[place].right[self.index[source]][-1][1]),)
            else:
                tile.routes[0, slot] = ((0.0, height * (slot + 1) / (len(item.inputs) + 1)),)
        tile.top[0] = ((block.width / 2, height),)
        tile.right[0] = ((block.width, height / 2),)
        return tile

    def leave_level(self, key: Key, item: Item, slot: int) -> int:
        """A port on the right of a fold, level with the place where ``item`` takes the state in."""
        goal = item.where.lane, item.where.column or 0
        port = 1 + slot + 1000 * self.index[item.number]
        if goal[0] != key[0] or goal not in self.tile:
            return 0
        self.tile[key].right[port] = (
            (self.tile[key].width, self.tile[goal].routes[self.index[item.number], slot][0][1]),
        )
        return port


def single(step: Step) -> Tile:
    """The tile of one block: states come in from the left and leave to the right, the rest goes straight up."""
    block = step.blocks[0]
    left = block.under[0] + LEAD if block.under else 0.0
    right = block.over[0] + LEAD if block.over else 0.0
    width, height = left + block.width + right, max(block.height, *(c[1] for c in (block.under, block.over) if c), 0)
    x, y = left + block.width / 2, height / 2
    tile = Tile(width, height, [Box(x, y, block.width, block.height)])
    if block.under:
        tile.chips[0, "under"] = Box(block.under[0] / 2, y, *block.under)
    if block.over:
        tile.chips[0, "over"] = Box(width - block.over[0] / 2, y, *block.over)
    for from_left in (True, False):
        wires = [wire for wire in step.wires if (wire.state is not None) == from_left]
        for k, wire in enumerate(wires):
            shift = PORT * (k - (len(wires) - 1) / 2)
            if from_left:
                tile.routes[0, wire.slot] = (
                    ((0.0, y + shift / 2), (left, y + shift / 2)) if left else ((0.0, y + shift / 2),)
                )
            else:
                bottom = y - block.height / 2
                tile.routes[0, wire.slot] = ((x + shift, 0.0), (x + shift, bottom)) if bottom else ((x + shift, 0.0),)
    tile.right[0] = ((left + block.width, y), (width, y)) if right else ((width, y),)
    tile.top[0] = ((x, y + block.height / 2), (x, height)) if y + block.height / 2 < height else ((x, height),)
    return tile
