"""A scene without places: every operation a mark in the frame of its scope, hints for the program that lays it out."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from tinygrad_rnn.draw.graph import Graph, Leaf, Operation
from tinygrad_rnn.draw.layout import keep_apart, outer, steps_between
from tinygrad_rnn.draw.scene import Frame, Line, Mark, Scene
from tinygrad_rnn.draw.wording import Wording
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Scope

if TYPE_CHECKING:
    from tinygrad_rnn.draw.theme import Theme

Key: TypeAlias = tuple[int, Scope | int | None]  # position in the graph; for a leaf also the scope or the use it serves


MOST_USES = 3  # of one leaf in one scope, before it is drawn anew at each use


class Names:
    """Names that no two things share, from where a thing is, what it is, and how many of its kind came before.

    >>> unique = Names()
    >>> unique(("lstm", 3), "add"), unique(("lstm", 3), "add")
    ('lstm / t=3 / add #1', 'lstm / t=3 / add #2')
    """

    def __init__(self) -> None:
        self.used: dict[str, int] = {}

    def __call__(self, scope: Scope, word: str) -> str:
        """A new name."""
        where, what = place(scope), plain(word)
        base = f"{where} / {what}" if where and what else where or what
        self.used[base] = count = self.used.get(base, 0) + 1
        return f"{base} #{count}"  # no base contains '#', so no two names are equal


@lru_cache(10_000)
def place(scope: Scope) -> str:
    """A scope as part of a name."""
    return plain(describe(scope))


@lru_cache(10_000)
def plain(word: str) -> str:
    """Text with only such characters as DOT and SVG take in names."""
    return re.sub(r"[^\w .=/-]", "_", word)


class Flat:
    """The scene of one graph in the making."""

    def __init__(self, graph: Graph, theme: Theme, wording: Wording) -> None:
        self.graph, self.scene, self.unique, self.wording = graph, Scene(graph, theme), Names(), wording
        self.uses = Counter((source, op.scope) for _, op in graph.operations() for source in set(op.inputs))
        self.drawn: dict[Key, str] = {}  # the names of marks

    def made(self) -> Scene:
        """The whole scene."""
        scene = self.scene
        for i, operation in self.graph.operations():
            self.drawn[i, None] = name = self.mark(i, operation.scope)
            for position, source in zip(operation.inputs, self.sources(i, operation), strict=True):
                scene.lines.append(self.line(source, name, (position, i)))
        ends = [(line.tail, line.head) for line in scene.lines]
        scopes = {name: mark.scope for name, mark in scene.marks.items()}
        scene.lines += (Line(tail, head, (), "hint") for tail, head in keep_apart(scopes, ends))
        return scene

    def sources(self, i: int, operation: Operation) -> list[str]:
        """The marks of the inputs of operation ``i``; leaves that are not yet in its scope are drawn there."""
        nodes, scope = self.graph.nodes, operation.scope
        keys: list[Key] = []
        stepping = any(isinstance(part, int) for part in scope)
        beside: list[str] = []  # leaves that only this operation uses: one of them may stand below or above it
        for source in operation.inputs:
            key: Key = source, None
            if isinstance(x := nodes[source], Leaf):
                uses = self.uses[source, scope]
                key = source, (scope if uses <= MOST_USES else i)
                if key not in self.drawn:
                    self.drawn[key] = self.mark(source, scope)
                if not 1 < uses <= MOST_USES and (x.kind == "parameter" or not stepping):  # a step's branches are dense
                    beside.append(self.drawn[key])
            keys.append(key)
        if beside and any(isinstance(nodes[source], Operation) for source in operation.inputs):
            self.scene.columns.append((beside[0], self.drawn[i, None]))
        return [self.drawn[key] for key in keys]

    def mark(self, position: int, scope: Scope) -> str:
        """Draw what is at ``position`` inside ``scope``; returns its name."""
        node = self.graph.nodes[position]
        name = self.unique(scope, node.name or node.kind if isinstance(node, Leaf) else node.op)
        for around in outer(scope):
            if around not in self.scene.frames:
                part = around[-1]
                step = isinstance(part, int)
                title, kind = f"t = {part}" if step else str(part), "step" if step else "module"
                self.scene.frames[around] = Frame(self.unique(around, ""), title, kind, around, describe(around))  # type: ignore[arg-type]
        lines, family, about = self.wording.node(position)
        emphasis = position in self.graph.outputs
        self.scene.add(Mark(name, lines, family, (position,), scope, about, emphasis))
        return name

    def line(self, tail: str, head: str, recorded: tuple[int, int]) -> Line:
        """An arrow: blue if it goes from one time step to another."""
        a, b = self.scene.marks[tail].scope, self.scene.marks[head].scope
        steps = steps_between(a, b)
        return Line(tail, head, (recorded,), "state" if steps else "data" if a == b else "far", backwards=steps < 0)
