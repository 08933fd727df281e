"""What can be wrong with what the main job is given: one line on stderr, exit code 2, nothing lost."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from demos import char_lm
from demos.lm import progress, training
from tests.demos.char_lm_runs import LINE, TINY, refused, train
from tinygrad_rnn import Tensor, checkpoint, cross_entropy


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "text.txt: can't be read: No such file or directory"),
        (b"", "text.txt: holds no text (0 bytes)"),
        (b"\xef\xbb\xbf", "text.txt: holds no text (3 bytes)"),
        (b"abc \xd0\xbc\xff def" * 99, "text.txt: not valid utf-8-sig: byte 0xff at offset 6 (invalid start byte)"),
        (
            b"abc",
            "text.txt: the training part, 90% of 3 characters, has 2, but a window of 50 steps and 50 streams needs",
        ),
        (
            b"abc",
            " needs 2,501: lower --steps or --batch-size, give it a larger share by --split, or take a longer text",
        ),
        (b"x" * 2700, "text.txt: the training part, 90% of 2,700 characters, has 2,430, but a window of 50 steps"),
    ],
)
def test_texts_that_can_not_be_learned(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], data: bytes | None, message: str
) -> None:
    if data is not None:
        (tmp_path / "text.txt").write_bytes(data)
    model = model.parent / "last.safetensors"
    model.write_bytes(b"precious")
    assert message in refused(capsys, "train", "--text", tmp_path / "text.txt", "--run", model.parent)
    assert model.read_bytes() == b"precious"


def test_a_validation_part_that_is_too_short(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("abcdefghijklmnopqrst")
    arguments = ["train", "--text", tmp_path / "text.txt", "--run", model, "--steps", "2", "--batch-size", "2"]
    assert refused(capsys, *arguments) == (
        f"{tmp_path / 'text.txt'}: the validation part, 5% of 20 characters, has 1, but scoring needs 2: "
        "give it a larger share by --split, or take a longer text"
    )


def test_a_folder_and_another_encoding(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_at = ["train", "--run", model, "--text"]
    assert f"{text.parent}: can't be read: " in refused(capsys, *train_at, text.parent)
    assert "there is no encoding called 'klingon'" in refused(capsys, *train_at, text, "--encoding", "klingon")


def test_a_checkpoint_that_can_not_be_written_is_refused_before_training(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "last.safetensors").mkdir()
    assert "can't be written" in refused(capsys, "train", "--text", text, "--run", text / "model", *TINY)
    assert "it is a directory" in refused(capsys, "train", "--text", text, "--run", tmp_path, *TINY)
    assert text.read_text(encoding="utf-8") == LINE * 50


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_checkpoints_that_are_none(
    text: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    at = [command, "--checkpoint", model]
    assert "can't be read: No such file or directory" in refused(capsys, *at)
    assert "last.safetensors: can't be read: " in refused(capsys, command, "--checkpoint", tmp_path)
    model = tmp_path / "last.safetensors"
    at = [command, "--checkpoint", tmp_path]
    model.write_bytes(b"not a model")
    assert "not a whole safetensors file" in refused(capsys, *at)
    safetensors.numpy.save_file({"a": np.zeros(3)}, model)
    assert "without the header of a checkpoint" in refused(capsys, *at)
    checkpoint.save(model, {}, {"iteration": 3})
    assert "not a checkpoint of this program: 'options' is missing" in refused(capsys, *at)
    train(text, tmp_path, "--report-every", "0", iterations=1)
    (tmp_path / "best.safetensors").unlink()
    capsys.readouterr()
    arrays, header = checkpoint.load(model)
    checkpoint.save(model, arrays | {"head.bias": np.zeros(3, np.float32)}, header)
    assert "'head.bias' has shape (36,), but the value given has (3,)" in refused(capsys, *at)
    checkpoint.save(model, arrays, header | {"vocabulary": "abc"})
    assert "not a checkpoint of this program: load_state_dict: " in refused(capsys, *at)


def test_characters_that_the_model_does_not_know(
    text: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(text, model, iterations=1)
    capsys.readouterr()
    message = refused(capsys, "sample", "--checkpoint", model, "--prompt", "It жёж")
    assert message == (
        "the model has learned from a text without 'ж' (position 3), 'ё' (position 4), counted from 0, so it can't "
        "read that; --unknown skip leaves it out"
    )
    (tmp_path / "other.txt").write_text("It was §", encoding="utf-8")
    at = ["evaluate", "--checkpoint", model, "--text", tmp_path / "other.txt"]
    assert "without '§' (position 7), counted from 0, so" in refused(capsys, *at)
    (tmp_path / "other.txt").write_text("".join(map(chr, range(0x430, 0x444))), encoding="utf-8")
    assert "without 'а' (position 0), 'б' (position 1), " in (message := refused(capsys, *at))
    assert "'и' (position 8), 'й' (position 9) and 10 more, counted from 0, so" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: train | sample | evaluate"),
        (["learn"], "invalid choice: 'learn'"),
        (["train", "--unit", "3"], "unrecognized arguments: --unit 3"),
        (["train", "--units", "many"], "argument --units: 'many' is not a whole number"),
        (["train", "--units", "0"], "argument --units: 0 is not 1 or more"),
        (["train", "--units", "1e3"], "argument --units: '1e3' is not a whole number"),
        (["train", "--units", "1000000"], "argument --units: 1000000 is not 100000 or less"),
        (["train", "--dropout", "1.5"], "argument --dropout: 1.5 is not 1 or less"),
        (["train", "--lr", "nan"], "argument --lr: nan is not 0 or more"),
        (["train", "--lr", "inf"], "argument --lr: inf is not 1e+09 or less"),
        (["train", "--clip", "-1"], "argument --clip: -1 is not 0 or more"),
        (["train", "--cell", "tcn"], "argument --cell: 'tcn' is none of rnn, lstm, gru"),
        (["train", "--report", "0"], "argument --report: 0 is not 1 or more"),
        (["train", "--threads"], "argument --threads: expected one argument"),
        (["sample", "--temperature", "-0.1"], "argument --temperature: -0.1 is not 0 or more"),
        (["sample", "--top-k", "0"], "argument --top-k: 0 is not 1 or more"),
        (["sample", "--top-p", "0"], "argument --top-p: 0 is not 1e-06 or more"),
        (["sample", "--length", "-1"], "argument --length: -1 is not 0 or more"),
    ],
)
def test_options_out_of_range(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert message in refused(capsys, *arguments)


def test_divergence_stops_and_keeps_the_last_good_file(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def later_nan(*inputs: Any, **static: Any) -> Tensor:
        calls.append(1)
        return cross_entropy(*inputs, **static) * (math.nan if len(calls) > 12 else 1.0)

    monkeypatch.setattr(training, "cross_entropy", later_nan)
    with np.errstate(invalid="ignore"):
        assert train(text, model, "--report", "5") == 1
    err = capsys.readouterr().err
    assert err == (
        "char_lm.py: training diverged at iteration 13: loss nan nats, gradient norm nan; "
        "the gradient of head.bias is not finite; the checkpoint before is safe: go on with "
        f"--resume {model} (or {model / 'best.safetensors'}) and a lower --lr or --clip\n"
    )
    assert checkpoint.load(model / "last.safetensors")[1]["iteration"] == 5


def test_help_names_every_default(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train", "sample", "evaluate"):
        with pytest.raises(SystemExit) as stop:
            char_lm.main([command, "--help"])
        assert stop.value.code == 0
        out = " ".join(capsys.readouterr().out.split())
        options = re.split(r" (?=--[a-z-]+ (?:\{|\[|[A-Z]))", out.split("options:")[1])[1:]
        assert options
        assert all("default" in option for option in options), options


def test_the_missing_progress_bar_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"pip install 'tinygrad-rnn\[demos\]'"):
        progress.terminal_bar(0, 10)
