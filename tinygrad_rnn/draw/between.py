"""What lies between a tensor and an output that was computed from it: the way that its gradient takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_rnn.draw.dot import write
from tinygrad_rnn.draw.engine import load_graphviz
from tinygrad_rnn.draw.flow import tensors
from tinygrad_rnn.draw.graph import Graph
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.scene import Scene
from tinygrad_rnn.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    import graphviz

FAINT = 0.82  # how far colours go to that of the paper


def path(output: Tensor, wrt: Tensor, **options: Any) -> graphviz.Digraph:
    """The picture of ``draw(output, **options)`` in which only what lies between ``wrt`` and ``output`` is strong.

    That is ``wrt``, and every operation that depends on it: the gradient of ``output`` with respect to ``wrt`` is the
    sum over all paths along the strong lines. Item t of the outputs that a layer has stacked stands for the state
    that was stacked there: ``path(loss, wrt=outputs[3])``.

    >>> x, w = Tensor(2.0, requires_grad=True, name="x"), Tensor(3.0, requires_grad=True, name="w")
    >>> y = x * w
    >>> picture = path(y.tanh() + w, wrt=y)

    Raises as ``draw``, and ValueError if ``output`` was not computed from ``wrt``.
    """
    load_graphviz()
    from tinygrad_rnn.draw.drawing import Drawing

    scene = scene_of(output, **options)
    start = position(scene.graph, output, wrt)
    strong = depending(scene.graph, start)
    for mark in scene.marks.values():
        if start in mark.positions:
            mark.emphasis = True
        if strong.isdisjoint(mark.positions):
            mark.look = {**mark.look, **faint({**scene.theme.node, **scene.theme.families[mark.family]}, scene)}
    for line in scene.lines:
        look = {**scene.theme.edge, **scene.theme.lines[line.kind]}
        if any(source in strong for source, _ in line.inputs):
            line.look = {**line.look, "color": scene.theme.palette.state, "penwidth": "2.4"}
        elif line.kind != "hint":
            line.look = {**line.look, **faint(look, scene)}
    return write(scene, Drawing)


def position(graph: Graph, output: Tensor, wrt: Tensor) -> int:
    """Where ``wrt`` is in the graph of ``output``."""
    if not isinstance(wrt, Tensor):
        raise TypeError(f"path: wrt is a tensor that the output was computed from, but this is a {type(wrt).__name__}")
    if wrt is output:
        raise ValueError("path: wrt is the output itself, so nothing lies between them")
    things = tensors([output], graph)
    for x in (wrt, stacked(wrt)):
        for i, thing in enumerate(things):
            if x is not None and thing is x:
                return i
    named = f" {wrt.name!r}" if wrt.name else ""
    made = "it is a leaf" if wrt.node is None else f"it is a result of {wrt.node.op.name}"
    raise ValueError(
        f"path: the output of shape {output.shape} was not computed from this tensor{named} of shape {wrt.shape}: "
        f"{made} that is not in the output's graph. Give the very tensor that was used: an index, a copy or detach() "
        "makes a new one, and the inside of a planned scan is not recorded (unroll=True records it)"
    )


def stacked(x: Tensor) -> Tensor | None:
    """The tensor that was stacked at index t, if ``x`` is item t of tensors that were stacked along the first axis."""
    node = x.node
    if node is None or node.op.name != "getitem" or len(key := node.params["key"]) != 1 or type(key[0]) is not int:
        return None
    before = node.inputs[0].node
    if before is None or before.op.name != "stack" or before.params.get("axis", 0) != 0:
        return None
    found: Tensor = before.inputs[key[0]]
    return found


def depending(graph: Graph, start: int) -> set[int]:
    """The position ``start`` and those of all operations that depend on it."""
    found = {start}
    for i, operation in graph.operations():
        if not found.isdisjoint(operation.inputs):
            found.add(i)
    return found


def faint(look: Mapping[str, str], scene: Scene) -> dict[str, str]:
    """The colours of a look, most of the way to that of the paper."""
    return {
        key: mixed(look[key], scene.theme.palette.paper) for key in ("color", "fillcolor", "fontcolor") if key in look
    }


def mixed(colour: str, paper: str) -> str:
    """A colour ``#rrggbb`` as it is seen through a veil of paper.

    >>> mixed("#000000", "#ffffff")
    '#d1d1d1'
    """
    pairs = ((int(colour[k : k + 2], 16), int(paper[k : k + 2], 16)) for k in (1, 3, 5))
    return "#" + "".join(f"{round(a + FAINT * (b - a)):02x}" for a, b in pairs)
