"""The gradient along time, network by network: one row of time steps for each tensor of a state, on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from tinygrad_rnn.draw.dot import number, straight, toward, write
from tinygrad_rnn.draw.engine import load_graphviz
from tinygrad_rnn.draw.flow import Flow, Track, flow, layer_and_step, tracks
from tinygrad_rnn.draw.graph import Graph
from tinygrad_rnn.draw.heat import Scale
from tinygrad_rnn.draw.mirror import traced, vjp
from tinygrad_rnn.draw.scene import Box, Line, Look, Mark, Point, Scene
from tinygrad_rnn.draw.style import text_width
from tinygrad_rnn.draw.theme import Theme, chosen
from tinygrad_rnn.draw.values import short
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Tensor

if TYPE_CHECKING:
    import graphviz

PITCH, ROW = 62.0, 92.0  # from one step to the next, and from one row to the next
WIDTH, HEIGHT = 42.0, 28.0  # of a step
MOST_STEPS = 48  # in a row; of a longer one every second, third, ... is drawn
NUMBERS = 6  # about so many norms are printed in a row
SHADES = 48  # in the legend


def gradient_strip(losses: Mapping[str, Tensor], *, theme: str = "light") -> graphviz.Digraph:
    """The norm of the gradient of each loss at the states that it was computed from, time step by time step.

    ``losses`` has a name and a scalar for each network. There is one row for each tensor of its state: h of an RNN,
    h and c of an LSTM, of every layer. Colour, width of the arrows and the printed numbers are the Euclidean norm of
    ∂L/∂h at that step, on one logarithmic scale for all; arrows run as the gradient does, and those from an L show
    where it enters from outside of the layer.

    Raises ValueError for a loss that is no scalar, for one without recorded time steps (the steps of a planned scan
    are not recorded), and without losses; RuntimeError for a graph that was freed.
    """
    load_graphviz()
    from tinygrad_rnn.draw.drawing import Drawing

    return write(strip_scene(losses, theme=theme), Drawing)


def strip_scene(losses: Mapping[str, Tensor], *, theme: str = "light") -> Scene:
    """What ``gradient_strip`` draws, as plain data."""
    if not losses:
        raise ValueError('gradient_strip: takes at least one loss by its name, as in gradient_strip({"RNN": loss})')
    flows = {name: flow(loss) for name, loss in losses.items()}
    rows = [(name, found, track) for name, found in flows.items() for track in tracks(found.graph)]
    strip = Strip(Scale.of(found.norm(i) for _, found, track in rows for i in track.positions.values()), chosen(theme))
    for name, found, track in rows:
        layers = {other.scope for whose, _, other in rows if whose == name}
        title = track.name if len(layers) == 1 else f"{describe(track.scope[-1:])} {track.name}"
        strip.row(name, f"{name} {title}", found, track)
    strip.legend()
    return strip.scene


class Strip:
    """The scene in the making."""

    def __init__(self, scale: Scale, theme: Theme) -> None:
        self.scale = scale
        self.scene = Scene(Graph((), ()), theme, placed=True, title="gradient along time")
        self.rows = 0

    def row(self, name: str, title: str, found: Flow, track: Track) -> None:
        """One row: a box a step, arrows from each to the one before, numbers below, and an L where the loss enters."""
        key, y = f"{self.rows} {name}", -ROW * self.rows
        self.rows += 1
        wide = max(96.0, text_width(title, 14))
        self.text(f"{key} title", title, Box(-24 - wide / 2, y, wide, 20), size=14)
        stride = math.ceil(len(track.positions) / MOST_STEPS)
        shown = sorted(track.positions)[::-1][::stride][::-1]
        norms = [found.norm(track.positions[t]) or 0.0 for t in shown]
        every = math.ceil(len(shown) / NUMBERS)
        enters = entrances(found, track)
        for k, (t, norm) in enumerate(zip(shown, norms, strict=True)):
            x = PITCH * k
            tip = f"{title}, t = {t}: ‖∂L/∂{track.name}‖ = {norm:.3e}"
            look = self.scale.look(norm, self.scene.theme)
            self.mark(f"{key} t={t}", f"t={t}", "cell", Box(x, y, WIDTH, HEIGHT), look, tip=tip)
            if (len(shown) - 1 - k) % every == 0 or k == 0:
                self.text(f"{key} norm t={t}", short(norm), Box(x, y - 24, PITCH, 14))
            if t in enters:
                self.mark(f"{key} L t={t}", "L", "reduce", Box(x, y + 37, 20, 20), {"shape": "circle"})
                self.arrow(f"{key} L t={t}", f"{key} t={t}", (x, y + 27), (x, y + HEIGHT / 2), {"penwidth": "1.5"})
        self.arrows(key, y, shown, norms, forward=list(track.positions) == sorted(track.positions), dashed=stride > 1)

    def arrows(self, key: str, y: float, shown: list[int], norms: list[float], *, forward: bool, dashed: bool) -> None:
        """From each step to the one computed before it; a reversed layer is computed from the last step on."""
        for k, (left, right) in enumerate(pairwise(shown)):
            tail, head = (right, k + 1), (left, k)
            side = -WIDTH / 2
            if not forward:
                tail, head, side = head, tail, -side
            look = {"penwidth": f"{self.scale.width(norms[head[1]]):.1f}"} | ({"style": "dashed"} if dashed else {})
            ends = (PITCH * tail[1] + side, y), (PITCH * head[1] - side, y)
            self.arrow(f"{key} t={tail[0]}", f"{key} t={head[0]}", *ends, look)

    def arrow(self, tail: str, head: str, start: Point, end: Point, look: Look) -> None:
        """A straight arrow, with a head that is wider than its line."""
        length = 5 + float(look["penwidth"])
        curve = [start, *straight(start, toward(end, start, length))]
        pos = f"e,{number(end[0])},{number(end[1])} " + " ".join(f"{number(x)},{number(y)}" for x, y in curve)
        self.scene.lines.append(Line(tail, head, (), look={"pos": pos, "arrowsize": f"{length / 10:.2f}", **look}))

    def mark(self, name: str, words: str, family: str, box: Box, look: Look, *, tip: str = "") -> None:
        """A mark that stands for nothing in one graph: the strip is of several."""
        self.scene.add(Mark(name, (words,), family, (), (), tip, box=box, look={"fontsize": "11", **look}))

    def text(self, name: str, words: str, box: Box, size: int = 11) -> None:
        """Words without a border."""
        self.mark(name, words, "constant", box, {"fontsize": str(size)})

    def legend(self) -> None:
        """A band of all colours with the norms that they stand for below it."""
        scale, y, left, length = self.scale, 8 - ROW * self.rows, PITCH, 7 * PITCH
        self.text("legend", "‖∂L/∂h‖, log scale", Box(-22, y, 130, 20), size=12)
        for k in range(SHADES):
            norm = 10 ** (scale.low + (scale.high - scale.low) * (k + 0.5) / SHADES)
            look = {**scale.look(norm, self.scene.theme), "penwidth": "0", "style": "filled"}
            box = Box(left + length * (k + 0.5) / SHADES, y, length / SHADES + 1, 12)
            self.mark(f"legend colour {k}", "", "arrange", box, look)
        for norm, words in scale.ticks():
            self.text(f"legend tick {words}", words, Box(left + length * scale.place(norm), y - 16, 40, 14))


def entrances(found: Flow, track: Track) -> set[int]:
    """The time steps at which a gradient reaches the state from outside of the layer's own steps."""
    steps = {i: t for t, i in track.positions.items()}
    outside: dict[int, None] = {}  # operations
    for source, i in found.graph.edges():
        place = layer_and_step(found.things[i].node.scope)
        if source in steps and found.gradients[i] is not None and (place is None or place[0] != track.scope):
            outside[i] = None
    with traced():
        rules = [vjp(found, i) for i in outside]
    return {steps[gift.input] for rule in rules for gift in rule.gives if gift.input in steps and gift.norm > 0}
