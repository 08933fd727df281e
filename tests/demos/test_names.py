"""Names, written by a network that was shown others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demos import names
from demos.lm.model import CharLM
from tests.demos.printed import printed
from tinygrad_rnn import text
from tinygrad_rnn.text import IGNORE


def test_padding_counts_nothing() -> None:
    vocabulary = text.Vocabulary("\nabc")
    inputs, targets = names.padded(["a", "cab"], vocabulary)
    assert inputs.T.tolist() == [[0, 1, 0, 0], [0, 3, 1, 2]]
    assert targets.T.tolist() == [[1, 0, IGNORE, IGNORE], [3, 1, 2, 0]]
    model = CharLM(vocabulary, "gru", 1, 5, dropout=0.0, rng=0)
    apart = [names.loss(model, [name]) * (len(name) + 1) for name in ("a", "cab")]
    assert names.loss(model, ["a", "cab"]) == pytest.approx(sum(apart) / 6, rel=1e-5)


@pytest.mark.parametrize(("count", "learned"), [(8000, 8000), (None, 27_494)])
def test_no_name_that_is_scored_was_learned(count: int | None, learned: int) -> None:
    every, scored, shown = names.divided(count, np.random.default_rng(0))
    assert (len(every), len(scored), len(shown)) == (29_494, 2000, learned)
    assert len({*scored, *shown}) == 2000 + learned


def test_the_picture_leaves_out_temperature_0_and_says_what_was_published() -> None:
    ladder = [names.Written(t, ["ann"], 100 - t, t, 1.0) for t in (0.0, 0.5, 1.0)]
    axes = names.picture(ladder).axes[0]
    assert {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines[:2]} == {
        "new": [[0.5, 99.5], [1, 99]],
        "new, and on the list": [[0.5, 0.5], [1, 1]],
    }
    assert np.asarray(axes.lines[3].get_ydata()).tolist() == [90, 90]


def test_what_is_said_of_names() -> None:
    written = names.judged(1.0, ["ann", "bo", "bo", "xyz"], learned={"ann"}, every={"ann", "bo"})
    assert (written.new, written.real, written.different) == (75, 50, 75)


def test_most_of_what_is_written_is_new(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names.main(["--plot", str(tmp_path / "names.svg")])
    lines = printed(capsys).splitlines()
    assert lines[0] == "8,000 names learned from, 2,000 others scored, per character:"
    ours, counted = (float(line.split()[3]) for line in lines[2:4])
    assert ours < 2.15 < counted < 2.25
    ladder = np.array([[float(word) for word in line.split()[:4]] for line in lines[7:14]])
    temperature, new, real, different = ladder.T
    assert temperature.tolist() == names.TEMPERATURES
    assert new[4] == pytest.approx(90, abs=6)  # published: 90 % at temperature 1
    assert np.all(np.diff(different) >= -1)
    assert real[1] > 2 * real[-1]  # hotter names are less often names
    assert len(set(lines[7].split()[4:])) == 1  # at temperature 0 always the same
