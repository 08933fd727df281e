import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.draw.networks import doubled, lstm
from tests.draw.test_engine import needs_dot, needs_pure
from tests.draw.test_picture import contrast
from tinygrad_rnn import Tensor
from tinygrad_rnn.draw import draw, to_html
from tinygrad_rnn.draw.flow import flow
from tinygrad_rnn.draw.page import asset
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.scope import scope

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="graph" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


@needs_dot
def test_every_mark_and_line_is_in_the_page_with_its_data() -> None:
    loss = lstm(3)
    page, scene = to_html(loss), scene_of(loss)
    data, names = data_of(page), list(scene.marks)
    lines = [line for line in scene.lines if line.kind != "hint"]
    assert [label for label, _ in data["nodes"]] == ["\n".join(mark.lines) for mark in scene.marks.values()]
    assert [(names[a], names[b]) for a, b in data["edges"]] == [(line.tail, line.head) for line in lines]
    assert sorted(re.findall(r'id="(n\d+)" class="node ', page)) == sorted(f"n{k}" for k in range(len(names)))
    assert sorted(re.findall(r'id="(e\d+)" class="edge ', page)) == sorted(f"e{k}" for k in range(len(lines)))


@needs_dot
def test_tips_tell_the_values_and_gradients() -> None:
    x = Tensor([1.0, 2.0, 6.0], requires_grad=True, name="x")
    with scope("сеть"), scope(3):
        loss = (x * x).sum()
    nodes = {label.splitlines()[0]: facts for label, facts in data_of(to_html(loss))["nodes"]}
    assert nodes["×"] == [
        ["operation", "mul"],
        ["shape", "3 float64"],
        ["min, mean, max", "1, 13.7, 36"],
        ["gradient norm", f"{flow(loss).norm(1):.3g}"],
        ["in", "сеть / t=3"],
    ]
    assert nodes["x"][:2] == [["parameter", "x"], ["shape", "3 float64"]]
    assert nodes["x"][3] == ["gradient norm", "12.8"]  # ‖2x‖ = 2 √41
    assert nodes["Σ"][1:3] == [["shape", "scalar float64"], ["value", "41"]]


@needs_dot
def test_without_a_gradient_none_is_told() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert "gradient norm" not in json.dumps(data_of(to_html(x * 2.0))["nodes"])
    y = (x * x).sum()
    x.data = [3.0, 4.0]
    assert "gradient norm" not in json.dumps(data_of(to_html(y))["nodes"])


@needs_dot
@pytest.mark.parametrize("text", ['a"b', "</script><b>", "<!--", "&lt;&amp;", "мир «ё»", "{{svg}}", "\\N"])
def test_any_text_survives(text: str, tmp_path: Path) -> None:
    x = Tensor(1.0, requires_grad=True, name=text)
    page = to_html(x.tanh(), title=text, file=tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert ["parameter", text] in [facts[0] for _, facts in data_of(page)["nodes"]]
    assert f"<title>{html.escape(text)}</title>" in page
    assert page.count("<script") == page.count("</script>") == 2


@needs_dot
@needs_pure
def test_both_programs_make_the_same_page_but_for_places(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [to_html(doubled())]
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("graphviz.backend.dot_command.DOT_BINARY", Path("dot"))
    pages.append(to_html(doubled()))
    one, two = (re.sub(r'(d|points|[rc][xy]|x|y|width|height|viewBox|transform)="[^"]*"', "", page) for page in pages)
    one = one.replace('stroke="transparent"', 'stroke="none"')  # which means the same
    assert sorted(re.findall(r"<\w+[^>]*", one)) == sorted(re.findall(r"<\w+[^>]*", two))


@needs_dot
def test_the_page_refers_to_nothing_outside() -> None:
    page = to_html(lstm(2))
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|url\(|@import|\bsrc=|\bhref=", page)


def painted(svg: str) -> Counter[tuple[str, ...]]:
    """What nodes and edges are painted with: kinds of shapes with their colours."""
    return Counter(
        (shape.tag.rpartition("}")[2], *(shape.get(key, "") for key in ("fill", "stroke")))
        for group in ET.fromstring(svg).iter()  # noqa: S314  what the layout program and the page wrote
        if group.get("class", "").split(" ")[0] in {"node", "edge"}
        for shape in group.iter()
        if shape.get("fill") or shape.get("stroke")
    )


@needs_dot
@pytest.mark.parametrize(("block", "theme"), [(":root", "light"), (':root[data-theme="dark"]', "dark")])
def test_the_colours_are_those_of_the_picture_in_that_theme(block: str, theme: str) -> None:
    loss = lstm(2)
    page = to_html(loss)
    svg = page[page.index("<svg") : page.index("</svg>") + 6]
    (rule,) = re.findall(rf"^{re.escape(block)} {{ (--c0: .*) }}$", page, re.MULTILINE)
    values = dict(re.findall(r"(--c\d+): (#\w{6});", rule))
    assert painted(re.sub(r"var\((--c\d+)\)", lambda found: values[found[1]], svg)) == painted(
        draw(loss, theme=theme).pipe(encoding="utf-8")
    )


def test_a_page_has_no_theme_of_its_own() -> None:
    with pytest.raises(TypeError, match="to_html: a page has no theme of its own"):
        to_html(doubled(), theme="dark")


@pytest.mark.parametrize("block", [0, 1])
def test_text_can_be_read_in_light_and_dark(block: int) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6})", asset("page.css").split("}")[block]))
    for text in ("ink", "muted", "up", "down"):
        for ground in ("paper", "raised"):
            assert contrast(colours[text], colours[ground]) >= 4.5


EXERCISE = """
<script>
const outcome = {};
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const press = (key, more = {}) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
const lit = (word) => nodes.flatMap((n, k) => (n.classList.contains(word) ? [k] : []));
const state = () => ({ focus: document.activeElement.id, lit: svg.classList.contains("lit"), up: lit("up"),
  down: lit("down"), tip: tip.hidden ? null : tip.textContent, scale });
(async () => {
  outcome.found = nodes.every(Boolean) && edges.every(Boolean);
  outcome.named = nodes.every((n) => n.getAttribute("aria-label"));
  fit();
  showNear();
  nodes[NODE].firstElementChild.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  await wait(100);
  outcome.hover = state();
  press("Escape");
  outcome.escaped = state();
  press("Tab");
  outcome.tab = state();
  for (let k = 0; k < 200 && next(Number(document.activeElement.id.slice(1)), false) !== undefined; k++) press("Tab");
  outcome.end = document.activeElement.id;
  press("Tab", { shiftKey: true });
  outcome.back = document.activeElement.id;
  const before = document.activeElement;
  outcome.arrows = Object.keys(ARROWS).map((key) => {
    visit(Number(before.id.slice(1)));
    press(key);
    return document.activeElement.id;
  });
  visit(LOSS);
  press("Enter");
  document.activeElement.blur();
  outcome.pinned = state();
  press("Escape");
  press("+");
  outcome.zoomed = scale;
  press("0");
  outcome.fitted = scale;
  press("/");
  outcome.searching = document.activeElement.id;
  search.value = "sigmoid t=1";
  search.dispatchEvent(new Event("input"));
  press("Enter");
  outcome.search = [document.getElementById("found").textContent, lit("match").length];
  press("Escape");
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const colours = [paper()];
  document.getElementById("theme").click();
  colours.push(paper());
  outcome.colours = colours;
  fit();
  showNear();
  outcome.ground = getComputedStyle(svg.querySelector(".product polygon")).fill;
  highlight(NODE);
  const strokes = (word) => [...svg.querySelectorAll(`.edge.${word} path`)].map((p) => getComputedStyle(p).stroke);
  outcome.strokes = { up: [...new Set(strokes("up"))], down: [...new Set(strokes("down"))] };
  view.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, clientX: 300, clientY: 300, cancelable: true }));
  outcome.wheel = scale > outcome.fitted;
  outcome.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  const shown = document.createElement("pre");
  shown.id = "outcome";
  shown.textContent = JSON.stringify({ ...outcome, errors });
  document.body.append(shown);
})();
</script>
"""
CATCH = """<script>const errors = [];
addEventListener("error", (e) => errors.push(e.message));
addEventListener("unhandledrejection", (e) => errors.push(String(e.reason)));
addEventListener("securitypolicyviolation", (e) => errors.push(e.violatedDirective));
</script>"""


def reach(start: int, edges: list[tuple[int, int]]) -> list[int]:
    """What can be reached from ``start``, by adding until nothing is added."""
    found = {start}
    while more := {b for a, b in edges if a in found} - found:
        found |= more
    return sorted(found - {start})


@needs_dot
@needs_chromium
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    """Hover, keys, search and themes, in a headless Chromium that writes down what it finds."""
    page = to_html(lstm(3))
    data = data_of(page)
    node = next(k for k, (label, _) in enumerate(data["nodes"]) if label == "+")
    file = tmp_path / "page.html"
    loss = next(k for k, (label, _) in enumerate(data["nodes"]) if label.startswith("cross entropy"))
    script = EXERCISE.replace("NODE", str(node)).replace("LOSS", str(loss))
    file.write_text(page.replace("<body>", f"<body>{CATCH}").replace("</body>", f"{script}</body>"), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,800"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom", file.as_uri()]
    run = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", timeout=60)  # noqa: S603
    found = re.search(r'<pre id="outcome">(.*?)</pre>', run.stdout, re.DOTALL)
    assert found is not None, run.stderr
    outcome = json.loads(html.unescape(found[1]))
    assert outcome["errors"] == outcome["requests"] == []
    assert outcome["found"]
    assert outcome["named"]
    edges = [tuple(edge) for edge in data["edges"]]
    hover = outcome["hover"]
    assert (hover["lit"], hover["up"]) == (True, reach(node, [(b, a) for a, b in edges]))
    assert hover["down"] == reach(node, edges)
    assert hover["tip"].startswith("+operationadd")
    assert outcome["escaped"] == {**hover, "focus": "view", "lit": False, "up": [], "down": [], "tip": None}
    assert outcome["tab"]["focus"] == "n0"
    assert outcome["tab"]["down"] == reach(0, edges)
    assert outcome["end"] == f"n{loss}"
    assert (int(outcome["back"][1:]), loss) in edges
    assert f"n{loss}" in outcome["arrows"]
    assert (outcome["pinned"]["lit"], outcome["pinned"]["up"]) == (True, reach(loss, [(b, a) for a, b in edges]))
    assert outcome["zoomed"] > outcome["fitted"]
    assert outcome["searching"] == "search"
    assert outcome["search"] == ["1 of 3", 3]
    assert outcome["colours"] == ["rgb(255, 255, 255)", "rgb(15, 23, 42)"]
    assert outcome["ground"] == "rgb(67, 35, 15)"
    assert outcome["strokes"] == {"up": ["rgb(240, 149, 79)"], "down": ["rgb(108, 192, 240)"]}
    assert outcome["wheel"]
