"""A run's page: as a file, and in a headless Chromium that writes down what it finds."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demos import char_lm
from demos.lm import run as training_run
from demos.lm.files import restore
from demos.lm.report import connectivity, neurons
from tests.demos.char_lm_runs import refused, train
from tests.demos.report_pages import data_of, steady, unpacked

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")
RUSSIAN = "— Да, — сказал князь. «Ёлка и <й> & мёд?» — и שלום, سلام; le bœuf, «très bien»…\n\n"
MOST = 0.7  # of a colour behind text


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


def test_a_report_for_which_memory_is_lacking_costs_no_training(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(connectivity, "section", full)
    assert train(run.parent / "text.txt", tmp_path / "run", iterations=2) == 0
    *_, said, done = capsys.readouterr().out.splitlines()
    assert said == "no report      there is not enough memory for it"
    assert done == f"done           after iteration 2, saved in {tmp_path / 'run'}"


def test_a_text_that_is_gone_at_the_end_costs_no_training(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "gone.txt"
    copy.write_bytes((run.parent / "text.txt").read_bytes())
    ended = training_run.ended

    def without_text(*arguments: Any) -> str:
        reason = ended(*arguments)
        copy.unlink()
        return reason

    monkeypatch.setattr(training_run, "ended", without_text)
    assert train(copy, tmp_path / "run", iterations=2) == 0
    *_, said, done = capsys.readouterr().out.splitlines()
    assert said.startswith("no report      ")
    assert "gone.txt: can't be read" in said
    assert done == f"done           after iteration 2, saved in {tmp_path / 'run'}"


def test_reading_shows_how_far_it_is(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    asked = ["neurons", "--checkpoint", str(run), "--length", "50", "--output", str(tmp_path / "page.html")]
    assert char_lm.main(asked) == 0
    assert re.search(r"neurons: +\d+%.*\d+/50", capsys.readouterr().err)


CATCH = """<pre id="outcome" hidden></pre><script>
const errors = [];
window.requestAnimationFrame = (next) => setTimeout(() => next(performance.now()), 16); // virtual time has no frames
window.cancelAnimationFrame = clearTimeout;
addEventListener("error", (event) => errors.push(event.message));
addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));
console.error = console.warn = (...words) => errors.push(words.join(" "));
</script>"""


@pytest.fixture(scope="module")
def seen(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``report_exercise.js`` finds in the page of the run."""
    folder = tmp_path_factory.mktemp("chromium")
    file, page = folder / "page.html", (run / "report.html").read_text("utf-8")
    exercise = f"<script>{Path(__file__).with_name('report_exercise.js').read_text('utf-8')}</script>"
    file.write_text(page.replace("<body>", f"<body>{CATCH}").replace("</body>", f"{exercise}</body>"), "utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,800"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", timeout=60)  # noqa: S603
    found = re.search(r'<pre id="outcome"[^>]*>(.+?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    loaded: dict[str, Any] = json.loads(html.unescape(found[1]))
    return loaded


@pytest.fixture(scope="module")
def reading(run: Path) -> neurons.Reading:
    """What the model of the run makes of the text in its page."""
    model, _ = restore(str(run))
    return neurons.read(model, unpacked(data_of(run / "report.html")["neurons.js"]["ids"], "<u2").astype(int))


def alpha(background: str) -> float:
    """How strong a colour is; minus that, if it is one for what is below the mean."""
    found = re.match(r"rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)", background)
    assert found is not None, background
    strength = 1.0 if found[4] is None else float(found[4])
    return -strength if int(found[3]) > int(found[1]) else strength


@needs_chromium
def test_the_page_works_by_itself_in_both_themes(seen: dict[str, Any]) -> None:
    assert seen["errors"] == seen["requests"] == []
    assert seen["grounds"] == ["rgb(15, 23, 42)", "rgb(255, 255, 255)"]


@needs_chromium
def test_colours_are_those_of_the_unit_that_keys_choose(
    run: Path, seen: dict[str, Any], reading: neurons.Reading
) -> None:
    told = data_of(run / "report.html")["neurons.js"]
    layer, unit = told["first"]
    moved = (unit + 1) % 12
    places = [[layer, unit], [layer, moved], [1 - layer, moved]]
    for look, place in zip((seen["first"], seen["unit"], seen["layer"]), places, strict=True):
        assert look["place"] == place
        assert [sign for sign, _ in look["row"]] == [told["signs"][i] for i in reading.ids[: len(look["row"])]]
        own = steady(reading.states[tuple(place)])
        strengths = MOST * np.clip(own / (2.5 * own.std()), -1, 1)
        np.testing.assert_allclose([alpha(c) for _, c in look["row"]], strengths[: len(look["row"])], atol=0.01)


@needs_chromium
def test_keys_that_the_browser_needs_are_left_to_it(seen: dict[str, Any]) -> None:
    assert seen["left"] == [False] * 17
    assert seen["still"] == seen["layer"]


@needs_chromium
def test_typed_numbers_are_of_units_that_there_are(seen: dict[str, Any]) -> None:
    assert seen["typed"] == [[1, 11], [0, 0], [0, 1], seen["layer"]["place"]]


@needs_chromium
def test_state_and_guesses_of_a_character_by_pointer_and_by_keys(
    run: Path, seen: dict[str, Any], reading: neurons.Reading
) -> None:
    told = data_of(run / "report.html")["neurons.js"]
    layer, unit = seen["layer"]["place"]
    level = unpacked(told["levels"][layer][unit], "i1")
    for text, k in zip([seen["picked"]["told"], *seen["walked"]], (0, 1, 2, 1), strict=True):
        names = [told["names"][i] for i in reading.guesses[k]]
        chances = [f"{round(float(chance) / 255 * 100)} %" for chance in reading.chances[k]]
        expected = ", ".join(f"{name} {chance}" for name, chance in zip(names, chances, strict=True))
        side = "below" if level[k] < 0 else "above"
        assert text.startswith(f"Layer {layer}, unit {unit}. Character {k}, {told['names'][reading.ids[k]]}: state ")
        assert text.endswith(f" {side} its mean; expected next: {expected}.")
        shown = float(re.findall(r"state ([\d.e-]+)", text)[0])
        assert shown == pytest.approx(abs(int(level[k])) / 127 * told["reach"][layer][unit], rel=6e-3)
    assert seen["outlined"] == [1]
    wide = len(seen["first"]["row"])
    assert seen["guesses"] == ["".join(told["signs"][i] for i in reading.guesses[:wide, g]) for g in range(5)]
    assert "".join(told["signs"][i] for i in reading.ids).endswith(seen["end"])
    assert len(seen["end"]) > 20


@needs_chromium
def test_cells_stand_from_left_to_right_in_any_script(seen: dict[str, Any]) -> None:
    assert {"ש", "س"} <= {sign for sign, _ in seen["first"]["row"]} & {sign for sign, _ in seen["passage"]}
    assert seen["places"] == sorted(seen["places"])
    assert seen["lines"] == sorted(seen["lines"])


@needs_chromium
def test_the_passage_shows_what_a_prediction_hung_on(run: Path, seen: dict[str, Any]) -> None:
    told = data_of(run / "report.html")["connectivity.js"]
    signs, norms = told["signs"], unpacked(told["norms"], "<f4")
    T = len(signs) - 1
    row = norms.reshape(T, T)[T - 2][: T - 1]
    assert [sign for sign, _ in seen["passage"]] == signs
    shown = np.array([abs(alpha(colour)) for _, colour in seen["passage"][: T - 1]])
    np.testing.assert_allclose(shown, MOST * row / row.max(), atol=0.01)
    assert seen["lags"].startswith(f"Prediction of {json.dumps(signs[T - 1], ensure_ascii=False)}: largest norm ")
    near = round(100 * float(row[-5:].sum() / row.sum()))
    assert seen["lags"].endswith(f"; the last 5 characters have {near} % of the sum of all.")


@needs_chromium
def test_all_text_can_be_read_on_what_is_behind_it(seen: dict[str, Any]) -> None:
    for theme in seen["faintest"]:
        assert theme["ratio"] >= 4.5, theme["where"]
        assert theme["looked"] > 500


@needs_chromium
def test_on_a_narrow_page_links_stay_and_charts_scroll_by_themselves(seen: dict[str, Any]) -> None:
    assert seen["narrow"]["nav"]
    assert seen["narrow"]["letters"] >= 9
    assert seen["narrow"]["sticksOut"] == []


@needs_chromium
def test_a_page_that_is_dark_is_printed_in_the_colours_for_paper(seen: dict[str, Any]) -> None:
    assert seen["printed"] == {
        "dark": "dark",
        "colours": ["rgb(31, 41, 55)", "rgb(255, 255, 255)"],
        "kept": ["exact"] * 4,
        "headings": ["avoid"] * 2,
        "shown": [False, False, True],
    }
