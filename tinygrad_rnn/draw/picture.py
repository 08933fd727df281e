"""From the recorded graph to a ``graphviz.Digraph``: one node an operation, one cluster a scope, time left to right."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from tinygrad_rnn.draw.graph import Graph, Leaf, Operation, Vertex, collect
from tinygrad_rnn.draw.layout import keep_apart, outer, steps_between
from tinygrad_rnn.draw.style import EDGE, FAMILIES, FAR, GRAPH, MODULE, NODE, STATE, STEP, family, label, tooltip
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Scope, Tensor

if TYPE_CHECKING:
    from types import ModuleType

    import graphviz

Key: TypeAlias = tuple[int, Scope | int | None]  # position in the graph; for a leaf also the scope or the use it serves

MOST_NODES = 3000  # more than a layout program arranges in reasonable time, or an eye takes in
MOST_USES = 3  # of one leaf in one scope, before it is drawn anew at each use


def draw(*outputs: Tensor) -> graphviz.Digraph:
    """A picture of every recorded operation that ``outputs`` were computed by, as a ``graphviz.Digraph``.

    A notebook shows it; ``.source`` is its DOT text, ``.render("lstm", format="svg")`` writes a file (that needs the
    program ``dot``). Each operation is one node, and an edge goes to it from each of its inputs. A scope is a frame
    around its operations, time steps run from left to right, and edges from one step to another are blue. A parameter
    or input is drawn anew in each scope that uses it. Shapes stand where they change; hovering over a node of an SVG
    shows the rest.

    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> [line.strip() for line in draw(w + w).body if "->" in line]
    ['"w #1" -> "add #1"', '"w #1" -> "add #1"']

    Raises TypeError for an output that is no Tensor, ValueError for one that was not recorded or for more than 3,000
    operations, RuntimeError if the graph was freed by backward, ImportError if the package graphviz is missing.
    """
    if not outputs:
        raise TypeError("draw: takes at least one tensor, as in draw(loss)")
    graph = collect(outputs)
    size = len(graph.operations())
    if size > MOST_NODES:
        raise ValueError(
            f"draw: the graph has {size:,} operations, and a picture holds at most {MOST_NODES:,}; unroll fewer time "
            "steps (3 look like 1,000), draw a tensor nearer to the inputs, or detach() what shall not be drawn"
        )
    return Picture(load_graphviz(), graph).digraph()


def load_graphviz() -> ModuleType:
    """The package graphviz, or an error that says how to get it."""
    try:
        import graphviz
    except ImportError as error:
        raise ImportError("draw: the Python package graphviz is missing; pip install graphviz") from error
    return graphviz  # type: ignore[no-any-return]


class Picture:
    """The Digraph of one graph in the making: a sheet for each scope, and names that no two nodes share."""

    def __init__(self, package: ModuleType, graph: Graph) -> None:
        self.graphviz, self.graph = package, graph
        top = package.Digraph("computation graph", graph_attr=GRAPH, node_attr=NODE, edge_attr=EDGE)
        self.sheets: dict[Scope, graphviz.Digraph] = {(): top}
        self.scopes: dict[str, Scope] = {}  # of each node, by its name
        self.names: Counter[str] = Counter()
        self.uses = Counter((source, op.scope) for _, op in graph.operations() for source in set(op.inputs))
        self.drawn: dict[Key, str] = {}  # the names of nodes

    def digraph(self) -> graphviz.Digraph:
        """The whole picture: nodes into their scopes, scopes into each other, then the edges."""
        edges: list[tuple[str, str]] = []
        for i, operation in self.graph.operations():
            self.drawn[i, None] = name = self.node(operation, operation.scope, emphasis=i in self.graph.outputs)
            edges += [(source, name) for source in self.sources(i, operation)]
        for scope in sorted(self.sheets, key=len, reverse=True)[:-1]:
            self.sheets[scope[:-1]].subgraph(self.sheets[scope])
        for tail, head in edges:
            self.edge(tail, head)
        top = self.sheets[()]
        for tail, head in keep_apart(self.scopes, edges):
            top.edge(tail, head, style="invis", weight="0")
        return top

    def sources(self, i: int, operation: Operation) -> list[str]:
        """The names of the inputs of operation ``i``; leaves that are not yet in its scope are drawn there."""
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
                    self.drawn[key] = self.node(x, scope)
                if not 1 < uses <= MOST_USES and (x.kind == "parameter" or not stepping):  # a step's branches are dense
                    beside.append(self.drawn[key])
            keys.append(key)
        if beside and any(isinstance(nodes[source], Operation) for source in operation.inputs):
            with self.sheet(scope).subgraph() as column:
                column.attr(rank="same")
                column.node(beside[0])
                column.node(self.drawn[i, None])
        return [self.drawn[key] for key in keys]

    def node(self, node: Vertex, scope: Scope, *, emphasis: bool = False) -> str:
        """Draw ``node`` inside ``scope``; returns the name it has in the Digraph."""
        name = self.unique(scope, node.name or node.kind if isinstance(node, Leaf) else node.op)
        inputs = [] if isinstance(node, Leaf) else [self.graph.nodes[i] for i in node.inputs]
        look = dict(FAMILIES[family(node)], tooltip=self.text(tooltip(node)))
        if emphasis:
            look["penwidth"] = "2.4"
        self.scopes[name] = scope
        self.sheet(scope).node(name, self.text(*label(node, inputs)), **look)
        return name

    def edge(self, tail: str, head: str) -> None:
        """Draw an edge: blue if it goes from one time step to another."""
        a, b, top = self.scopes[tail], self.scopes[head], self.sheets[()]
        steps = steps_between(a, b)
        if steps > 0:
            top.edge(tail, head, **STATE)
        elif steps < 0:  # a network that reads backwards: laid out turned round, so that time still runs to the right
            top.edge(head, tail, dir="back", **STATE)
        else:
            top.edge(tail, head, **({} if a == b else FAR))

    def sheet(self, scope: Scope) -> graphviz.Digraph:
        """The cluster of ``scope``, made when first asked for, like those around it."""
        for around in outer(scope):
            if around not in self.sheets:
                part = around[-1]
                step = isinstance(part, int)
                title, where = self.text(f"t = {part}" if step else str(part)), self.text(describe(around))
                look = {**(STEP if step else MODULE), "label": title, "tooltip": where}
                self.sheets[around] = self.graphviz.Digraph(f"cluster {self.unique(around, '')}", graph_attr=look)
        return self.sheets[scope]

    def unique(self, scope: Scope, word: str) -> str:
        """A name from where a thing is, what it is and how many of its kind came before."""
        base = re.sub(r"[^\w .=/-]", "_", " / ".join(filter(None, (describe(scope), word))))
        self.names[base] += 1
        return f"{base} #{self.names[base]}"  # no base contains '#', so no two names are equal

    def text(self, *lines: str) -> str:
        """Lines as a DOT label that shows exactly them: control characters as Python writes them, no markup."""
        shown = ("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in s) for s in lines)
        escaped = (s.replace("\\", "\\\\").replace("&", "&amp;") for s in shown)
        return self.graphviz.nohtml("\\n".join(escaped))  # type: ignore[no-any-return]
