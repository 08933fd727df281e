"""From recorded tensors to a ``graphviz.Digraph``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_rnn.draw.engine import load_graphviz
from tinygrad_rnn.draw.flat import Flat
from tinygrad_rnn.draw.graph import collect
from tinygrad_rnn.draw.scene import Scene, write
from tinygrad_rnn.draw.theme import THEMES
from tinygrad_rnn.tensor import Tensor, closest

if TYPE_CHECKING:
    import graphviz

MOST_NODES = 3000  # more than a layout program arranges in reasonable time, or an eye takes in


def draw(*outputs: Tensor, theme: str = "light") -> graphviz.Digraph:
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
    load_graphviz()
    from tinygrad_rnn.draw.drawing import Drawing

    return write(scene_of(*outputs, theme=theme), Drawing)


def scene_of(*outputs: Tensor, theme: str = "light") -> Scene:
    """What ``draw`` draws, as plain data; it takes the same arguments and raises the same errors."""
    if not outputs:
        raise TypeError("draw: takes at least one tensor, as in draw(loss)")
    if theme not in THEMES:
        raise ValueError(f"draw: theme is one of {', '.join(THEMES)}, not {theme!r}{closest(theme, list(THEMES))}")
    graph = collect(outputs)
    size = len(graph.operations())
    if size > MOST_NODES:
        raise ValueError(
            f"draw: the graph has {size:,} operations, and a picture holds at most {MOST_NODES:,}; unroll fewer time "
            "steps (3 look like 1,000), draw a tensor nearer to the inputs, or detach() what shall not be drawn"
        )
    return Flat(graph, THEMES[theme]).made()
