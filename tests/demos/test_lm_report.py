from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demos import char_lm
from demos.lm.files import restore
from demos.lm.model import CharLM
from demos.lm.report import neurons
from demos.lm.report.chart import Series, chart
from demos.lm.report.connectivity import along_time, connectivity
from demos.lm.report.page import packed
from demos.lm.report.signs import sign
from tests.demos.char_lm_runs import refused, train
from tinygrad_rnn import cross_entropy, no_grad
from tinygrad_rnn.tensor import Array, Tensor
from tinygrad_rnn.text import Vocabulary

CELLS = ("rnn", "lstm", "gru")
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")
RUSSIAN = "— Да, — сказал князь. «Ёлка и <й> & мёд?» — и вышел; le bœuf, «très bien»…\n\n"


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


def unpacked(text: str, dtype: str) -> Array:
    return np.frombuffer(base64.b64decode(text), dtype)


def tiny(cell: str) -> CharLM:
    made = CharLM(Vocabulary("abcd "), cell, layers=2, units=3, dropout=0.3, dtype=np.float64, rng=4).eval()
    for parameter in made.parameters():
        parameter.data = 2 * parameter.data  # so that what lies back is felt
    return made


def steady(row: Array) -> Array:
    """A unit's states less their mean over 250 characters on each side, one by one."""
    return np.array([row[t] - row[max(t - 250, 0) : t + 251].astype(float).mean() for t in range(len(row))])


def started(model: CharLM) -> Any:
    with no_grad():
        return model(np.array([[3], [1]]))[1]


IDS = np.array([0, 1, 4, 2, 2, 3, 0])


def logits_of(model: CharLM, vectors: Array, state: Any) -> Array:
    with no_grad():
        return np.asarray(model.head(model.recurrent(Tensor(vectors[:, None]), state)[0]).data[:, 0])


@pytest.mark.parametrize("cell", CELLS)
def test_connectivity_equals_central_differences(cell: str) -> None:
    model = tiny(cell)
    state, vectors = started(model), model.embedding.weight.data[IDS[:-1]]
    T, E = vectors.shape
    slopes, step = np.zeros((T, T, E)), 1e-5
    for s, e in np.ndindex(T, E):
        change = np.zeros_like(vectors)
        change[s, e] = step
        up, down = (logits_of(model, vectors + sign * change, state) for sign in (1, -1))
        slopes[:, s, e] = ((up - down) / (2 * step))[np.arange(T), IDS[1:]]
    expected = np.linalg.norm(slopes, axis=-1)
    found = connectivity(model, IDS, state)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert (found[np.tril_indices(T)] > 0).all()
    assert not found[np.triu_indices(T, 1)].any()


@pytest.mark.parametrize("cell", CELLS)
def test_norms_along_time_are_those_of_states_and_of_differences(cell: str) -> None:
    model = tiny(cell)
    norms = along_time(model, IDS, started(model))

    def rest(state: Any, t: int) -> float:
        with no_grad():
            logits, _ = model(IDS[t + 1 : -1, None], state)
            return float(cross_entropy(logits[-1:], IDS[-1:, None]).data)

    state = started(model)
    for t in range(len(IDS) - 2):
        with no_grad():
            _, state = model(IDS[t : t + 1, None], state)
        parts = [tensor.data for tensor in (state if isinstance(state, tuple) else (state,))]
        for k, name in enumerate(norms.states):
            np.testing.assert_allclose(norms.states[name][t], np.linalg.norm(parts[k][:, 0], axis=-1), rtol=1e-12)
            slopes = np.zeros_like(parts[k])
            for place in np.ndindex(slopes.shape):
                ends = []
                for step in (1e-5, -1e-5):
                    moved = [part.copy() for part in parts]
                    moved[k][place] += step
                    tensors = tuple(map(Tensor, moved))
                    ends.append(rest(tensors if len(tensors) > 1 else tensors[0], t))
                slopes[place] = (ends[0] - ends[1]) / 2e-5
            expected = np.linalg.norm(slopes[:, 0], axis=-1)
            np.testing.assert_allclose(norms.gradients[name][t], expected, rtol=1e-5, atol=1e-9)
    assert list(norms.states) == (["h", "c"] if cell == "lstm" else ["h"])


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_read_are_the_states_and_predictions_of_the_model(cell: str) -> None:
    model, ids = tiny(cell), np.tile(IDS, 5)
    reading, state = neurons.read(model, ids), None
    for t, index in enumerate(ids):
        with no_grad():
            logits, state = model(np.array([[index]]), state)
        own = (state[1] if isinstance(state, tuple) else state).data[:, 0]
        np.testing.assert_allclose(reading.states[:, :, t], own, rtol=0, atol=1e-12)
        p = np.exp(logits.data[0, 0] - np.logaddexp.reduce(logits.data[0, 0]))
        assert (reading.guesses[t] == np.argsort(-p)).all()
        np.testing.assert_allclose(reading.chances[t] / 255, np.sort(p)[::-1], atol=0.5 / 255 + 1e-12)


def test_colours_are_the_states() -> None:
    model, ids = tiny("lstm"), np.random.default_rng(1).integers(0, 5, 700)
    states = neurons.read(model, ids).states
    quick = np.stack([neurons.steady(rows) for rows in states])
    colours = neurons.coloured(quick)
    for unit in np.ndindex(2, 3):
        own, reach = steady(states[unit]), colours.reach[unit]
        np.testing.assert_allclose(quick[unit], own, rtol=0, atol=1e-10)
        assert reach == pytest.approx(2.5 * own.std())
        np.testing.assert_allclose(colours.levels[unit] / 127, np.clip(own / reach, -1, 1), atol=0.5 / 127 + 1e-9)


def test_the_colour_of_a_unit_that_never_changes_is_none() -> None:
    assert not neurons.coloured(neurons.steady(np.full((1, 1, 5), 0.5, np.float32))).levels.any()


def test_correlations_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    states, values = rng.normal(size=(2, 3, 50)), rng.normal(size=50)
    states[1, 2] = 4.0
    expected = np.array([[np.corrcoef(row, values)[0, 1] for row in rows] for rows in states[:, :2]])
    found = neurons.correlations(states, values)
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-12)
    assert found[1, 2] == 0
    assert not neurons.correlations(states, np.ones(50)).any()


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('a "bc" d', "00111000"), ("«Ёж» и", "111000"), ("“a” b", "11000"), ('"ab\n\nc"d', "11110011"),
    ],
)  # fmt: skip
def test_inside_quotes(text: str, inside: str) -> None:
    assert "".join(f"{value:.0f}" for value in neurons.properties(text)["inside quotes"]) == inside


def test_position_and_capitals() -> None:
    found = neurons.properties("Да\nÉ x")
    assert found["position in the line"].tolist() == [1, 2, 0, 1, 2, 3]
    assert found["after a capital"].tolist() == [1, 0, 0, 1, 0, 0]


def test_signs_are_one_column_wide() -> None:
    assert [sign(c) for c in "й\u0306\u200b漢\r"] == ["й", "◌\u0306", "·", "▯", "␍"]


def test_a_chart_leaves_out_what_is_not_finite_and_says_so_if_nothing_is_left() -> None:
    found = chart([Series("a<b", [(1, 2), (2, np.nan), (3, 0), (4, 4)])], x="t", y="n", log=True)
    assert found.count("<circle") == 2
    assert "a&lt;b" in found
    assert "nothing to draw" in chart([Series("a", [(1, np.nan)])], x="t", y="n")


def test_numbers_are_packed_in_one_order_everywhere() -> None:
    assert packed(np.array([1, 256], ">u2")) == packed(np.array([1, 256], "<u2")) == "AQAAAQ=="


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a Russian text."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "text.txt").write_text(RUSSIAN * 60, encoding="utf-8")
    assert train(folder / "text.txt", folder / "run", "--cell", "gru", "--report", "20", iterations=30) == 0
    return folder / "run"


def test_a_run_ends_with_its_report(run: Path) -> None:
    page, records = (run / "report.html").read_text("utf-8"), (run / "log.jsonl").read_text("utf-8").splitlines()
    sections = re.findall(r'<section id="([\w-]+)">', page)
    expected = ["numbers", "curves", "samples", "temperatures", "neurons", "connectivity", "configuration"]
    assert sections == expected
    validated = [json.loads(line) for line in records if '"validate"' in line]
    assert [record["iteration"] for record in validated] == [20, 30]
    for record in validated:
        assert f"{record['nats']:.3f} nats" in page
        assert record["sample"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page
    assert "6-gram, validation" in page
    assert "{{" not in page
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\(|@import|https?://""", page)


def test_report_writes_it_anew_the_same(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert char_lm.main(["report", "--run", str(run), "--output", str(tmp_path / "again.html")]) == 0
    assert capsys.readouterr().out == f"report         {tmp_path / 'again.html'}\n"
    assert (tmp_path / "again.html").read_bytes() == (run / "report.html").read_bytes()


def test_neurons_of_a_text(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.txt").write_text("Ёлка и мёд, " * 9 + "z", encoding="utf-8")
    asked = ["neurons", "--checkpoint", str(run), "--text", str(tmp_path / "own.txt")]
    message = refused(capsys, *asked, "--unknown", "error")
    assert "'z' (position 108)" in message
    assert char_lm.main([*asked, "--unknown", "skip"]) == 0
    told = data_of(run / "neurons.html")["neurons.js"]
    model, _ = restore(str(run))
    ids = unpacked(told["ids"], "<u2")
    assert model.vocabulary.decode(ids.astype(int)) == "Ёлка и мёд, " * 9
    assert [told["signs"][i] for i in ids[:4]] == list("Ёлка")
    states = neurons.read(model, ids.astype(int)).states
    for layer, unit in ((0, 0), (1, 11)):
        own, reach = steady(states[layer, unit]), told["reach"][layer][unit]
        shown = unpacked(told["levels"][layer][unit], "i1") / 127
        np.testing.assert_allclose(shown, np.clip(own / reach, -1, 1), atol=0.5 / 127 + 1e-6)


def test_an_empty_text_has_no_neurons(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.txt").write_text("", encoding="utf-8")
    message = refused(capsys, "neurons", "--checkpoint", run, "--text", tmp_path / "none.txt")
    assert "no character" in message or "empty" in message


CATCH = """<pre id="outcome" hidden></pre><script>
const errors = [];
window.requestAnimationFrame = (next) => setTimeout(() => next(performance.now()), 16); // virtual time has no frames
window.cancelAnimationFrame = clearTimeout;
addEventListener("error", (event) => errors.push(event.message));
addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));
console.error = console.warn = (...words) => errors.push(words.join(" "));
</script>"""

EXERCISE = """<script>{
const view = element("text"), passage = element("passage"), told = { errors };
const press = (where, key, shiftKey = false) =>
  where.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true }));
const rest = () => new Promise((done) => setTimeout(done, 100));
const cells = (where) => [...where.querySelectorAll("b")].map((b) => [b.textContent, getComputedStyle(b).background]);
const place = () => [Number(element("layer").value), Number(element("unit").value)];
const look = () => ({ place: place(), row: cells(view.querySelector(".rows > div > div")), told: told_.textContent });
const told_ = element("told");
(async () => {
  await rest();
  told.first = look();
  press(document.body, "ArrowRight");
  told.unit = look();
  press(document.body, "ArrowRight", true);
  told.layer = look();
  view.querySelector("b").dispatchEvent(new Event("pointerover", { bubbles: true }));
  told.picked = look();
  press(document.body, "g");
  await rest();
  told.guesses = [...view.querySelectorAll(".rows > div:first-child > .guess")].map((line) => line.textContent);
  view.scrollTop = 1e9;
  await rest();
  told.end = [...view.querySelectorAll(".rows > div > div:first-child")].map((line) => line.textContent).join("");
  passage.dispatchEvent(new Event("pointerover"));
  press(passage, "ArrowLeft");
  told.passage = cells(passage);
  told.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  const ground = () => getComputedStyle(document.body).backgroundColor;
  told.grounds = [ground(), (element("theme").click(), ground())];
  element("outcome").textContent = JSON.stringify(told);
})();
}</script>"""


def in_chromium(page: str, folder: Path) -> dict[str, Any]:
    """What EXERCISE finds in a page."""
    file = folder / "page.html"
    file.write_text(page.replace("<body>", f"<body>{CATCH}").replace("</body>", f"{EXERCISE}</body>"), "utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,800"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", timeout=60)  # noqa: S603
    found = re.search(r'<pre id="outcome"[^>]*>(.+?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    loaded: dict[str, Any] = json.loads(html.unescape(found[1]))
    return loaded


def alpha(background: str) -> float:
    """How strong a colour is; minus that, if it is one for what is below the mean."""
    found = re.match(r"rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)", background)
    assert found is not None, background
    strength = 1.0 if found[4] is None else float(found[4])
    return -strength if int(found[3]) > int(found[1]) else strength


@needs_chromium
def test_the_page_in_a_browser(run: Path, tmp_path: Path) -> None:
    """Keys, colours, guesses and both themes, in a headless Chromium that writes down what it finds."""
    found, data = in_chromium((run / "report.html").read_text("utf-8"), tmp_path), data_of(run / "report.html")
    told = data["neurons.js"]
    assert found["errors"] == found["requests"] == []
    assert sorted(found["grounds"]) == ["rgb(15, 23, 42)", "rgb(255, 255, 255)"]
    model, _ = restore(str(run))
    ids = unpacked(told["ids"], "<u2").astype(int)
    reading, (layer, unit) = neurons.read(model, ids), told["first"]
    moved = (unit + 1) % 12
    assert [found[name]["place"] for name in ("first", "unit", "layer")] == [
        [layer, unit],
        [layer, moved],
        [1 - layer, moved],
    ]
    for name in ("first", "unit", "layer"):
        look = found[name]
        assert [sign for sign, _ in look["row"]] == [told["signs"][i] for i in ids[: len(look["row"])]]
        own = steady(reading.states[tuple(look["place"])])
        strengths = 0.75 * np.clip(own / (2.5 * own.std()), -1, 1)
        np.testing.assert_allclose([alpha(c) for _, c in look["row"]], strengths[: len(look["row"])], atol=0.01)
    assert re.search(
        r"Character 0, '.+': state [\d.e-]+( or more)? (above|below) its mean; expected next: '",
        found["picked"]["told"],
    )
    wide = len(found["first"]["row"])
    expected = ["".join(told["signs"][i] for i in reading.guesses[:wide, g]) for g in range(5)]
    assert found["guesses"] == expected
    assert "".join(told["signs"][i] for i in ids).endswith(found["end"])
    assert len(found["end"]) > 20
    passage = found["passage"]
    signs, norms = data["connectivity.js"]["signs"], unpacked(data["connectivity.js"]["norms"], "<f4")
    T = len(signs) - 1
    row = norms.reshape(T, T)[T - 2]
    assert [sign for sign, _ in passage] == signs
    shown = np.array([abs(alpha(colour)) for _, colour in passage[: T - 1]])
    np.testing.assert_allclose(shown, 0.8 * row[: T - 1] / row.max(), atol=0.01)
