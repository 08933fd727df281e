"""Each long-lag demo as it runs by default, at the published size but for copying: the published criterion is met."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from demos import console
from demos.long_lag import (
    adding,
    copying,
    irnn,
    multiplication,
    noise_free,
    reber,
    report,
    temporal_order,
    two_sequences,
    very_long_lag,
)
from demos.long_lag.task import Task
from demos.long_lag.trial import Network, Trial, trial
from tinygrad_rnn.tensor import Array


def rows(out: str) -> dict[str, list[str]]:
    """The lines of the table by their names: parameters, sequences, seconds, error, learned."""
    cells = [line.replace(" of ", "/").split() for line in out.splitlines()[3:]]
    return {line[0].rstrip(","): line[3:] for line in cells if "units" in line}


@pytest.mark.parametrize(
    ("demo", "blind"),
    [
        (multiplication, 0.0592),
        (temporal_order, 0.75),
        (very_long_lag, 0.5),
        (two_sequences, 0.5),
        (noise_free, 0.5),
        (copying, 0.875),
    ],
)
def test_the_lstm_learns_and_the_rnn_knows_nothing(
    demo: ModuleType, blind: float, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.main([])
    out = capsys.readouterr().out
    lstm, rnn = rows(out)["LSTM"], rows(out)["RNN"]
    assert lstm[-1] == "1/1"
    assert rnn[-1] == "0/1"
    assert lstm[1] == rnn[1]  # sequences
    assert f"{blind:.4f}" in out
    assert float(rnn[-2]) > 0.95 * blind
    assert (report.OTHER in out) == (demo is not copying)
    assert max(map(len, out.splitlines())) <= 80


def test_adding_also_by_the_cell_of_1997(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    adding.main(["--plot", str(tmp_path / "adding.png")])
    found = rows(capsys.readouterr().out)
    assert {name: line[-1] for name, line in found.items()} == {"LSTM": "1/1", "RNN": "0/1", "LSTM/1997": "1/1"}
    assert float(found["RNN"][-2]) == pytest.approx(adding.task(100).blind, rel=0.1)  # the variance of the answer
    assert (tmp_path / "adding.png").stat().st_size > 10_000


def test_the_irnn_adds_and_the_tanh_rnn_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    irnn.main([])
    found = rows(capsys.readouterr().out)
    assert float(found["IRNN"][-2]) < 1 / 60
    assert float(found["RNN"][-2]) > 0.95 / 6


def test_every_legal_successor_in_all_strings(capsys: pytest.CaptureFixture[str]) -> None:
    reber.main([])
    found = rows(capsys.readouterr().out)
    assert found["LSTM"][-2:] == ["0.0000", "1/1"]
    assert float(found["RNN"][-2]) > 0.1  # of the strings, not all of whose successors are ahead
    assert found["RNN"][-1] == "0/1"


def test_how_the_gates_of_the_lstm_start() -> None:
    task = replace(two_sequences.task(100), units=500)
    i, f, _, _ = np.split(started(task, None), 4)
    np.testing.assert_allclose(i, -f)
    assert (np.exp(f).min(), np.exp(f).mean(), np.exp(f).max()) == pytest.approx((1, 50, 99), abs=3)
    np.testing.assert_array_equal(np.split(started(task, -2.0), 4)[1], -2)
    i, g, o = np.split(started(task, None, "1997"), 3)
    assert (i.max(), i.min(), g.min() > -1, o.min() > -1) == (-3, -6, True, True)


def started(task: Task, forget_bias: float | None, cell: str = "LSTM") -> Array:
    """The biases [4 H] of a new LSTM, or those [3 H] of one of 1997."""
    lstm = Network(task, cell, np.random.default_rng(0), forget_bias).recurrent
    return np.asarray(lstm.bias_ih_l0.data + lstm.bias_hh_l0.data)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks of all trials, none of which takes place."""
    tasks: list[Task] = []

    def untrained(task: Task, cell: str, seed: int, **more: Any) -> Trial:
        tasks.append(task)
        return Trial(cell, 0, 256, 0.0, met=False, error=0.5, curve=[(256, 0.5)])

    monkeypatch.setattr(report, "trial", untrained)
    return tasks


def test_each_lag_has_a_picture(tried: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(console, "save", lambda picture, file: written.append(str(file)))
    copying.main(["--full", "--plot", "some/it.svg"])
    assert written == [str(Path("some", name)) for name in ("it_20.svg", "it_50.svg", "it_100.svg")]
    assert len(tried) == 3 * 5 * 2
    copying.main(["--full", "--lag", "50", "--plot", "one.svg"])
    temporal_order.main(["--full", "--plot", "order.svg"])
    assert written[3:] == ["one.svg", "order.svg"]


LEAST = [
    (adding, 20),
    (multiplication, 20),
    (very_long_lag, 2),
    (two_sequences, 4),
    (noise_free, 2),
    (copying, 1),
    (irnn, 2),
]


@pytest.mark.parametrize(("demo", "least"), LEAST)
def test_the_least_lag_can_be_run(demo: ModuleType, least: int) -> None:
    task = demo.task(least)
    sequences = task.draw(np.random.default_rng(0), 200)
    assert sequences.times.max() < len(sequences.inputs)
    trial(task, "LSTM", 0, limit=task.window if task.exam else task.batch)


@pytest.mark.parametrize(("demo", "least"), LEAST)
@pytest.mark.usefixtures("tried")
def test_a_shorter_lag_is_refused(demo: ModuleType, least: int, capsys: pytest.CaptureFixture[str]) -> None:
    message = f"argument --lag: {least - 1} is no whole number from {least} on"
    errors_of(demo, ["--lag", str(least - 1)], message, capsys)


@pytest.mark.parametrize(
    ("demo", "arguments", "message"),
    [
        (temporal_order, ["--lag", "50"], "unrecognized arguments: --lag 50"),
        (reber, ["--lag", "50"], "unrecognized arguments: --lag 50"),
        (adding, ["--lag", "-5"], "argument --lag: -5 is no whole number from 20 on"),
        (adding, ["--forget-bias", "nan"], "argument --forget-bias: nan is no finite number"),
        (adding, ["--forget-bias", "one"], "argument --forget-bias: one is no finite number"),
        (adding, ["--limit", "511"], "argument --limit: 511 is no whole number from 512 on"),
        (adding, ["--rate", "0"], "argument --rate: 0 is no number above 0"),
    ],
)
@pytest.mark.usefixtures("tried")
def test_options_that_make_no_sense(
    demo: ModuleType, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    errors_of(demo, arguments, message, capsys)


def errors_of(demo: ModuleType, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Hold what a demo says of ``arguments``, and its exit code, to those of an option that makes no sense."""
    with pytest.raises(SystemExit) as stop:
        demo.main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith(f": error: {message}\n")


def test_a_rate_and_a_limit_of_ones_own(tried: list[Task]) -> None:
    two_sequences.main(["--rate", "0.5", "--cells", "LSTM"])
    two_sequences.main(["--limit", "2000", "--cells", "LSTM"])
    assert [(task.rate, task.limit) for task in tried] == [(0.5, 300_000), (0.02, 2000)]


@pytest.mark.parametrize("demo", [reber, two_sequences])
def test_the_least_limit_is_enough_for_an_exam(demo: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    demo.main(["--limit", "512", "--cells", "RNN"])
    assert rows(capsys.readouterr().out)["RNN"][1] == "512"


def test_the_window_must_be_full() -> None:
    task = replace(two_sequences.task(20), exam=None, window=96, met=lambda errors: True)
    assert trial(task, "RNN", 0, limit=512).sequences == 96


def test_an_exam_counts_instead_of_the_training_sequences() -> None:
    seen: list[Array] = []

    def met(errors: Array) -> bool:
        seen.append(errors)
        return False

    one = trial(replace(two_sequences.task(20), met=met), "RNN", 0, limit=512)
    assert (one.sequences, one.met) == (512, False)
    assert [count for count, _ in one.curve] == [256, 512]
    assert one.parameters == 8 * (1 + 8 + 2) + 2 * (8 + 1)
    assert [bool((errors == seen[0]).all()) for errors in seen] == [True] * 8 + [False]  # held every 256 sequences
