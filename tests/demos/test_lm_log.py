"""The log: what is dropped of it, what is refused, and a disk that takes no more."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from demos import char_lm
from demos.lm import log
from tests.demos.char_lm_runs import refused, train
from tinygrad_rnn import checkpoint
from tinygrad_rnn.checkpoint import CheckpointError

STEP = {"nats": 2.5, "lr": 0.1, "gradient_norm": 1.0, "seconds": 3.5}
GOOD: dict[str, Any] = {"event": "train", "iteration": 5, **STEP}
REPORT: dict[str, Any] = {"nats": 2.5, "bits": 3.6, "perplexity": 12.0, "best": True, "sample": "It was"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a run takes longer than the run, and is no matter here."""
    monkeypatch.setattr(
        "demos.lm.report.command.write", lambda folder, output: output.write_text("page", encoding="utf-8")
    )


def test_a_log_is_cut_where_a_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert list(log.read(path)) == log.cut(path, 5) == []
    with log.Log(path) as journal:
        for iteration in (0, 5, 10):
            journal.write("train", iteration, **(STEP | {"nats": math.inf}), more="ё\n")
    whole = path.read_bytes()
    for torn in (b"", b'{"event": "train", "itera', b"7", b"\xff\xfe", json.dumps(GOOD).encode()):
        path.write_bytes(whole + torn)
        assert [r["iteration"] for r in log.read(path)] == [0, 5, 10]
        kept = log.cut(path, 9)
        assert kept[1] == GOOD | {"nats": None, "more": "ё\n"}
        assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:2])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "it is no JSON object"),
        ("[" * 100_000, "it is no JSON object"),
        ("7", "it is no JSON object"),
        ({"iteration": 5}, "its event is none of start, resume, train, validate, end"),
        (GOOD | {"event": ["train"]}, "its event is none of start, resume, train, validate, end"),
        (GOOD | {"iteration": True}, "iteration is not a whole number"),
        (GOOD | {"iteration": -1}, "iteration is not a whole number"),
        ({"event": "train", "iteration": 5, "nats": 2.5, "lr": 0.1, "gradient_norm": 1.0}, "seconds is missing"),
        (GOOD | {"seconds": None}, "seconds is not a number"),
        (GOOD | {"nats": "low"}, "nats is not a number or null"),
        (
            {"event": "start", "iteration": 0, "options": {}, "text": {}, "ngrams": "abc"},
            "ngrams is not a list of numbers",
        ),
        ({"event": "start", "iteration": 0, "options": 3, "text": {}, "ngrams": []}, "options is not an object"),
        ({"event": "validate", "iteration": 5, **REPORT, "best": 1}, "best is not true or false"),
        ({"event": "validate", "iteration": 5, **REPORT, "sample": None}, "sample is not a text"),
        ({"event": "end", "iteration": 5}, "reason is missing"),
    ],
)
def test_a_line_that_is_no_record_is_refused(tmp_path: Path, line: object, reason: str) -> None:
    path = tmp_path / "log.jsonl"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_text(f"{json.dumps(GOOD)}\n{text}\n{json.dumps(GOOD)}\n", encoding="utf-8")
    with pytest.raises(CheckpointError) as caught:
        log.cut(path, 9)
    assert str(caught.value) == f"{path}, line 2: {reason}; remove the line, or the file"


def test_a_damaged_log_is_refused_before_anything_is_written(
    text: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(text, model, "--report", "2", iterations=4) == 0
    capsys.readouterr()
    (model / "log.jsonl").write_text('{"iteration": 5}\n', encoding="utf-8")
    before = {file: file.read_bytes() for file in model.iterdir()}
    message = refused(capsys, "train", "--resume", model, "--iterations", 9, "--lr", 0.5)
    assert message.startswith(f"{model / 'log.jsonl'}, line 1: its event is none of start, ")
    assert {file: file.read_bytes() for file in model.iterdir()} == before
    (model / "log.jsonl").unlink()
    (model / "log.jsonl").mkdir()
    message = refused(capsys, "train", "--resume", model, "--iterations", 9)
    assert message == f"{model / 'log.jsonl'}: can't be read: Is a directory"
    (model / "log.jsonl").rmdir()
    assert char_lm.main(["train", "--resume", str(model), "--iterations", "9"]) == 0


def test_a_disk_that_takes_a_part_gets_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with log.Log(tmp_path / "log.jsonl") as journal, monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        journal.write("train", 5, **STEP)
    assert list(log.read(tmp_path / "log.jsonl")) == [GOOD]


def test_a_full_disk_ends_training_with_what_was_learned(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int, data: bytes, write: Any = os.write) -> int:
        if b'"iteration": 20' in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)  # type: ignore[no-any-return]

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert refused(capsys, "train", "--text", text, "--run", model, "--steps", 10, "--batch-size", 8) == (
            f"{model / 'log.jsonl'}: can't be written: No space left on device"
        )
    assert checkpoint.load(model / "last.safetensors")[1]["iteration"] == 20
    assert char_lm.main(["train", "--resume", str(model), "--iterations", "25"]) == 0


def test_the_log_is_on_disk_before_the_checkpoint(text: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, replace = os.fsync, Path.replace
    synced: list[int | str] = []

    def sync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def named(path: Path, target: Path) -> Path:
        synced.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", named)
    assert train(text, model, "--report", "2", iterations=4) == 0
    journal = (model / "log.jsonl").stat().st_ino
    told = [entry for entry in synced if entry in {"last.safetensors", journal}]
    assert told == [journal, "last.safetensors", journal, "last.safetensors"]
