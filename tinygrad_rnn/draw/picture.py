"""From recorded tensors to a ``graphviz.Digraph``."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.draw.both import both
from tinygrad_rnn.draw.dot import write
from tinygrad_rnn.draw.engine import load_graphviz
from tinygrad_rnn.draw.flat import Flat
from tinygrad_rnn.draw.flow import Flow, check_unrolled, flow
from tinygrad_rnn.draw.fold import Column, columns
from tinygrad_rnn.draw.graph import collect
from tinygrad_rnn.draw.heat import heat as heated
from tinygrad_rnn.draw.lanes import lanes_of
from tinygrad_rnn.draw.planned import is_planned
from tinygrad_rnn.draw.project import Level, project
from tinygrad_rnn.draw.scene import Scene
from tinygrad_rnn.draw.theme import Theme, chosen
from tinygrad_rnn.draw.tiled import Tiled
from tinygrad_rnn.draw.values import Notes
from tinygrad_rnn.draw.wording import Wording, no_notes
from tinygrad_rnn.tensor import Tensor, closest

if TYPE_CHECKING:
    import graphviz

MOST_NODES = 3000  # that have no time step: more than can be arranged in reasonable time, or than an eye takes in
MOST_OPERATIONS = 200  # that are shown one by one, unless asked for
MOST_COLUMNS = 8  # of cells, before those in the middle are folded


def draw(
    *outputs: Tensor,
    level: Level | None = None,
    fold: bool | None = None,
    steps: range | slice | None = None,
    theme: str = "light",
    show: Sequence[str] = ("shape",),
    heat: str | None = None,
    backward: bool = False,
) -> graphviz.Digraph:
    """A picture of what ``outputs`` were computed by, as a ``graphviz.Digraph``.

    A notebook shows it; ``.source`` is its DOT text, ``.render("lstm", format="svg")`` writes a file (that needs a
    layout program: see ``doctor``). Arrows run from what was computed to what was computed from it, and hovering over a
    node of an SVG shows more about it.

    ``level``  what one node is. ``"op"``: one recorded operation. ``"cell"``: all that one cell, or another module,
               does at one time step; the unrolled network of textbooks. ``"layer"``: the same for all time steps, with
               an arrow to itself. Without: operations up to 200 of them, then cells.
    ``fold``   True draws only the first three and the last two time steps one by one, and one node for those between.
               Without: only cells, from 9 steps on.
    ``steps``  a range or slice of time steps to be drawn one by one; the others are folded.
    ``theme``  ``"light"``, ``"dark"``, or ``"print"`` in greys.
    ``show``   what stands on nodes: any of ``"shape"`` and ``"dtype"`` (where they are new), ``"value"`` (the numbers
               of arrays that have few) and ``"grad"`` (the same of the gradient of the loss there, behind ∂).
    ``heat``   ``"grad"`` colours nodes and draws lines by the norm of the gradient of the loss, on one logarithmic
               scale, and prints it.
    ``backward``  True draws the backward graph as well: a rule for each operation with its formula, a gradient for
               each leaf, and dotted what the rules read of the forward pass.

    What needs gradients computes them for the one output, a loss; the graph is not freed, and ``.grad`` stays as it is.

    Time runs from left to right, and layers are stacked from the bottom to the top; what has no time step is a bar
    along all that it touches. Every operation is in exactly one node. Parameters and constants are drawn small beside
    each operation that uses them, but not at other levels.

    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> [line.strip() for line in draw(w + w).body if "->" in line]
    ['"w #1" -> "add #1"', '"w #1" -> "add #1"']

    Raises TypeError for an output that is no Tensor, ValueError for one that was not recorded, for an unknown level,
    theme, ``show`` or ``heat``, for ``steps`` that are not there, for more than 3,000 nodes without time step, for
    gradients of several outputs or of one that is no scalar, and for ``heat`` along a planned scan, whose steps are
    not recorded; RuntimeError if the graph was freed by backward, ImportError if the package graphviz is missing.
    """
    load_graphviz()
    from tinygrad_rnn.draw.drawing import Drawing

    options: dict[str, Any] = {"level": level, "fold": fold, "steps": steps, "theme": theme}
    with no_collection():
        return write(scene_of(*outputs, **options, show=show, heat=heat, backward=backward), Drawing)


@contextmanager
def no_collection() -> Iterator[None]:
    """Don't look for garbage among the small objects of a picture: there is none, and it takes a third of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def scene_of(
    *outputs: Tensor,
    level: Level | None = None,
    fold: bool | None = None,
    steps: range | slice | None = None,
    theme: str = "light",
    show: Sequence[str] = ("shape",),
    heat: str | None = None,
    backward: bool = False,
) -> Scene:
    """What ``draw`` draws, as plain data; it takes the same arguments and raises the same errors."""
    if not outputs:
        raise TypeError("draw: takes at least one tensor, as in draw(loss)")
    known(level, ("op", "cell", "layer"), "level")
    known(heat, ("grad",), "heat")
    show = (show,) if isinstance(show, str) else show
    for what in show:
        known(what, ("shape", "dtype", "value", "grad"), "show")
    found = flow_of(outputs) if heat or backward or "grad" in show else None
    graph = found.graph if found else collect(outputs)
    if heat:
        check_unrolled(graph)
    noted = heat or not {"shape", "dtype"}.issuperset(show)
    notes = Notes(found or Flow.without_gradients(outputs, graph), show, heat=bool(heat)) if noted else no_notes
    scene = arranged(Wording(graph, show, notes), chosen(theme), level=level, fold=fold, steps=steps)
    if found and backward:
        scene = both(scene, found)
    if found and heat:
        heated(scene, found)
    return scene


def arranged(
    wording: Wording, theme: Theme, *, level: Level | None, fold: bool | None, steps: range | slice | None
) -> Scene:
    """The marks and lines of a picture."""
    graph = wording.graph
    lanes = lanes_of(graph)
    size = len(graph.operations())
    if level is None:
        level = "op" if size <= MOST_OPERATIONS or not lanes.order else "cell"
    if level == "op" and not lanes.order and not any(is_planned(node) for node in graph.nodes):
        check_size(size)
        return Flat(graph, theme, wording).made()
    times = sorted(set(lanes.time.values()))
    if level == "layer":
        shown = [Column(tuple(times), fold=True)] if times else []
    else:
        shown = columns(
            lanes, fold=level == "cell" and len(times) > MOST_COLUMNS if fold is None else fold, steps=steps
        )
    made = project(graph, lanes, level, shown)
    check_size(sum(item.where.column is None for item in made.items))
    return Tiled(made, theme, wording).made_scene()


def flow_of(outputs: Sequence[Tensor]) -> Flow:
    """The gradients of the only output."""
    if len(outputs) != 1:
        raise ValueError(
            f"draw: gradients are those of one loss, but there are {len(outputs)} outputs; draw one of them, or "
            "their sum"
        )
    return flow(outputs[0])


def known(value: str | None, names: Sequence[str], what: str) -> None:
    """Raise ValueError unless ``value`` is among ``names``."""
    if value is not None and value not in names:
        raise ValueError(f"draw: {what} is one of {', '.join(names)}, not {value!r}{closest(str(value), list(names))}")


def check_size(nodes: int) -> None:
    """Raise ValueError for more nodes without time step than a picture holds."""
    if nodes > MOST_NODES:
        raise ValueError(
            f"draw: there are {nodes:,} nodes without a time step, and a picture holds at most {MOST_NODES:,}; draw "
            'modules instead of operations (level="cell" or "layer"), record loops over time in scopes (nn and scan '
            "do), which can be folded (fold=True, steps=range(10)), or draw a tensor nearer to the inputs"
        )
