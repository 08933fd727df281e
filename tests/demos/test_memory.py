"""What a recurrent network knows of its past, as the demo measures it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demos import memory
from tests.demos.printed import printed


def test_hidden_recurrence_reaches_all_inputs_and_input_recurrence_the_last_two() -> None:
    reached = {}
    for recurrence in ("hidden", "input"):
        outputs = memory.four_steps(recurrence, np.random.default_rng(0))
        reached[recurrence] = [sorted(n for n in memory.ancestors(y) if n.startswith("x")) for y in outputs]
    assert reached["hidden"] == [["x1"], ["x1", "x2"], ["x1", "x2", "x3"], ["x1", "x2", "x3", "x4"]]
    assert reached["input"] == [["x0", "x1"], ["x1", "x2"], ["x2", "x3"], ["x3", "x4"]]


def test_one_input_is_forgotten_by_the_rnn_and_kept_by_open_gates() -> None:
    left = {}
    for name, layer in memory.layers(np.random.default_rng(1)).items():
        changed = memory.left_of_one_input(layer, np.random.default_rng(2))
        assert changed[0] > 0.04
        left[name] = changed[-1] / changed[0]
    assert max(left["RNN"], left["GRU"]) < 0.05
    assert 0.1 < left["LSTM, forget bias 1"] < 0.3
    assert min(left["LSTM, forget bias 3"], left["GRU, update bias 3"]) > 0.5


def test_capacity_grows_with_the_units_and_never_exceeds_them() -> None:
    held = [memory.capacity(units, np.random.default_rng(units)) for units in (4, 8, 16)]
    assert held == sorted(held)
    for capacity, units in zip(held, (4, 8, 16), strict=True):
        assert 0.5 * units < capacity < units + 0.05  # Jaeger's bound, and a little noise


def test_the_gradient_fades_in_the_rnn_and_is_kept_by_open_gates() -> None:
    left = {}
    for name, layer in memory.layers(np.random.default_rng(0)).items():
        curve = memory.gradient_by_lag(layer, np.random.default_rng(1))
        assert curve[0] == 1
        left[name] = curve[50]
    assert left["RNN"] < 1e-10
    assert left["RNN"] * 1e2 < left["GRU"] < 1e-2 * left["LSTM, forget bias 1"]
    assert min(left["LSTM, forget bias 3"], left["GRU, update bias 3"]) > 0.01


def test_without_its_bias_the_lstm_fades_like_the_gru_and_is_called_so() -> None:
    layer = memory.layers(np.random.default_rng(0), forget_bias=0.0)["LSTM, forget bias 0"]
    assert memory.gradient_by_lag(layer, np.random.default_rng(1))[50] < 1e-9


def test_the_demo_prints_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    memory.main(["--seed", "3", "--plot", str(tmp_path / "plot.svg")])
    out = printed(capsys)
    assert "hidden recurrence  x1 x2 x3 x4\n" in out
    assert "input recurrence  x3 x4\n" in out
    assert "<svg" in (tmp_path / "plot.svg").read_text(encoding="utf-8")
