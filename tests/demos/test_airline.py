"""Airline passengers: the errors of the notebook, and what simpler ways do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demos import airline
from tests.demos.printed import printed


def test_the_baselines_are_those_of_the_series() -> None:
    cut = airline.task(8)
    assert (cut.train, len(cut.y) - cut.train) == (108, 28)
    assert cut.errors(cut.x[-1]) == pytest.approx((0.00283, 53.4), rel=2e-3)
    assert cut.low + cut.passengers * cut.y[-1] == pytest.approx(432)  # December 1960
    np.testing.assert_array_equal(cut.x[1:, :-1], cut.x[:-1, 1:])
    np.testing.assert_array_equal(cut.x[-1, 1:], cut.y[:-1])
    year = airline.task(12)
    assert year.errors(airline.straight_line(year))[1] == pytest.approx(18.2, abs=0.1)  # a year of months is enough


def test_a_line_of_the_table_counts_the_seeds_that_beat_persistence() -> None:
    cut = airline.task(8)
    predictions = {"persistence": [cut.x[-1]], "RNN": [cut.y, cut.y + 1, cut.y]}
    _, line = airline.rows(cut, predictions, {"RNN": ".002"})
    assert line == ["RNN", "0.00000-1.00000", "2 of 3", ".002", "0-518", "2 of 3"]


def test_the_picture_shows_six_years_of_what_came_and_of_each_prediction() -> None:
    cut = airline.task(8)
    predictions = {"persistence": [cut.x[-1]], **{name: [cut.y - k] for k, name in enumerate(airline.LAYERS)}}
    lines = {
        line.get_label(): np.asarray(line.get_xydata()) for line in airline.picture(cut, predictions).axes[0].lines
    }
    assert list(lines) == ["what came", "persistence", *airline.LAYERS]
    for name, curve in {"what came": cut.y, **{name: seeds[0] for name, seeds in predictions.items()}}.items():
        np.testing.assert_allclose(lines[name][:, 0], np.arange(1955, 1961, 1 / 12))
        np.testing.assert_allclose(lines[name][:, 1], cut.low + curve[-72:] * cut.passengers)


def test_every_network_fits_the_past_better_than_persistence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    airline.main(["--plot", str(tmp_path / "airline.png")])
    lines = printed(capsys).splitlines()
    assert lines[0] == "windows of 8 months: 108 for training, 28 after them; 1,000 epochs, 5 seeds"
    assert lines[3].split() == ["persistence", "0.00283", "53"]
    for line, layer in zip(lines[5:8], airline.LAYERS, strict=True):
        name, training, *wins = line.split()[:5]
        assert name == layer
        assert wins == ["5", "of", "5"]
        assert all(0.0009 < float(error) < 0.00283 for error in training.split("-"))
    assert (tmp_path / "airline.png").stat().st_size > 10_000
