"""Colours and shapes: one palette a theme, and the DOT attributes that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from tinygrad_rnn.tensor import closest

FONT = "Helvetica"


class Tone(NamedTuple):
    """How one family of marks is coloured: its border and its ground, on which the theme's ink is read."""

    border: str
    ground: str


@dataclass(frozen=True)
class Palette:
    """The colours of a theme, all ``#rrggbb``. Text is in ``ink`` or ``muted``, on a tone's ground or ``paper``."""

    paper: str
    ink: str
    muted: str  # titles, labels of lines
    line: str
    state: str  # lines from one time step to the next
    memory: str  # such lines of an LSTM's cell state
    frame: str
    step: str  # the ground of a time step
    tones: Mapping[str, Tone]


@dataclass(frozen=True)
class Theme:
    """A palette as DOT attributes: of the graph, of all nodes and edges, and of each family, line and frame."""

    name: str
    palette: Palette
    graph: Mapping[str, str]
    laid_out: Mapping[str, str]  # for the graph, where the program dot finds the places
    node: Mapping[str, str]
    edge: Mapping[str, str]
    families: Mapping[str, Mapping[str, str]]
    lines: Mapping[str, Mapping[str, str]]
    frames: Mapping[str, Mapping[str, str]]


SHAPES: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "product": {},
    "pointwise": {"shape": "circle", "margin": "0.01"},
    "function": {},
    "reduce": {},
    "arrange": {"style": "rounded,filled", "fontsize": "10"},
    "cell": {"style": "rounded,filled", "fontsize": "14"},
    "fold": {"style": "rounded,filled,dashed", "fontsize": "11"},
    "scan": {"style": "rounded", "labelloc": "t", "fontsize": "14", "margin": "0.1,0.14"},
    "parameter": {"shape": "ellipse", "fontsize": "10", "margin": "0.01"},
    "input": {"style": "rounded,filled", "fontsize": "10"},
    "constant": {"shape": "plaintext", "style": "solid", "fontsize": "10", "margin": "0.03"},
})  # fmt: skip

# Borders are the Okabe-Ito colours, which colour-blind readers tell apart; each ground is a tint of its border.
LIGHT = Palette(
    paper="#ffffff", ink="#1f2937", muted="#64748b", line="#64748b", state="#0072b2", memory="#007a59",
    frame="#94a3b8", step="#f8fafc",
    tones=MappingProxyType({
        "product": Tone("#d55e00", "#fbe7d9"), "pointwise": Tone("#0072b2", "#e0eef7"),
        "function": Tone("#e69f00", "#fdf3dc"), "reduce": Tone("#009e73", "#def3ec"),
        "arrange": Tone("#94a3b8", "#ffffff"), "cell": Tone("#009e73", "#dff2ea"),
        "scan": Tone("#009e73", "#f8fafc"), "fold": Tone("#64748b", "#ffffff"),
        "parameter": Tone("#cc79a7", "#f9ecf3"), "input": Tone("#56b4e9", "#eaf5fc"),
        "constant": Tone("#64748b", "#ffffff"),
    }),
)  # fmt: skip

DARK = Palette(
    paper="#0f172a", ink="#f1f5f9", muted="#94a3b8", line="#94a3b8", state="#56b4e9", memory="#2fbf93",
    frame="#475569", step="#162036",
    tones=MappingProxyType({
        "product": Tone("#e8833a", "#43230f"), "pointwise": Tone("#56b4e9", "#0f3450"),
        "function": Tone("#e6b84a", "#40310c"), "reduce": Tone("#2fbf93", "#0b3a2c"),
        "arrange": Tone("#64748b", "#1e293b"), "cell": Tone("#2fbf93", "#0d3d30"),
        "scan": Tone("#2fbf93", "#162036"), "fold": Tone("#94a3b8", "#0f172a"),
        "parameter": Tone("#d98fb8", "#432237"), "input": Tone("#56b4e9", "#12324a"),
        "constant": Tone("#94a3b8", "#0f172a"),
    }),
)  # fmt: skip

# For paper: families differ in shape, and in greys that a photocopier keeps apart.
PRINT = Palette(
    paper="#ffffff", ink="#000000", muted="#404040", line="#404040", state="#000000", memory="#000000",
    frame="#808080", step="#ffffff",
    tones=MappingProxyType({
        "product": Tone("#000000", "#d4d4d4"), "pointwise": Tone("#000000", "#ffffff"),
        "function": Tone("#000000", "#ededed"), "reduce": Tone("#000000", "#c0c0c0"),
        "arrange": Tone("#808080", "#ffffff"), "cell": Tone("#000000", "#ededed"),
        "scan": Tone("#000000", "#ffffff"), "fold": Tone("#404040", "#ffffff"),
        "parameter": Tone("#808080", "#ffffff"), "input": Tone("#808080", "#f5f5f5"),
        "constant": Tone("#404040", "#ffffff"),
    }),
)  # fmt: skip


def theme(name: str, palette: Palette) -> Theme:
    """The DOT attributes of a palette."""
    text = {"fontname": FONT, "fontcolor": palette.muted}
    families = {
        family: {**shape, "color": palette.tones[family].border, "fillcolor": palette.tones[family].ground}
        for family, shape in SHAPES.items()
    }
    for invisible in ("color", "fillcolor"):
        del families["constant"][invisible]
    module = {"style": "rounded", "color": palette.frame, "margin": "10", "labeljust": "l", "labelloc": "b"}
    step = {**module, "style": "rounded,filled", "fillcolor": palette.step}
    return Theme(
        name,
        palette,
        graph=MappingProxyType(
            {**text, "bgcolor": palette.paper, "fontsize": "13", "outputorder": "edgesfirst", "pad": "0.2"}
        ),
        laid_out=MappingProxyType(
            {"rankdir": "LR", "newrank": "true", "mclimit": "4", "nodesep": "0.16", "ranksep": "0.22"}
        ),
        node=MappingProxyType({
            "fontname": FONT, "fontsize": "12", "fontcolor": palette.ink, "style": "filled", "penwidth": "1.2",
            "shape": "box", "width": "0.3", "height": "0.3", "margin": "0.08,0.04",
        }),
        edge=MappingProxyType({
            "fontname": FONT, "fontsize": "10", "fontcolor": palette.muted,
            "color": palette.line, "arrowsize": "0.55", "penwidth": "1.1", "weight": "8",
        }),
        families=MappingProxyType(families),
        lines=MappingProxyType({
            "data": {},
            "far": {"weight": "1"},  # it may be long and bent, those inside a module are kept straight
            "state": {"color": palette.state, "fontcolor": palette.state, "penwidth": "2", "weight": "4"},
            "memory": {"color": palette.memory, "fontcolor": palette.memory, "penwidth": "2"},
            "hint": {"style": "invis", "weight": "0"},
        }),
        frames=MappingProxyType({
            "module": module | {"fontsize": "13"},  # the title at the bottom on the left, where no line crosses it
            "lane": {**module, "penwidth": "0", "fontsize": "13"},
            "step": step | {"fontsize": "13"},
            "column": {**module, "style": "rounded,dashed", "fontsize": "11"},
            "fold": {**module, "style": "rounded,dotted", "fontsize": "11"},
        }),
    )  # fmt: skip


THEMES: Mapping[str, Theme] = MappingProxyType(
    {name: theme(name, palette) for name, palette in (("light", LIGHT), ("dark", DARK), ("print", PRINT))}
)


def chosen(name: str) -> Theme:
    """The theme of that name; ValueError, which names them all, if there is none."""
    if name not in THEMES:
        raise ValueError(f"draw: theme is one of {', '.join(THEMES)}, not {name!r}{closest(name, list(THEMES))}")
    return THEMES[name]
