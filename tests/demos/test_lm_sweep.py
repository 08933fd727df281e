"""Many models: the same results from processes, from MPI and one by one; what is there is not made again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from demos import char_lm
from demos.lm import sweep
from demos.lm.corpus import read_corpus
from demos.lm.files import model_in, read_checkpoint
from demos.lm.folder import find
from demos.lm.options import Sweep, Train
from demos.lm.settings import values
from demos.lm.sweep import jobs_of, trained
from demos.lm.training import Trainer
from tests.demos import mpi_runs
from tests.demos.char_lm_runs import PROGRAM, ROOT, program, refused, start
from tests.demos.mpi_runs import needs_mpi, passes_on_signals, run
from tinygrad_rnn.text import TextError

GRID = ["--cells", "rnn", "gru", "--layers", "1", "--units", "6", "4"]


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


def result_of(job: dict[str, Any]) -> dict[str, Any]:
    return trained(job, read_corpus(values(Train, job)).sha256)


def table(out: bytes | str) -> list[str]:
    shown = out.decode() if isinstance(out, bytes) else out
    return shown.split("by units in each layer\n\n")[1].splitlines()


def killed_or_trained(job: dict[str, Any], sha256: str) -> dict[str, Any]:
    """In a process of a sweep."""
    if job["units"] == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return trained(job, sha256)


class Here(Executor):
    """Does at once what it is given."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments, **more))
        return future


def test_a_table_of_all_models(common: Path, tmp_path: Path) -> None:
    code, out, err = program("sweep", "--train", common, "--run", tmp_path / "runs", *GRID, "--workers", 2)
    assert (code, err) == (0, b"")
    header, *rows = table(out)
    assert header.split() == ["cell", "layers", "6", "4"]
    tests = {
        name: f"{json.loads((tmp_path / 'runs' / name / 'result.json').read_text(encoding='utf-8'))['test']:.3f}"
        for name in ("rnn-1x6", "rnn-1x4", "gru-1x6", "gru-1x4")
    }
    assert len(set(tests.values())) == 4
    rnn, gru = (row.split() for row in rows if row)
    assert rnn == ["RNN", "1", tests["rnn-1x6"], tests["rnn-1x4"]]
    assert gru == ["GRU", "1", tests["gru-1x6"], tests["gru-1x4"]]
    assert tests["gru-1x4"] == f"{result_of(job(common, tmp_path / 'alone'))['test']:.3f}"

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")}
    again = program("sweep", "--train", common, "--run", tmp_path / "runs", *GRID, "--workers", 1)[1]
    assert table(again) == table(out)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@needs_mpi
def test_mpi_makes_the_same_table(common: Path, tmp_path: Path) -> None:
    arguments = ["sweep", "--train", common, "--run", tmp_path / "runs", *GRID[:6], 4, "--mpi"]
    code, out, err = run(3, *arguments, program=("-m", "mpi4py.futures", PROGRAM))
    assert (code, err) == (0, "")
    rnn, gru = [row.split() for row in table(out)[1:] if row]
    assert gru == ["GRU", "1", f"{result_of(job(common, tmp_path / 'alone'))['test']:.3f}"]
    assert rnn[:2] == ["RNN", "1"]


def test_the_numbers_are_those_of_the_best_model(common: Path, tmp_path: Path) -> None:
    found = result_of(job(common, tmp_path, report=[4, 8], lr=0.5, warm_up=0))
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
    assert result_of(wanted) == {"error": "interrupted"}
    first: list[int] = []

    def noted(trainer: Trainer) -> float:
        first.append(trainer.iteration)
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", noted)
    found, whole = result_of(wanted), result_of(job(common, tmp_path / "whole"))
    assert first[0] == 6
    assert found["test"] == whole["test"]

    (tmp_path / "parts" / "gru-1x4" / "result.json").unlink()
    first.clear()
    assert result_of(wanted) == found
    assert not first


def test_other_options_begin_anew(common: Path, tmp_path: Path) -> None:
    first = result_of(job(common, tmp_path))
    second = result_of(job(common, tmp_path, steps=9))
    assert second["options"]["steps"] == 9
    assert second["test"] != first["test"]


def test_another_text_begins_anew(common: Path, text: Path, tmp_path: Path) -> None:
    common.write_text(common.read_text(encoding="utf-8").replace(text.name, "copy.txt"), encoding="utf-8")
    copy = text.with_name("copy.txt")
    copy.write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
    wanted = job(common, tmp_path)
    first = result_of(wanted)
    copy.write_text(copy.read_text(encoding="utf-8")[::-1], encoding="utf-8")
    second = result_of(wanted)
    assert second["sha256"] != first["sha256"]
    assert second["test"] != first["test"]
    assert len(list((tmp_path / "gru-1x4").rglob("last.safetensors"))) == 2  # the first was set aside

    assert trained(wanted, first["sha256"]) == {
        "error": f"{copy}: not the text that it was when and where the sweep began"
    }
    assert json.loads((tmp_path / "gru-1x4" / "result.json").read_text(encoding="utf-8")) == second


def test_the_largest_come_first(common: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def noted(job: dict[str, Any], _: str) -> dict[str, Any]:
        begun.append(Path(job["run"]).name)
        return {"error": "as was to be"}

    monkeypatch.setattr(sweep, "trained", noted)
    monkeypatch.setattr(sweep, "one_process", Here)
    arguments = ["--cells", "rnn", "--layers", "2", "1", "4", "--units", "6", "9", "--workers", "1"]
    assert char_lm.main(["sweep", "--train", str(common), "--run", str(tmp_path), *arguments]) == 1
    assert begun == ["rnn-4x9", "rnn-2x9", "rnn-4x6", "rnn-1x9", "rnn-2x6", "rnn-1x6"]


def test_a_process_that_is_killed_takes_one_model_with_it(
    common: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep, "trained", killed_or_trained)
    arguments = ["--cells", "rnn", "--layers", "1", "--units", "6", "4", "--workers", "1"]
    assert char_lm.main(["sweep", "--train", str(common), "--run", str(tmp_path), *arguments]) == 1
    out, err = capsys.readouterr()
    assert "rnn-1x6        its process was killed: out of memory?\n" in out
    assert re.fullmatch(r"RNN +1 +- +\d\.\d{3}", table(out)[1])
    assert err == ""


def test_a_model_is_kept_that_can_not_be_scored(common: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: object) -> None:
        raise TextError("no test part")

    wanted = job(common, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(sweep, "outcome", unable)
        assert result_of(wanted) == {"error": "no test part"}
    monkeypatch.setattr(Trainer, "step", unable)  # it isn't trained again
    assert "test" in result_of(wanted)


CTRL_C_AT_THE_START = """
import contextlib, os, signal, sys
if "--multiprocessing-fork" in sys.orig_argv:
    with contextlib.suppress(FileExistsError):  # the first process has made it
        os.mkdir(os.path.join(os.path.dirname(__file__), "begun"))
        os.killpg(0, signal.SIGINT)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs groups of processes")
def test_ctrl_c_while_processes_start(common: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(CTRL_C_AT_THE_START, encoding="utf-8")
    with common.open("a", encoding="utf-8") as file:
        file.write("report = []\nreport_every = 0\nsave_every = 1000000\n")
    common.write_text(common.read_text(encoding="utf-8").replace("= 12", "= 1000000"), encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = ["sweep", "--train", common, "--run", tmp_path / "runs", *GRID, "--workers", 2]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(*command, env={"PYTHONPATH": path}, start_new_session=True, **pipes) as process:
        try:
            out, err = process.communicate(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # if they have not ended by themselves
    assert (process.returncode, err) == (130, b"char_lm.py: interrupted\n")
    assert b"by units in each layer" not in out


@needs_mpi
@passes_on_signals
def test_ctrl_c_reaches_the_processes_of_mpi(common: Path, tmp_path: Path) -> None:
    common.write_text(common.read_text(encoding="utf-8").replace("= 12", "= 1000000"), encoding="utf-8")
    arguments = ["sweep", "--train", common, "--run", tmp_path, *GRID, "--mpi"]
    with mpi_runs.start(2, *arguments, program=("-m", "mpi4py.futures", PROGRAM)) as process:
        words = tmp_path / "rnn-1x6" / "console.txt"
        try:
            while process.poll() is None and not (words.exists() and "chars/s" in words.read_text(encoding="utf-8")):
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()  # if it has not ended by itself
    assert process.returncode == 130
    assert "char_lm.py: interrupted\n" in err
    assert "Traceback" not in err
    assert "interrupted    after iteration" in words.read_text(encoding="utf-8")


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


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("step = 3", "step: there is no such option; steps is meant?"),
        ('resume = "x"', "resume: it can't be in {}: the sweep itself says it for each training"),
        ('run = "x"', "run: it can't be in {}: the sweep itself says it for each training"),
        (
            "split = [95, 5, 0]",
            "split: the models are compared on the test part, but that has 0 characters; scoring needs 2",
        ),
        ("steps = 10000", "has 4,095, but a window of 10000 steps and 50 streams needs 500,001"),
    ],
)
def test_what_is_wrong_with_the_trainings_is_found_first(
    line: str, reason: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = tmp_path / "train.toml"
    options.write_text(f"text = {json.dumps(str(text))}\niterations = 1\n{line}\n", encoding="utf-8")
    told = refused(capsys, "sweep", "--train", options, "--run", tmp_path / "runs", *GRID)
    assert reason.format(options) in told
    assert not (tmp_path / "runs").exists()
