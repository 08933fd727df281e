"""The folder of a run: one training at a time, older runs kept, the best file that of the training that goes on."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demos import char_lm
from demos.lm import folder as folders
from demos.lm import run
from demos.lm.files import save
from demos.lm.folder import Folder
from demos.lm.training import Trainer
from tests.demos.char_lm_runs import TINY, refused, start, train
from tinygrad_rnn import checkpoint
from tinygrad_rnn.checkpoint import CheckpointError

CONSTANT = ["--schedule", "constant", "--report", "4", "8", "--report-every", "0", "--save-every", "2"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a run takes longer than the run, and is no matter here; a lock is refused at once."""
    monkeypatch.setattr(folders, "PATIENCE", 0.0)
    monkeypatch.setattr(
        "demos.lm.report.command.write", lambda folder, output: output.write_text("page", encoding="utf-8")
    )


class KilledError(Exception):
    """Stands for SIGKILL."""


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def iteration(path: Path) -> int:
    return int(checkpoint.load(path)[1]["iteration"])


def resume(path: Path, *more: str) -> int:
    return char_lm.main(["train", "--resume", str(path), *more])


# ------------------------------------------------------------------------------------------------------------ set aside


def test_runs_that_were_there_are_kept_each_whole(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    for units in ("2", "3", "4"):
        assert train(text, model, "--report", "--units", units, iterations=2) == 0
        runs.append(contents(model))
    assert sorted(runs[0]) == ["best.safetensors", "last.safetensors", "log.jsonl", "options.toml", "report.html"]
    assert contents(model / "previous_1") == runs[0]
    assert contents(model / "previous_2") == runs[1]
    out = capsys.readouterr().out
    assert f"set aside      the run that was in {model}, in {model / 'previous_2'}\n" in out


# ----------------------------------------------------------------------------------------------------------- the lock

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")


def test_a_text_is_not_set_aside(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.mkdir()
    shutil.copy(text, model / "report.html")
    assert train(model / "report.html", model) == 2
    assert "text: " in (message := capsys.readouterr().err)
    assert "report.html has the name of a file of the run; rename it, or give the run another folder" in message
    assert contents(model) == {"report.html": text.read_bytes()}


@needs_locks
def test_two_trainings_are_kept_apart(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the second begins anew or resumes, it changes nothing; it may write elsewhere, or later."""
    step = Trainer.step
    messages: list[str] = []

    def meanwhile(trainer: Trainer) -> float:
        if trainer.iteration == 3 and not messages:
            before = contents(model)
            capsys.readouterr()
            messages.append(refused(capsys, "train", "--text", text, "--run", model, *TINY))
            messages.append(refused(capsys, "train", "--resume", model))
            assert contents(model) == before
            assert train(text, model.parent / "other", iterations=1) == 0
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", meanwhile)
    assert train(text, model, "--save-every", "1", iterations=5) == 0
    reason = "another training writes there; give this one another --run, or stop that one first"
    assert messages == [f"{model}: {reason}"] * 2
    assert train(text, model, iterations=1) == 0


@needs_locks
def test_the_lock_goes_with_the_process(text: Path, model: Path) -> None:
    arguments = ["train", "--text", text, "--run", model, *TINY, "--iterations", 1_000_000, "--save-every", 10]
    with start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        while b"100/1000000" not in process.stdout.readline():
            pass
        with pytest.raises(CheckpointError, match="another training"), Folder(model).locked():
            pass
        process.send_signal(signal.SIGKILL)
    with Folder(model).locked():
        pass


@needs_locks
def test_a_process_may_take_a_while_to_end(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PATIENCE", 60.0)
    other = contextlib.ExitStack()
    other.enter_context(Folder(model).locked())
    monkeypatch.setattr("demos.lm.folder.time.sleep", lambda _: other.close())
    with Folder(model).locked():
        pass


def test_a_system_without_locks(text: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "fcntl", None)
    with Folder(model).locked(), Folder(model).locked():
        assert model.is_dir()


@needs_locks
def test_a_file_system_without_locks(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none)
    with Folder(model).locked(), Folder(model).locked():
        assert model.is_dir()


# ------------------------------------------------------------------------------------------------------------- the best


def killed_after(name: str, at: int, monkeypatch: pytest.MonkeyPatch, text: Path, model: Path) -> None:
    """A training that ends without a word once it has written a checkpoint."""

    def deadly(trainer: Trainer, path: Path) -> None:
        save(trainer, path)
        if (path.stem, trainer.iteration) == (name, at):
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(run, "save", deadly)
        with pytest.raises(KilledError):
            train(text, model, *CONSTANT)


def test_killed_between_the_last_and_the_best(text: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best is that of the unbroken run, also if what follows has other options."""
    assert train(text, model.parent / "whole", *CONSTANT, iterations=8) == 0
    killed_after("last", 8, monkeypatch, text, model)
    assert (iteration(model / "last.safetensors"), iteration(model / "best.safetensors")) == (8, 4)
    assert resume(model, "--lr", "5", "--iterations", "9", "--report", "8") == 0
    arrays, whole = (checkpoint.load(f / "best.safetensors") for f in (model, model.parent / "whole"))
    assert arrays[1]["iteration"] == whole[1]["iteration"] == 8
    assert {name: a.tobytes() for name, a in arrays[0].items()} == {name: a.tobytes() for name, a in whole[0].items()}


def test_killed_after_the_best(text: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No way leads back to before a best whose file is there."""
    killed_after("best", 8, monkeypatch, text, model)
    assert iteration(model / "last.safetensors") == iteration(model / "best.safetensors") == 8


def test_the_best_of_steps_that_are_dropped_is_set_aside(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed_after("last", 6, monkeypatch, text, model)
    shutil.copy(model / "last.safetensors", model.parent / "6.safetensors")
    best, aside = model / "best.safetensors", model / "previous_1"
    assert iteration(best) == 4
    assert resume(model, "--iterations", "8") == 0
    assert iteration(best) == 8
    assert not aside.exists()
    dropped = best.read_bytes()
    shutil.copy(model.parent / "6.safetensors", model / "last.safetensors")
    capsys.readouterr()
    assert resume(model, "--iterations", "7", "--lr", "0") == 0
    assert f"set aside      {best}, which is not the best of this run, in {aside}\n" in capsys.readouterr().out
    assert contents(aside) == {"best.safetensors": dropped}
    assert iteration(best) == 7


def test_a_damaged_best_is_set_aside(text: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_after("last", 6, monkeypatch, text, model)
    (model / "best.safetensors").write_bytes(b"damaged")
    assert resume(model, "--iterations", "7") == 0
    assert contents(model / "previous_1") == {"best.safetensors": b"damaged"}
