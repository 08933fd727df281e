"""Norms of gradients as colours, widths and numbers, on one logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tinygrad_rnn.draw.flow import Flow, tracks
from tinygrad_rnn.draw.scene import Box, Frame, Line, Mark, Scene
from tinygrad_rnn.draw.values import greatest, power, short

if TYPE_CHECKING:
    from tinygrad_rnn.draw.theme import Theme

# The colour map cividis of Nuñez, Anderton, Renslow 2018 (doi:10.1371/journal.pone.0199239), which looks the same to
# readers with and without red-green blindness, at 13 even distances.
CIVIDIS = (
    0x00224E, 0x003170, 0x2A3F6D, 0x434E6C, 0x575D6D, 0x6A6C71, 0x7D7C78,
    0x918B78, 0xA59C74, 0xBCAE6C, 0xD2C060, 0xE9D34E, 0xFEE838,
)  # fmt: skip
FAR = 2  # powers of ten between the least and the greatest norm, from which on only whole ones bound the scale
MOST_DECADES = 16  # a float64 knows no more digits; smaller norms have the colour of the lowest
SWATCHES = 9  # at most, in a legend
LEGEND = ("\0legend",)  # a scope that no module has


@dataclass(frozen=True, slots=True)
class Scale:
    """Norms from 10^low to 10^high."""

    low: float
    high: float

    @classmethod
    def of(cls, norms: Iterable[float | None]) -> Scale:
        """From the least to the greatest of these norms, and to whole powers of ten where they lie far apart.

        Norms that are None, zero or not finite play no part.
        """
        logs = [math.log10(x) for x in norms if x is not None and 0 < x < math.inf]
        low, high = min(logs, default=-1), max(logs, default=0)
        if high - low > FAR:
            low, high = math.floor(low), math.ceil(high)
        return cls(max(min(low, high - 0.1), high - MOST_DECADES), high)

    def place(self, norm: float) -> float:
        """Where ``norm`` is, from 0 at 10^low to 1 at 10^high; NaN is at the top, as infinity is."""
        if norm <= 10.0**self.low:
            return 0.0
        return 1.0 if not norm < 10.0**self.high else (math.log10(norm) - self.low) / (self.high - self.low)

    def colour(self, norm: float) -> str:
        """Dark blue for the least, yellow for the greatest."""
        where = self.place(norm) * (len(CIVIDIS) - 1)
        k = min(int(where), len(CIVIDIS) - 2)
        one, two = channels(CIVIDIS[k]), channels(CIVIDIS[k + 1])
        return "#" + "".join(f"{round(a + (b - a) * (where - k)):02x}" for a, b in zip(one, two, strict=True))

    def width(self, norm: float) -> float:
        """Of a line, in points: 1 for the least, 5 for the greatest."""
        return 1 + 4 * self.place(norm)

    def look(self, norm: float, theme: Theme) -> dict[str, str]:
        """The ground of a mark, and black or white ink, whichever is read better on it."""
        ground = self.colour(norm)
        return {"fillcolor": ground, "color": theme.palette.frame, "fontcolor": ink(ground)}

    def ticks(self) -> list[tuple[float, str]]:
        """Norms for a legend, as numbers and as texts, the least first."""
        if self.high - self.low <= FAR:
            return [(x, short(x)) for x in (10**self.low, 10 ** ((self.low + self.high) / 2), 10**self.high)]
        stride = math.ceil((self.high - self.low + 1) / SWATCHES)
        return [(10.0**k, power(k)) for k in range(int(self.high), int(self.low) - 1, -stride)][::-1]


def channels(colour: int) -> tuple[int, int, int]:
    """Red, green and blue of 0xrrggbb."""
    return colour >> 16, colour >> 8 & 255, colour & 255


def ink(ground: str) -> str:
    """Black or white, whichever has the higher contrast to ``ground`` by WCAG 2: at least 4.58.

    >>> ink("#00224e"), ink("#fee838")
    ('#ffffff', '#000000')
    """
    srgb = [c / 255 for c in channels(int(ground[1:], 16))]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in srgb)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (light + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def heat(scene: Scene, flow: Flow) -> None:
    """Colour each mark by the norm of the gradient at its result, and give each line the width of that at its tail.

    A legend is added. Of what a mark stands for, the results that are read outside of it count, and the greatest of
    their norms. What has no gradient stays as it is.
    """
    norms = {i: found for i in range(len(flow.things)) if (found := flow.norm(i)) is not None}
    scale, read = Scale.of(norms.values()), results(scene)
    for mark in scene.marks.values():
        own = [norms[i] for i in mark.positions if i in norms and (i in read or len(mark.positions) == 1)]
        if own:
            look = scale.look(greatest(own), scene.theme)
            if "dotted" in mark.look.get("style", ""):
                look["color"] = scene.theme.palette.ink
            mark.look |= look
            mark.tooltip += f"; ‖∂L/∂·‖ = {greatest(own):.3e}"
    for line in scene.lines:
        widths = [scale.width(norms[source]) for source, _ in line.inputs if source in norms]
        if widths:
            line.look["penwidth"] = f"{max(widths):.1f}"
    legend(scene, scale)


def results(scene: Scene) -> set[int]:
    """The positions of states, of what is read by another mark than its own, and of the outputs of the graph."""
    owner = {i: mark.name for mark in scene.marks.values() for i in mark.positions}
    found = {a for a, b in scene.graph.edges() if owner.get(a) != owner.get(b)} | set(scene.graph.outputs)
    with suppress(ValueError):  # without time steps
        found |= {i for track in tracks(scene.graph) for i in track.positions.values()}
    return found


def legend(scene: Scene, scale: Scale) -> None:
    """A frame with a row of swatches, the least norm on the left; below the picture, if that has places."""
    title, about = "‖∂L/∂x‖", "norm of the gradient of the loss, log scale"
    frame = Frame("legend", "" if scene.placed else title, "module", LEGEND, about)
    swatches = [
        Mark(f"legend {text}", (text,), "arrange", (), LEGEND, look=scale.look(x, scene.theme))
        for x, text in scale.ticks()
    ]
    if scene.placed:
        left, bottom = (min(ends) for ends in zip(*((box.left, box.bottom) for box in scene.boxes()), strict=True))
        for k, swatch in enumerate(swatches):
            swatch.box = Box(left + 108 + 58 * k, bottom - 42, 52, 20)
        width = 88 + 58 * len(swatches)
        swatches.append(
            Mark("legend", (title,), "constant", (), LEGEND, about, box=Box(left + 40, bottom - 42, 72, 20))
        )
        frame.box = Box(left + width / 2, bottom - 42, width, 40)
    else:
        scene.lines += (Line(a.name, b.name, (), "hint") for a, b in pairwise(swatches))
    scene.frames[LEGEND] = frame
    for swatch in swatches:
        scene.add(swatch)
