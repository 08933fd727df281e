"""Many models: the same results from processes, from MPI and one by one; what is there is not made again."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from demos.lm.files import model_in, read_checkpoint
from demos.lm.folder import find
from demos.lm.options import Sweep
from demos.lm.settings import OptionError, values
from demos.lm.sweep import jobs_of, trained
from demos.lm.training import Trainer
from tests.demos.char_lm_runs import PROGRAM, program, refused
from tests.demos.mpi_runs import needs_mpi, run

GRID = ["--cells", "rnn", "gru", "--layers", "1", "2", "--units", "4"]


@pytest.fixture
def common(text: Path, tmp_path: Path) -> Path:
    """A file of options."""
    path = tmp_path / "train.toml"
    path.write_text(f"text = {json.dumps(str(text))}\nsteps = 10\nbatch_size = 8\niterations = 12\n", encoding="utf-8")
    return path


def job(common: Path, folder: Path, **more: Any) -> dict[str, Any]:
    """The one training of a sweep."""
    options = values(Sweep, {"train": str(common), "run": str(folder), "cells": ["gru"], "layers": [1], "units": [4]})
    return jobs_of(options)[0] | more


def table(out: bytes) -> list[str]:
    return out.decode().split("by units in each layer\n\n")[1].splitlines()


def test_a_table_of_all_models(common: Path, tmp_path: Path) -> None:
    code, out, err = program("sweep", "--train", common, "--run", tmp_path / "runs", *GRID, "--workers", 2)
    assert (code, err) == (0, b"")
    header, *rows = table(out)
    assert header.split() == ["cell", "layers", "4"]
    assert [row.split()[:2] for row in rows if row] == [["RNN", "1"], ["RNN", "2"], ["GRU", "1"], ["GRU", "2"]]
    assert rows[2].split()[2] == f"{trained(job(common, tmp_path / 'alone'))['test']:.3f}"

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")}
    again = program("sweep", "--train", common, "--run", tmp_path / "runs", *GRID, "--workers", 1)[1]
    assert table(again) == table(out)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@needs_mpi
def test_mpi_makes_the_same_table(common: Path, tmp_path: Path) -> None:
    arguments = ["sweep", "--train", common, "--run", tmp_path / "runs", *GRID[:5], "--units", 4, "--mpi"]
    code, out, err = run(3, *arguments, program=("-m", "mpi4py.futures", PROGRAM))
    assert (code, err) == (0, "")
    rnn, gru = [row.split() for row in table(out.encode())[1:] if row]
    assert gru == ["GRU", "1", f"{trained(job(common, tmp_path / 'alone'))['test']:.3f}"]
    assert rnn[:2] == ["RNN", "1"]


def test_the_numbers_are_those_of_the_best_model(common: Path, tmp_path: Path) -> None:
    found = trained(job(common, tmp_path, report=[4, 8], lr=0.5, warm_up=0))
    read = read_checkpoint(find(str(tmp_path / "gru-1x4"), best=True))
    assert found["validation"] == read.header["best"]["nats"]
    assert found["iteration"] == read.header["iteration"]
    assert found["parameters"] == sum(parameter.size for parameter in model_in(read).parameters())


def test_what_was_begun_goes_on(common: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, wanted = Trainer.step, job(common, tmp_path / "parts")

    def interrupted(trainer: Trainer) -> float:
        if trainer.iteration == 5:
            signal.raise_signal(signal.SIGINT)
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", interrupted)
    assert trained(wanted) == {"error": "interrupted"}
    first: list[int] = []

    def noted(trainer: Trainer) -> float:
        first.append(trainer.iteration)
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", noted)
    found, whole = trained(wanted), trained(job(common, tmp_path / "whole"))
    assert first[0] == 6
    assert found["test"] == whole["test"]

    (tmp_path / "parts" / "gru-1x4" / "result.json").unlink()
    first.clear()
    assert trained(wanted) == found
    assert not first


def test_other_options_begin_anew(common: Path, tmp_path: Path) -> None:
    first = trained(job(common, tmp_path))
    second = trained(job(common, tmp_path, steps=9))
    assert second["options"]["steps"] == 9
    assert second["test"] != first["test"]


def test_a_model_that_came_to_nothing(common: Path, tmp_path: Path) -> None:
    with common.open("a", encoding="utf-8") as file:
        file.write('optimizer = "sgd"\nlr = 1e9\nclip = 0.0\nwarm_up = 0\nweight_decay = 1e9\n')
    code, out, _ = program(
        "sweep", "--train", common, "--run", tmp_path / "runs", "--cells", "rnn", "--layers", 1, "--units", 4
    )
    assert code == 1
    assert b"training diverged at iteration" in out
    assert table(out)[1].split() == ["RNN", "1", "-"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--units", "4", "4"], "units: one or more are needed, each of them once"),
        (["--cells"], "cells: one or more are needed, each of them once"),
        (["--train", "nowhere.toml"], "nowhere.toml: can't be read: No such file or directory"),
    ],
)
def test_a_sweep_that_can_not_be(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "sweep", *arguments) == reason


def test_what_is_wrong_with_the_trainings_is_found_first(common: Path, tmp_path: Path) -> None:
    common.write_text("step = 3\n", encoding="utf-8")
    with pytest.raises(OptionError, match="step: there is no such option; steps is meant"):
        job(common, tmp_path)
