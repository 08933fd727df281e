"""A run from its beginning to each of its ends: reports, early stop, checkpoints, log."""

from __future__ import annotations

import json
import math
import re
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demos import char_lm
from demos.lm import log, run
from demos.lm.options import Train
from demos.lm.progress import Progress, moment
from demos.lm.training import Best, Trainer, new_schedule
from tests.demos.char_lm_runs import LINE, refused, stopped_by, train
from tinygrad_rnn import checkpoint
from tinygrad_rnn.text import Score


def header(folder: Path, name: str = "last") -> dict[str, Any]:
    """What the header of a checkpoint says."""
    return checkpoint.load(folder / f"{name}.safetensors")[1]


# --------------------------------------------------------------------------------------------------- reports and saving


def test_when_reports_are_due() -> None:
    def due(**options: Any) -> list[int]:
        return [i for i in range(1, 10_001) if run.is_report(Train(iterations=10_000, **options), i)]

    assert due() == [100, 300, 500, 700, 1200, 2000, 4000, 6000, 8000, 10_000]
    assert due(report=(), report_every=3000) == [3000, 6000, 9000, 10_000]
    assert due(report=(500, 100), report_every=4000) == [100, 500, 4500, 8500, 10_000]
    assert due(report=(5,), report_every=0) == [5, 10_000]


def test_the_best_is_written_after_the_last(text: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a run that is killed between the two goes on from the best, and the file of another is not lost."""
    written = []
    monkeypatch.setattr(run, "save", lambda trainer, path: written.append((trainer.iteration, path.stem)))
    assert train(text, model, "--report", "3", "--save-every", "4", iterations=9) == 0
    assert written == [(3, "last"), (3, "best"), (4, "last"), (8, "last"), (9, "last"), (9, "best")]


def test_the_best_is_kept_and_patience_ends(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nats = {2: 3.0, 4: 2.5, 6: 2.6, 8: 2.7, 10: 2.4, 12: 2.5, 14: 2.4, 16: 2.41}

    def validate(trainer: Trainer) -> Score:
        return Score(100 * nats[trainer.iteration], 100)

    monkeypatch.setattr(Trainer, "validate", validate)
    assert train(text, model, "--report", "--report-every", "2", "--patience", "3") == 0
    out = capsys.readouterr().out
    assert out.endswith(f"no improvement after iteration 16, saved in {model}\n")
    assert "\nbest, at 10    validation 2.400 nats, 3.462 bits, perplexity 11.02 per character\n" in out
    assert (header(model, "best")["iteration"], header(model)["iteration"]) == (10, 16)
    assert header(model)["best"] == {"nats": 2.4, "iteration": 10, "worse": 3}
    message = refused(capsys, "train", "--resume", model)
    assert message == "patience: 3 validations in a row were worse; a larger --patience goes on"
    best = [r["iteration"] for r in log.read(model / "log.jsonl") if r["event"] == "validate" and r["best"]]
    assert best == [2, 4, 10]


def test_a_validation_that_is_no_number_is_not_the_best() -> None:
    best = Best()
    assert not best.take(math.nan, 1)
    assert best.take(2.0, 2)
    assert not best.take(2.0, 3)
    assert best == Best(2.0, 2, 1)


# ------------------------------------------------------------------------------------------------------------- resuming


def test_a_run_is_resumed_where_it_stopped_and_may_be_made_longer(
    text: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(text, model, "--schedule", "constant", "--report", iterations=20) == 0
    assert refused(capsys, "train", "--resume", model) == "iterations: 20 are done; a larger --iterations goes on"
    assert char_lm.main(["train", "--resume", str(model), "--iterations", "45"]) == 0
    out = capsys.readouterr().out
    assert f"resumed        {model}/last.safetensors, after iteration 20\n" in out
    assert header(model)["iteration"] == 45
    assert train(text, model.parent / "whole", "--schedule", "constant", "--report", iterations=45) == 0
    arrays, whole = (checkpoint.load(f / "last.safetensors")[0] for f in (model, model.parent / "whole"))
    for name, array in whole.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)
    events = [r["event"] for r in log.read(model / "log.jsonl") if r["event"] != "train"]
    assert events == ["start", "validate", "end", "resume", "validate", "end"]


def test_what_a_resumed_run_has_to_keep(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(text, model, "--report", iterations=3) == 0
    capsys.readouterr()
    at = ["train", "--resume", model, "--iterations", "9"]
    assert refused(capsys, *at, "--units", "5") == "units: a resumed training keeps its 12, it can't become 5"
    assert "seed: a resumed training keeps its 0, it" in refused(capsys, *at, "--seed", "5")
    assert "run: a resumed run stays in its folder" in refused(capsys, *at, "--run", model)
    assert "can't be read: No such file or directory" in refused(capsys, "train", "--resume", model / "none")
    assert header(model)["iteration"] == 3
    assert char_lm.main([*map(str, at), "--units", "12", "--lr", "0.001", "--clip", "0"]) == 0
    assert header(model)["options"]["lr"] == 0.001


def test_sigterm_is_as_good_as_ctrl_c(text: Path, model: Path) -> None:
    code, out, err = stopped_by(signal.SIGTERM, text, model)
    assert (code, err) == (143, "")
    (end,) = [r for r in log.read(model / "log.jsonl") if r["event"] == "end"]
    assert (end["iteration"], end["reason"]) == (header(model)["iteration"], "interrupted")
    assert f"after iteration {end['iteration']}, saved in" in out


# -------------------------------------------------------------------------------------------------------------- the log


def test_the_log_tells_all(text: Path, model: Path) -> None:
    assert train(text, model, "--report", "7", iterations=24) == 0
    lines = (model / "log.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    told = [(r["event"], r["iteration"]) for r in records]
    assert told == [("start", 0), ("validate", 7), ("train", 10), ("train", 20), ("validate", 24), ("end", 24)]
    begin, validation, step = records[:3]
    assert begin["options"]["units"] == 12
    assert begin["text"]["name"] == "text.txt"
    assert begin["text"]["vocabulary"] == "".join(sorted(set(LINE)))
    assert [begin["text"][part] for part in ("training", "validation", "test")] == [4095, 227, 228]
    assert len(begin["ngrams"]) == 6
    assert datetime.fromisoformat(begin["time"]).tzinfo is not None
    assert validation["bits"] == pytest.approx(validation["nats"] / math.log(2))
    assert validation["perplexity"] == pytest.approx(math.exp(validation["nats"]))
    assert (validation["characters"], len(validation["sample"]), validation["best"]) == (226, 200, True)
    assert step["nats"] == pytest.approx(np.mean(checkpoint.load(model / "best.safetensors")[0]["recent"][:10]))
    assert step["gradient_norm"] > 0
    assert step["lr"] == new_schedule(Train(iterations=24, warm_up=5))(9)
    assert records[3]["seconds"] > step["seconds"] > 0
    assert records[-1]["reason"] == "done"


# ----------------------------------------------------------------------------------------------------------- progress


def test_the_time_to_go_and_when_that_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 101.0, 103.0])
    monkeypatch.setattr("demos.lm.progress.time.perf_counter", lambda: next(clock))
    progress = Progress(10, 20, characters=500, seconds=40.0)
    progress.advance([1.0])  # at 101
    assert progress.total_seconds == 41.0
    assert re.fullmatch(r"500 chars/s  ETA 0:27, at \d\d:\d\d", progress.status())  # 3 s each with what was beside it


def test_moments_of_another_day() -> None:
    now = datetime(2024, 12, 31, 23, 30).astimezone()
    assert [moment(seconds, now) for seconds in (60, 1800, 86_400)] == ["23:31", "01-01 00:00", "01-01 23:30"]
    assert moment(timedelta(days=100).total_seconds(), now) == "some day"
