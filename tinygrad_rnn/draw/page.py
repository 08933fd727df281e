"""One HTML page with a picture to explore: zoom, search, the path of the gradient. It needs no network."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.draw.dot import write
from tinygrad_rnn.draw.engine import load_graphviz
from tinygrad_rnn.draw.flow import Flow, flow, tensors
from tinygrad_rnn.draw.graph import Graph, Leaf
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.report import headline
from tinygrad_rnn.draw.style import dims
from tinygrad_rnn.draw.words import counted
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Tensor, plain

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from tinygrad_rnn.draw.scene import Mark, Scene

KEPT = ("d", "points", "cx", "cy", "rx", "ry", "x", "y", "fill", "stroke", "stroke-width", "stroke-dasharray",
        "text-anchor", "font-size", "font-weight", "font-style", "transform", "opacity", "fill-opacity",
        "stroke-opacity", "width", "height")  # fmt: skip  # what the page takes over from the program's SVG

PAINTS = (("color", "stroke"), ("color", "fill"), ("fillcolor", "fill"), ("fontcolor", "text"))  # arrows are filled


def to_html(
    *outputs: Tensor, file: str | os.PathLike[str] | None = None, title: str = "Computation graph", **options: Any
) -> str:
    """The picture of ``draw(*outputs, **options)`` as one self-contained HTML page, in light and dark.

    The page zooms and moves by mouse, touch and keys, searches, and lights up what a node is computed from (there its
    gradient goes) and what is computed from it (its gradient comes from there). Tips tell shape, dtype, least, mean
    and largest value and, where ``outputs`` is one scalar, the norm of its gradient. With ``file`` the page is also
    written there, in UTF-8. It loads nothing from anywhere.

    Raises as ``draw``, TypeError for ``theme``, and ``LayoutProgramNotFound`` if no program can lay the picture out.
    """
    if "theme" in options:
        raise TypeError("to_html: a page has no theme of its own: it shows light or dark as its reader's system does")
    load_graphviz()
    from tinygrad_rnn.draw.drawing import Drawing

    scene, dark = (scene_of(*outputs, **options, theme=theme) for theme in ("light", "dark"))
    about = headline(scene.graph).replace("\n", "; ")
    nodes = facts(scene, outputs)
    (classes, edges), _ = numbered(scene), numbered(dark)
    colours = Colours(scene, dark)
    data = {"about": about, "nodes": nodes, "edges": edges}
    parts = {
        "title": html.escape(title),
        "alt": html.escape(f"{title}: {about}"),
        "svg": cleaned(write(scene, Drawing).pipe(format="svg", encoding="utf-8", quiet=True), classes, colours),
        "colours": colours.css(),
        "style": asset("page.css"),
        "script": asset("page.js"),
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    page = re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], asset("page.html"))
    if file is not None:
        Path(file).write_text(page, encoding="utf-8")
    return page


def numbered(scene: Scene) -> tuple[dict[str, str], list[tuple[int, int]]]:
    """Give all that is drawn an id; returns their classes by it, and each edge's nodes in the order of the ids.

    The page tells tips of its own, so those of the layout program are taken away.
    """
    numbers = {name: k for k, name in enumerate(scene.marks)}
    lines = [line for line in scene.lines if line.kind != "hint"]
    classes: dict[str, str] = {}
    for k, mark in enumerate(scene.marks.values()):
        mark.look, mark.tooltip = {**mark.look, "id": f"n{k}"}, ""
        classes[f"n{k}"] = f"node {mark.family}"
    for k, line in enumerate(lines):
        line.look = {**line.look, "id": f"e{k}"}
        classes[f"e{k}"] = f"edge {line.kind}"
    for k, frame in enumerate(scene.frames.values()):
        frame.look, frame.tooltip = {**frame.look, "id": f"f{k}"}, ""
        classes[f"f{k}"] = f"frame {frame.kind}"
    return classes, [(numbers[line.tail], numbers[line.head]) for line in lines]


def asset(name: str) -> str:
    """The text of a file beside this one."""
    return files("tinygrad_rnn.draw").joinpath(name).read_text(encoding="utf-8")


def facts(scene: Scene, outputs: Sequence[Tensor]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The label of each mark, and what its tip tells: pairs of a name and a value."""
    graph = scene.graph
    things = tensors(outputs, graph)
    found = gradients_of(outputs)
    return [("\n".join(mark.lines), mark_facts(mark, graph, things, found)) for mark in scene.marks.values()]


def gradients_of(outputs: Sequence[Tensor]) -> Flow | None:
    """The gradients of the only output, if it has any."""
    if len(outputs) != 1 or outputs[0].size != 1 or outputs[0].dtype.kind != "f":
        return None
    try:
        return flow(outputs[0])
    except (RuntimeError, TypeError):  # a value was replaced since, or an operation has no derivative
        return None


def mark_facts(mark: Mark, graph: Graph, things: Sequence[Any], found: Flow | None) -> list[tuple[str, str]]:
    """What is known about a mark: of many operations their kinds, the rest is that of the last; else its tooltip."""
    if not mark.positions:
        return [("", mark.tooltip)] if mark.tooltip else []
    i = mark.positions[-1]
    node = graph.nodes[i]
    told: list[tuple[str, str]] = []
    if len(mark.positions) > 1:
        kinds = dict.fromkeys(x.name if isinstance(x, Leaf) else x.op for x in (graph.nodes[j] for j in mark.positions))
        told.append((counted(len(mark.positions), "operation"), ", ".join(kinds)))
    elif isinstance(node, Leaf):
        told.append((node.kind, node.name or node.value))
    else:
        params = ", ".join(f"{key}={value!r}" for key, value in node.params.items())
        told.append(("operation", f"{node.op}({params})" if params else node.op))
    told.append(("result" if len(mark.positions) > 1 else "shape", f"{dims(node.shape) or 'scalar'} {node.dtype}"))
    value = plain(things[i])
    if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "fiu":
        least, mean, most = (f"{f(value):.3g}" for f in (np.min, np.mean, np.max))
        told.append(("value", mean) if value.size == 1 else ("min, mean, max", f"{least}, {mean}, {most}"))
    norm = found and found.norm(i)
    if norm is not None:
        told.append(("gradient norm", f"{norm:.3g}"))
    if mark.scope:
        told.append(("in", describe(mark.scope)))
    return told


class Colours:
    """The colours of a picture as CSS variables, whose values are those of the same picture in light or dark."""

    def __init__(self, light: Scene, dark: Scene) -> None:
        self.variables: dict[tuple[str, str], str] = {}  # by the colours in light and dark
        self.found: dict[tuple[str, str, str], str] = {}  # by an id, what is painted, and the light colour
        for (name, old), new in zip(looks(light).items(), looks(dark).values(), strict=True):
            if name.startswith("f"):  # dot fills a frame that has no ground of its own with that of the paper
                self.found[name, "fill", light.theme.palette.paper] = "none"
            for key, paint in PAINTS:
                if key in old and key in new:
                    variable = self.variables.setdefault((old[key], new[key]), f"--c{len(self.variables)}")
                    self.found[name, paint, old[key]] = f"var({variable})"

    def css(self) -> str:
        """The values of the variables."""
        themes = zip((":root", ':root[data-theme="dark"]'), zip(*self.variables, strict=True), strict=True)
        return "\n".join(
            f"{where} {{ {' '.join(f'{v}: {c};' for v, c in zip(self.variables.values(), values, strict=True))} }}"
            for where, values in themes
        )


def looks(scene: Scene) -> dict[str, dict[str, str]]:
    """The attributes of all that ``numbered`` gave an id."""
    theme = scene.theme
    found = {
        mark.look["id"]: {**theme.node, **theme.families[mark.family], **mark.look} for mark in scene.marks.values()
    }
    found |= {
        line.look["id"]: {**theme.edge, **theme.lines[line.kind], **line.look}
        for line in scene.lines
        if "id" in line.look
    }
    frames = scene.frames.values()
    return found | {frame.look["id"]: {**theme.graph, **theme.frames[frame.kind], **frame.look} for frame in frames}


def cleaned(svg: str, classes: Mapping[str, str], colours: Colours) -> str:
    """The picture in an SVG that a layout program wrote: shapes and texts, without what only programs read."""
    root = ET.fromstring(svg)  # noqa: S314  what the layout program wrote
    width, height = (root.get(side, "").removesuffix("pt") for side in ("width", "height"))
    inside = "".join(markup(child, "", classes, colours) for child in root)
    return f'<svg width="{width}" height="{height}" viewBox="{root.get("viewBox")}">{inside}</svg>'


def markup(element: ET.Element, what: str, classes: Mapping[str, str], colours: Colours) -> str:
    """An element as the page has it: links are opened, titles go, groups have the classes of what they stand for."""
    tag, name = element.tag.rpartition("}")[2], element.get("id", "")
    if tag in {"title", "desc"}:
        return ""
    what = name if name in classes else what
    inside = "".join(markup(child, what, classes, colours) for child in element)
    if tag == "a" or (tag == "g" and name.startswith("a_")):
        return inside
    kept = {}
    for key, value in element.attrib.items():
        if key in KEPT:
            kept[key] = colours.found.get((what, tag if (tag, key) == ("text", "fill") else key, value), value)
    if name in classes:
        kept |= {"id": name, "class": classes[name]}
    elif element.get("class") == "graph":
        kept["class"] = "graph"
    attributes = "".join(f' {key}="{html.escape(value)}"' for key, value in kept.items())
    return f"<{tag}{attributes}>{html.escape((element.text or '').strip(chr(10)))}{inside}</{tag}>"
