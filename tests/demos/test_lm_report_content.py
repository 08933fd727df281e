"""What a page says of a training, against a reckoning of its own; how it stands in HTML and SVG."""

from __future__ import annotations

import html
import math
import re
from pathlib import Path

import numpy as np
import pytest

from demos.lm.corpus import Corpus
from demos.lm.log import Record
from demos.lm.options import Train
from demos.lm.report import page, sections
from demos.lm.report.chart import Series, chart
from demos.lm.report.page import packed
from demos.lm.sampling import continuation
from tests.demos.report_pages import data_of, tiny
from tinygrad_rnn import no_grad

NGRAMS = [1.5, 1.25, 1.125]


def told(*records: Record, iteration: int = 30) -> sections.Story:
    """A training of a small model, as ``records`` have it, after the start."""
    model, draw = tiny("gru"), np.random.default_rng(8)
    parts = [draw.integers(0, top, 40) for top in (5, 2, 5)]  # validation and test are not alike
    corpus = Corpus("a text", "abcd ", model.vocabulary, *parts)
    start = {"event": "start", "iteration": 0, "ngrams": NGRAMS}
    return sections.Story(Train(steps=10, batch_size=2, seed=3), corpus, model, iteration, [start, *records])


def trained(iteration: int, nats: float, seconds: float) -> Record:
    return {"event": "train", "iteration": iteration, "nats": nats, "seconds": seconds}


def rows_of(section: page.Section) -> dict[str, list[float]]:
    """The numbers of a table by what they are."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', section.body)
    return {name: [float(cell) for cell in re.findall(r"<td>(.*?)</td>", cells)] for name, cells in rows}


def test_each_number_has_its_name_and_its_three_forms() -> None:
    validations = [
        {"event": "validate", "iteration": i, "nats": nats} for i, nats in ((10, 2.0), (20, 1.0), (30, 1.75))
    ]
    story = told(trained(10, 3.0, 0.5), *validations, trained(20, 2.0, 0.75))
    rows = rows_of(sections.numbers(story))
    expected = {
        "1-gram, validation": 1.5,
        "2-gram, validation": 1.25,
        "3-gram, validation": 1.125,
        "validation, best, at iteration 20": 1.0,
        "validation, last, at 30": 1.75,
        "training, the last 20 iterations": 2.5,
    }
    assert rows.keys() - expected.keys() == {"test, model of iteration 30"}
    for name, nats in expected.items():
        assert rows[name] == [nats, round(nats / math.log(2), 3), round(math.exp(nats), 2)]


def test_the_test_part_is_scored() -> None:
    story = told()
    streams = story.corpus.test.reshape(2, 20)
    nats = []
    for ids, further in zip(streams, ([streams[1][0]], []), strict=True):  # each stream goes up to where the next began
        state = None
        for index, following in zip(ids, [*ids[1:], *further], strict=False):
            with no_grad():
                logits, state = story.model(np.array([[index]]), state)
            row = logits.data[0, 0]
            nats.append(np.logaddexp.reduce(row) - row[following])
    (found,) = (row for name, row in rows_of(sections.numbers(story)).items() if name.startswith("test"))
    assert found[0] == pytest.approx(np.mean(nats), abs=6e-4)


def test_the_training_loss_is_that_of_the_last_100_iterations() -> None:
    story = told(*(trained(10 * k, float(k), k / 4) for k in range(1, 13)))
    assert rows_of(sections.numbers(story))["training, the last 100 iterations"][0] == np.mean(range(3, 13))


def test_the_speed_is_that_up_to_the_last_record_with_a_time() -> None:
    end = {"event": "end", "iteration": 37, "reason": "done"}
    body = sections.numbers(told(trained(10, 3.0, 0.5), trained(30, 2.0, 0.75), end)).body
    assert '<p class="note">30 iterations in 0.8 s of training, 800 characters a second.</p>' in body
    assert "a second" not in sections.numbers(told(end)).body


def test_the_curves_have_the_models_that_count_as_rules() -> None:
    body = sections.curves(told(trained(10, 3.0, 0.5), trained(20, 2.0, 0.75))).body
    heights = re.findall(r'<line class="rule"[^>]* y1="([\d.]+)"', body)
    names = re.findall(r"<text[^>]*>(\d-gram)</text>", body)
    assert sorted(heights, key=float) == heights[::-1]
    assert names == ["3-gram", "2-gram", "1-gram"]  # from below, where the nats are fewest


def test_each_temperature_is_that_which_is_named() -> None:
    story = told()
    cards = re.findall(r"<h3>Temperature ([\d.]+)</h3>.*?class=\"sample\">(.*?)</p>", sections.ladder(story).body)
    assert [float(name) for name, _ in cards] == [0, 0.3, 0.5, 0.7, 1, 1.3]
    assert len({sample for _, sample in cards}) == 6
    for name, sample in cards:
        rng = np.random.default_rng(3)
        new = continuation(story.model, length=250, temperature=float(name), rng=rng)
        assert html.unescape(sample) == "".join(new)


def test_samples_are_those_of_the_log_with_signs_for_control_characters() -> None:
    record = {"event": "validate", "iteration": 10, "nats": 2.0, "sample": "a\tb\n\0\x1b\x7f\x85\r<é\u0301漢"}
    body = sections.samples(told(record)).body
    assert "validation 2.000 nats, perplexity 7.39" in body
    assert '<p class="sample">a\tb\n····␍&lt;é\u0301漢</p>' in body


def test_a_table_has_no_empty_heading() -> None:
    found = page.table(["", "bits"], [["a", 1]])
    assert '<thead><tr><td></td><th scope="col">bits</th></tr></thead>' in found


def test_what_looks_like_markup_stays_in_the_data(tmp_path: Path) -> None:
    text = "</script><!--<script> & \u2028"
    page.write(tmp_path / "page.html", "</title>", "<b>", [page.Section("One", "<p>1</p>", "page.js", {"text": text})])
    assert data_of(tmp_path / "page.html") == {"page.js": {"text": text}}
    written = (tmp_path / "page.html").read_text("utf-8")
    assert "<title>&lt;/title&gt;</title>" in written
    assert '<p class="about">&lt;b&gt;</p>' in written


def test_names_of_close_lines_keep_their_distance_and_are_led_to() -> None:
    rules = {"low": 1.0, "next": 1.01, "high": 3.0}
    svg = chart([Series("a", [(0, 1), (1, 3)])], x="t", y="n", rules=rules)
    lines = [float(y) for y in re.findall(r'class="rule".*?y1="([\d.]+)"', svg)]
    leaders = [list(map(float, re.split("[ ,]", line))) for line in re.findall(r'class="leader" points="(.*?)"', svg)]
    names = re.findall(r'<text x="([\d.]+)" y="([\d.]+)">(\w+)</text>', svg)
    assert [name for _, _, name in names] == ["low", "next", "high"]
    for line, leader, (x, y, _) in zip(lines, leaders, names, strict=True):
        assert leader[1] == line
        assert (float(x) - leader[-2], float(y) - leader[-1]) == (3, 4)  # it ends before the name, at half its height
    heights = [leader[-1] for leader in leaders]
    assert heights[0] - heights[1] == 13
    assert heights[2] == lines[2]


def test_a_chart_leaves_out_what_is_not_finite_and_says_so_if_nothing_is_left() -> None:
    found = chart([Series("a<b", [(1, 2), (2, np.nan), (3, 0), (4, 4)])], x="t", y="n", log=True)
    assert found.count("<circle") == 2
    assert "a&lt;b" in found
    assert "nothing to draw" in chart([Series("a", [(1, np.nan)])], x="t", y="n")


def test_numbers_are_packed_in_one_order_everywhere() -> None:
    assert packed(np.array([1, 256], ">u2")) == packed(np.array([1, 256], "<u2")) == "AQAAAQ=="
