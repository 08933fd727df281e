"""A training that was stopped and goes on is the training that never stopped, bit for bit."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos import char_lm
from demos.lm import log
from demos.lm.corpus import read_corpus
from demos.lm.files import read_checkpoint, resume, save, tensors_of
from demos.lm.options import OPTIMIZERS, SCHEDULES, Train
from demos.lm.training import Trainer
from tests.demos.char_lm_runs import ROOT, TINY, start, train

TEXT = "Она, казалось, не слушала. " * 5 + "Prince Andrew — князь Андрей.\n" * 3

TRAININGS = st.builds(
    Train,
    layers=st.integers(1, 3),
    units=st.integers(1, 4),
    dropout=st.sampled_from([0.0, 0.3, 1.0]),
    steps=st.integers(1, 9),
    batch_size=st.integers(1, 5),  # so that an epoch has 2 windows or hundreds
    iterations=st.integers(1, 30),
    lr=st.sampled_from([0.001, 0.1]),
    weight_decay=st.sampled_from([0.0, 0.01]),
    schedule=st.sampled_from(SCHEDULES),
    warm_up=st.integers(0, 5),
    clip=st.sampled_from([0.0, 0.1]),
    clip_value=st.sampled_from([0.0, 0.01]),
    unroll=st.booleans(),
    seed=st.integers(0, 2**32),
)


def everything(trainer: Trainer) -> dict[str, Any]:
    """All that a trainer is, in bytes or as plain data."""
    arrays = trainer.model.state_dict() | trainer.optimizer.state
    arrays |= {str(k): tensor.data for k, tensor in enumerate(tensors_of(trainer.state))}
    return {
        "arrays": {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()},
        "numbers": (trainer.iteration, trainer.batches.position, trainer.optimizer.lr),
        "losses": list(trainer.recent),
        "rng": trainer.rng.bit_generator.state,
        "best": trainer.best,
    }


def advance(trainer: Trainer, iterations: int) -> Trainer:
    """Make some steps, and a validation and a sample after every fourth."""
    for _ in range(iterations):
        trainer.step()
        if trainer.iteration % 4 == 0:
            trainer.best.take(trainer.validate().nats, trainer.iteration)
            trainer.sample()
    return trainer


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@settings(max_examples=2)
@given(options=TRAININGS, n=st.integers(0, 9), m=st.integers(1, 5))
def test_n_and_m_steps_are_n_steps_a_file_and_m_steps(
    cell: str, optimizer: str, options: Train, n: int, m: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text, file = Path(folder, "text.txt"), Path(folder, "a.safetensors")
        text.write_text(TEXT, encoding="utf-8")
        options = replace(options, text=str(text), cell=cell, optimizer=optimizer)
        corpus = read_corpus(options)
        unbroken = advance(Trainer(options, corpus), n)
        save(unbroken, file)
        resumed = resume(read_checkpoint(file), {})
        assert everything(resumed) == everything(unbroken)
        assert everything(advance(resumed, m)) == everything(advance(unbroken, m))
        save(unbroken, file)
        again = Path(folder, "b.safetensors")
        save(resumed, again)
        assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_reports_leave_no_trace(text: Path, cell: str) -> None:
    options = Train(text=str(text), cell=cell, units=5, steps=7, batch_size=3, dropout=0.4)
    quiet, reporting = (Trainer(options, read_corpus(options)) for _ in range(2))
    for _ in range(5):
        quiet.step()
        reporting.step()
        before = everything(reporting)
        first, second = reporting.validate(), reporting.validate()
        assert first == second
        assert reporting.sample() == reporting.sample()
        assert everything(reporting) == before
        assert reporting.model.training
    assert everything(reporting) == everything(quiet)


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_the_state_is_carried_within_an_epoch_and_fresh_at_its_start(text: Path, cell: str) -> None:
    options = Train(text=str(text), cell=cell, units=3, steps=100, batch_size=8)  # 5 windows in an epoch
    plain, disturbed = (Trainer(options, read_corpus(options)) for _ in range(2))
    for step in range(12):
        disturbed.state = plain.model.zero_state(8) if step in {0, 5, 10} else plain.state
        assert disturbed.step() == plain.step()
    disturbed.state = plain.model.zero_state(8)
    assert disturbed.step() != plain.step()


# ------------------------------------------------------------------------------------------------- the program, killed

RUN = [*TINY, "--iterations", "12", "--report", "3", "7", "8", "--dropout", "0.3", "--save-every", "2"]

MURDER = """
import os, pathlib, signal, sys
when, *arguments = sys.argv[1:]
calls = 0
def deadly(real, at):
    def call(*given, **more):
        global calls
        calls += 1
        if calls == int(when) and at == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*given, **more)
        if calls == int(when):
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call
pathlib.Path.replace = deadly(pathlib.Path.replace, "before")
os.fsync = deadly(os.fsync, "after")
from demos import char_lm
sys.exit(char_lm.main(arguments))
"""


def results(folder: Path) -> dict[str, Any]:
    """What a run left, but for times."""
    events = [r for r in log.read(folder / "log.jsonl") if r["event"] in {"train", "validate"}]
    files = {name: (folder / f"{name}.safetensors").read_bytes() for name in ("last", "best")}
    return {"log": [{k: v for k, v in r.items() if k != "seconds"} for r in events], **files}


def test_killed_anywhere_between_writes_it_ends_the_same(text: Path, tmp_path: Path) -> None:
    """Killed before a checkpoint gets its name, or right after; between the best and the last; while the log is cut."""
    arguments = ["train", "--text", str(text), "--run", str(tmp_path / "whole"), *RUN]
    assert char_lm.main(arguments) == 0
    folder = tmp_path / "killed"
    arguments = ["train", "--text", str(text), "--run", str(folder), *RUN]
    for when in (9, 11, 12, 17, 15, 3):
        command = [sys.executable, "-c", MURDER, str(when), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)  # noqa: S603  our own program
        assert done.returncode == -signal.SIGKILL, done.stderr
        if (folder / "last.safetensors").exists():
            read_checkpoint(folder / "last.safetensors")
            arguments = ["train", "--resume", str(folder)]
    assert arguments[1] == "--resume"
    assert len(list(folder.glob("*.tmp"))) == 1  # of the last one that was killed
    assert char_lm.main(arguments) == 0
    assert list(folder.glob("*.tmp")) == []
    assert results(folder) == results(tmp_path / "whole")


def test_killed_at_any_moment_it_ends_the_same(text: Path, tmp_path: Path) -> None:
    more = ["--iterations", "300", "--report", "--dropout", "0.3", "--save-every", "1"]
    assert train(text, tmp_path / "whole", *more) == 0
    folder = tmp_path / "killed"
    arguments: list[Any] = ["train", "--text", text, "--run", folder, *TINY, *more]
    for lines in (5, 9, 17):
        with start(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            while process.poll() is None and len(list(log.read(folder / "log.jsonl"))) < lines:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.01)
            process.kill()
        assert process.returncode in {-signal.SIGKILL, 1}
        arguments = ["train", "--resume", folder]
    assert char_lm.main(list(map(str, arguments))) == 0
    assert results(folder) == results(tmp_path / "whole")
