import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import graphviz
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.draw.dot import read
from tests.draw.graphs import recorded
from tests.draw.networks import doubled, lstm, pictures
from tinygrad_rnn import Tensor
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.graph import collect
from tinygrad_rnn.draw.style import SIGNS, tooltip
from tinygrad_rnn.draw.theme import SHAPES, THEMES, Theme
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import registry

GOLDEN, ROOT = Path(__file__).parent / "golden", Path(__file__).parents[2]
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the layout program dot is not installed")


def dot(source: str, to: str) -> str:
    command = ["dot", f"-T{to}"]
    return subprocess.run(command, input=source, capture_output=True, check=True, encoding="utf-8").stdout  # noqa: S603


def visible(text: str) -> str:
    """Text as a picture shows it: what can't be printed is written as Python writes it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def expressions(nodes: Iterable[Any], said: Callable[[Any], str], inputs: Callable[[Any], list[Any]]) -> Counter[str]:
    """Each operation as a digest of the expression it stands for, so that graphs compare whatever nodes are called."""
    found: dict[Any, str] = {}
    for node in nodes:  # inputs first
        key = said(node), *(found[x] for x in inputs(node))
        found[node] = hashlib.sha256(repr(key).encode()).hexdigest()
    return Counter(found[node] for node in found if inputs(node))


@given(recorded())
def test_each_operation_is_one_node_and_each_input_one_edge(case: tuple[list[Tensor], list[Tensor]]) -> None:
    outputs, _ = case
    graph, picture = collect(outputs), read(draw(*outputs).source)
    inputs: dict[str, list[str]] = {name: [] for name in picture.nodes}
    for tail, head in picture.edges:
        inputs[head].append(tail)
    drawn = expressions(
        TopologicalSorter(inputs).static_order(), lambda name: picture.nodes[name]["tooltip"], inputs.__getitem__
    )
    recorded = expressions(
        range(len(graph.nodes)),
        lambda i: visible(tooltip(graph.nodes[i])),
        lambda i: list(getattr(graph.nodes[i], "inputs", [])),
    )
    assert drawn == recorded


def test_golden() -> None:
    assert pictures() == {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.dot")}


@pytest.mark.parametrize("seed", ["0", "1"])
def test_same_text_in_every_process(seed: str) -> None:
    command = [sys.executable, "-c", "from tests.draw.networks import pictures; print(ascii(pictures()))"]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    run = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", env=environment, cwd=ROOT)  # noqa: S603
    assert run.stdout == f"{pictures()!a}\n"


def test_nothing_needs_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    picture = draw(lstm(1))
    assert isinstance(picture, graphviz.Digraph)
    assert picture.source.startswith('digraph "computation graph" {')


def test_scopes_are_nested_clusters() -> None:
    x = Tensor(1.0, requires_grad=True)
    with scope("encoder"):
        with scope("layer0"):
            x = x.tanh()
        with scope("layer1"):
            x = x.tanh()
    with scope("head"):
        x = x.exp()
    clusters = read(draw(x).source).clusters
    assert clusters == [f"cluster {name} #1" for name in ("encoder", "encoder.layer0", "encoder.layer1", "head")]


def test_each_step_has_its_own_chip_of_a_shared_weight() -> None:
    picture = read(draw(lstm(5)).source)
    chips = [name for name in picture.nodes if "weight_hh_l0" in name]
    assert chips == [f"lstm.layer0 / t={t} / weight_hh_l0 #1" for t in range(5)]
    assert [head for tail, head in picture.edges if tail in chips] == [
        f"lstm.layer0 / t={t} / linear #1" for t in range(5)
    ]


def test_a_leaf_that_one_scope_uses_often_is_no_hub() -> None:
    w, x = Tensor(2.0, requires_grad=True, name="w"), Tensor(1.0)
    for _ in range(10):
        x = x * w
    picture = read(draw(x).source)
    assert sum(look["label"] == "w" for look in picture.nodes.values()) == 10
    assert set(Counter(tail for tail, _ in picture.edges).values()) == {1}
    few = read(draw((w * w + w).tanh()).source)
    assert [look["label"] for look in few.nodes.values()] == ["×", "w", "+", "tanh"]


def test_labels_say_what_happens() -> None:
    nodes = read(draw(lstm(1)).source).nodes
    step = Counter(look["label"] for name, look in nodes.items() if "t=0" in name)
    assert step == Counter(
        ["[0]\n2×16", "Wx + b", "h₀\n2×4", "c₀\n2×4", "weight_hh_l0\n16×4", "σ", "σ", "σ"]
    ) + Counter(["tanh", "tanh", "×", "×", "×", "+", *(f"[…, {start}:{start + 4}]\n2×4" for start in (0, 4, 8, 12))])
    assert nodes["loss / cross_entropy #1"]["label"] == "cross entropy\nscalar"
    assert nodes["lstm.layer0 / t=0 / mul #1"]["tooltip"] == "mul → (2, 4) float64 in lstm.layer0 / t=0"


def test_a_named_result_shows_its_name() -> None:
    h = Tensor([1.0], requires_grad=True).tanh()
    h.name = "h₁"
    assert [look["label"] for look in read(draw(h).source).nodes.values()] == ["tanh\nh₁", "1"]


ODD = [
    'a"b',
    "a\\",
    '\\"',
    "\\N\\G\\l",
    "<b>x</b>",
    "<>",
    "&lt;&amp;",
    "x:y",
    "мир «ё»",
    "a\nb",
    "\x00\x07",
    "\ud800",
    "#1",
    "{|}",
    "t=3",
]


@pytest.mark.parametrize("text", ODD)
def test_any_text_survives(text: str) -> None:
    x = Tensor(1.0, requires_grad=True, name=text)
    with scope(text):
        y = x.tanh()
    y.name = text
    operation, leaf = read(draw(y).source).nodes.values()
    assert (operation["label"], leaf["label"]) == (f"tanh\n{visible(text)}", visible(text))


@needs_dot
@settings(max_examples=15)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=10))
def test_dot_draws_the_text_that_was_given(texts: list[str]) -> None:
    total = sum((Tensor(1.0, True, name=text) for text in texts + ODD), start=Tensor(0.0))
    svg = ET.fromstring(dot(draw(total).source, "svg"))  # noqa: S314  what dot wrote
    shown = Counter(
        (text.text or "").replace("\xa0", " ").strip() for text in svg.iter("{http://www.w3.org/2000/svg}text")
    )
    assert not Counter(visible(text).strip() for text in texts + ODD) - shown


@needs_dot
@pytest.mark.parametrize("reverse", [False, True])
def test_time_runs_left_to_right_and_nothing_overlaps(reverse: bool) -> None:
    boxes, steps = [], []
    for thing in json.loads(dot(draw(lstm(4, reverse=reverse)).source, "json"))["objects"]:
        if "lp" in thing:
            boxes.append(box(thing["lp"], thing["lwidth"], thing["lheight"]))
            if "t=" in thing["name"]:
                steps.append((thing["label"], [float(x) for x in thing["bb"].split(",")]))
        elif "pos" in thing:
            boxes.append(box(thing["pos"], thing["width"], thing["height"]))
    steps.sort()
    assert [label for label, _ in steps] == ["t = 0", "t = 1", "t = 2", "t = 3"]
    assert all(one[2] < two[0] for (_, one), (_, two) in itertools.pairwise(steps))
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def box(centre: str, width: str, height: str) -> tuple[float, float, float, float]:
    """(left, bottom, right, top) in points."""
    (x, y), w, h = map(float, centre.split(",")), 36 * float(width), 36 * float(height)
    return x - w, y - h, x + w, y + h


def test_too_many_operations_are_refused_with_advice() -> None:
    x = Tensor(1.0, requires_grad=True)
    for _ in range(3000):
        x = x + 1.0
    draw(x)
    with pytest.raises(
        ValueError, match=r"there are 3,001 nodes without a time step, and a picture holds at most 3,000; draw modules"
    ):
        draw(x + 1.0)


def test_nothing_to_draw() -> None:
    with pytest.raises(TypeError, match="draw: takes at least one tensor"):
        draw()


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = doubled()
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match="the Python package graphviz is missing; pip install graphviz"):
        draw(loss)


def test_graphviz_is_imported_by_the_call_only() -> None:
    code = "import sys, tinygrad_rnn, tinygrad_rnn.draw; sys.exit('graphviz' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)  # noqa: S603


def test_every_operation_has_a_look() -> None:
    assert set(SIGNS) <= set(registry)
    assert {row for _, row in SIGNS.values()} <= set(SHAPES)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_colours_are_hex_and_text_is_readable(theme: Theme) -> None:
    palette = theme.palette
    for ground in [palette.paper, palette.step, *(tone.ground for tone in palette.tones.values())]:
        assert contrast(palette.ink, ground) >= 4.5
    for text, ground in itertools.product([palette.muted, palette.state], [palette.paper, palette.step]):
        assert contrast(text, ground) >= 4.5
    colours = re.findall(r'color="?([^"\s\]]+)', draw(lstm(1), theme=theme.name).source)
    assert len(colours) > 20
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)


def test_an_unknown_theme_is_named() -> None:
    with pytest.raises(ValueError, match=r"draw: theme is one of light, dark, print, not 'drak'; did you mean 'dark'"):
        draw(doubled(), theme="drak")


def contrast(text: str, ground: str) -> float:
    """The ratio that WCAG 2 defines."""
    one, two = sorted(luminance(colour) for colour in (text, ground))
    return (two + 0.05) / (one + 0.05)


def luminance(colour: str) -> float:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
