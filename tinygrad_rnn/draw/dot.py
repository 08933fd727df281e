"""A scene as DOT text: the statements that draw its marks, lines and frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.draw.layout import shared
from tinygrad_rnn.draw.scene import Frame, Line, Look, Mark, Point, Scene
from tinygrad_rnn.draw.style import text_width
from tinygrad_rnn.tensor import Scope

if TYPE_CHECKING:
    import graphviz

BEND = 9.0  # radius of the bends of a route
ARROW = 6.0  # length of an arrow's head


def write(scene: Scene, new: Callable[..., graphviz.Digraph]) -> graphviz.Digraph:
    """The scene as a ``graphviz.Digraph``, or as what else ``new`` makes; its text depends on the scene alone."""
    theme = scene.theme
    graph = {**theme.graph, **({"layout": "nop2"} if scene.placed else theme.laid_out)}
    digraph = new(scene.title, graph_attr=graph, node_attr=dict(theme.node), edge_attr=dict(theme.edge))
    words, body = Statements(scene), digraph.body
    if scene.placed:
        body += (
            f"\tsubgraph {quoted('cluster ' + f.name)} {{{settings(frame_look(scene, f))}}}\n" for f in frames(scene)
        )
        body += map(words.mark, scene.marks.values())
    else:
        nested(scene, words, body)
    body += map(words.line, scene.lines)
    return digraph


def frames(scene: Scene) -> list[Frame]:
    """The frames, outer ones first; before them lanes, whose ground would hide the borders of others."""
    return sorted(scene.frames.values(), key=lambda frame: (frame.kind != "lane", len(frame.scope)))


def nested(scene: Scene, words: Statements, body: list[str]) -> None:
    """Marks inside their frames, frames inside each other."""
    inside: dict[Scope, list[str]] = {scope: [] for scope in [(), *scene.frames]}
    for mark in scene.marks.values():
        inside[mark.scope].append(words.mark(mark))
    for names in scene.columns:
        common = reduce(shared, (scene.marks[name].scope for name in names))
        inside[common].append(f"\t{{ rank=same; {'; '.join(map(quoted, names))} }}\n")
    for frame in sorted(scene.frames.values(), key=lambda frame: -len(frame.scope)):
        statements = [f"\tgraph [{settings(frame_look(scene, frame))}]\n", *inside[frame.scope]]
        around = inside[frame.scope[:-1]]
        around.append(f"\tsubgraph {quoted('cluster ' + frame.name)} {{\n")
        around += [*(f"\t{line}" for line in statements), "\t}\n"]
    body += inside[()]


def frame_look(scene: Scene, frame: Frame) -> Look:
    """The attributes of a frame; its title stands on the left, if it is placed."""
    look = {
        **scene.theme.frames[frame.kind],
        "label": printable(frame.title),
        "tooltip": printable(frame.tooltip),
        **frame.look,
    }
    if frame.box is not None:
        box = frame.box
        width = text_width(frame.title, float(look["fontsize"]))
        look["bb"] = f"{number(box.left)},{number(box.bottom)},{number(box.right)},{number(box.top)}"
        if frame.title:
            x = box.right - 7 - width / 2 if look["labeljust"] == "r" else box.left + 7 + width / 2
            look["lp"] = f"{number(x)},{number(box.y if frame.kind == 'lane' else box.top - 10)}"
            look["lwidth"], look["lheight"] = number(width / 72), "0.2"
    return look


class Statements:
    """The statements that draw marks and lines. What many of them share is written once."""

    def __init__(self, scene: Scene) -> None:
        self.theme = scene.theme
        self.known: dict[object, str] = {}
        self.names = {name: quoted(name) for name in scene.marks}

    def mark(self, mark: Mark) -> str:
        """The statement that draws a mark."""
        box, look = mark.box, mark.look
        key = mark.lines, mark.family, mark.emphasis, box and box[2:], tuple(look.items()) if look else None
        if key not in self.known:
            look = {"label": "\n".join(map(printable, mark.lines)), **self.theme.families[mark.family], **look}
            if mark.emphasis:
                look["penwidth"] = "2.4"
            if box is not None:
                look |= {"width": f"{box.width / 72:.4g}", "height": f"{box.height / 72:.4g}", "fixedsize": "true"}
            self.known[key] = settings(look)
        place = f' pos="{round(box.x)},{round(box.y)}"' if box else ""
        tip = f" tooltip={quoted(printable(mark.tooltip))}" if mark.tooltip else ""
        return f"\t{self.names[mark.name]} [{self.known[key]}{place}{tip}]\n"

    def line(self, line: Line) -> str:
        """The statement that draws a line."""
        tail, head = line.tail, line.head
        turned = line.backwards and not line.route
        key = line.kind, line.label, turned, tuple(line.look.items()) if line.look else None
        if key not in self.known:
            look = {**self.theme.lines[line.kind], **line.look}
            if line.label:
                look["label"] = printable(line.label)
            if turned:
                look["dir"] = "back"
            self.known[key] = settings(look)
        look_text = self.known[key]
        if line.route:
            look_text += f' pos="{spline(line.route)}"'
        if line.route and line.label_at is not None:
            look_text += f' lp="{number(line.label_at[0])},{number(line.label_at[1])}"'
        if turned:
            tail, head = head, tail
        return f"\t{self.names[tail]} -> {self.names[head]}{f' [{look_text.strip()}]' if look_text else ''}\n"


def spline(route: Sequence[Point]) -> str:
    """A route with round bends, and an arrow at its end, as DOT's ``pos``: Bézier curves, in whole points.

    >>> spline([(0, 0), (50, 0)])
    'e,50,0 0,0 0,0 44,0 44,0'
    """
    left, bottom = round(route[0][0]), round(route[0][1])
    corners = tuple([(round(x) - left, round(y) - bottom) for x, y in route])
    return "e," + " ".join([f"{left + x},{y}" for x, y in curve(corners, bottom)])


@lru_cache(10_000)  # every time step has the same ones
def curve(corners: tuple[tuple[int, int], ...], bottom: int) -> list[tuple[int, int]]:
    """The tip of the arrow, then the control points of the curves; as high as they are, when y = 0 is at ``bottom``."""
    points: list[Point] = [*corners]
    points[-1] = toward(points[-1], points[-2], ARROW) if len(points) > 1 else points[-1]
    found = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        bend = min(BEND, distance(before, corner) / 2, distance(corner, after) / 2)
        a, b = toward(corner, before, bend), toward(corner, after, bend)
        found += [found[-1], a, a, toward(a, corner, bend * 0.55), toward(b, corner, bend * 0.55), b]
    found += [found[-1], points[-1], points[-1]]
    return [(round(x), bottom + round(y)) for x, y in [corners[-1], *found]]


def straight(a: Point, b: Point) -> list[Point]:
    """The control points and end of a Bézier curve that is a straight line."""
    (ax, ay), (bx, by) = a, b
    return [(ax + (bx - ax) / 3, ay + (by - ay) / 3), (bx - (bx - ax) / 3, by - (by - ay) / 3), b]


def toward(a: Point, b: Point, length: float) -> Point:
    """The point at ``length`` from ``a`` in the direction of ``b``."""
    whole = distance(a, b) or 1.0
    return a[0] + (b[0] - a[0]) * length / whole, a[1] + (b[1] - a[1]) * length / whole


def distance(a: Point, b: Point) -> float:
    """The distance of two points."""
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def settings(look: Mapping[str, Any]) -> str:
    """Attributes as DOT writes them, every value between quotes."""
    return " ".join(f"{key}={quoted(value)}" for key, value in look.items())


def printable(text: str) -> str:
    r"""Text with what can't be printed, line breaks too, written as Python writes it.

    >>> print(printable("мир\n"))
    мир\n
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(text: str) -> str:
    r"""Text as a DOT word that is shown exactly so: no markup, escapes or entities; a line break breaks the line.

    >>> print(quoted('a "b" & \\N <c>'))
    "a \"b\" &amp; \\N <c>"
    """
    if text.isalnum():
        return f'"{text}"'
    escaped = text.replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n") + '"'


def number(x: float) -> str:
    """A length in few characters.

    >>> number(12.0), number(1 / 3), number(-0.001)
    ('12', '0.33', '0')
    """
    text = f"{x:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
