"""A training that leaves the finite numbers: it says where, and what it has saved is finite."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demos import char_lm
from demos.lm import log, training
from demos.lm.corpus import read_corpus
from demos.lm.divergence import DivergedError, check, diagnosis
from demos.lm.options import Train
from demos.lm.training import Trainer
from tests.demos.char_lm_runs import train
from tinygrad_rnn import Tensor, checkpoint, cross_entropy, nn
from tinygrad_rnn.text import Score


def diverging(text: Path, **options: Any) -> Trainer:
    settings = Train(text=str(text), units=6, steps=5, batch_size=3, layers=2, cell="rnn", **options)
    return Trainer(settings, read_corpus(settings))


def bias(layer: nn.Linear) -> Tensor:
    """Its bias, which it has."""
    assert layer.bias is not None
    return layer.bias


def test_a_step_that_is_not_finite_changes_nothing(text: Path) -> None:
    trainer = diverging(text)
    trainer.step()
    trainer.model.head.weight.data = np.full((36, 6), 3e38, np.float32)  # finite, but no sum of such numbers is
    state, before = trainer.state, trainer.model.state_dict()
    with np.errstate(all="ignore"), pytest.raises(DivergedError) as caught:
        trainer.step()
    assert re.fullmatch(
        r"training diverged at iteration 2: loss inf nats, gradient norm [\d.e+]+; "
        r"the first number that is not finite is in charlm\.head \(\w+\)",
        str(caught.value),
    )
    assert (trainer.iteration, trainer.state, trainer.model.recurrent.unroll) == (1, state, False)
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_where_numbers_stop_being_finite(text: Path) -> None:
    model, window = diverging(text).model, (np.array([[0], [1], [2]]), np.array([[1], [2], [3]]))
    state = Tensor(np.full((2, 1, 6), 0.5, np.float32))
    assert diagnosis(model, window, state) == "no single number is to blame"
    with np.errstate(all="ignore"):
        nan = Tensor(np.array([0.5, np.nan], np.float32)[:, None, None] * np.ones((2, 1, 6), np.float32))
        found = diagnosis(model, window, nan)
        assert re.fullmatch(r"the first number that is not finite is in charlm\.recurrent\.layer1 / t=0 \(\w+\)", found)
        model.recurrent.cells[0].weight_hh.grad = np.full((6, 6), np.inf, np.float32)
        model.embedding.weight.grad = np.full(model.embedding.weight.shape, np.nan, np.float32)
        assert diagnosis(model, window, state) == "the gradient of recurrent.weight_hh_l0 is not finite"
        bias(model.head).data = np.full(36, np.inf, np.float32)
        assert diagnosis(model, window, state) == "the parameter head.bias has numbers that are not finite"


@pytest.mark.parametrize("saved", [True, False])
def test_a_run_that_diverges_says_what_to_try(
    text: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    real = Trainer.step

    def step(trainer: Trainer) -> float:
        if trainer.iteration == 4:
            bias(trainer.model.head).data = np.full(36, np.nan, np.float32)
        return real(trainer)

    monkeypatch.setattr(Trainer, "step", step)
    assert train(text, model, "--report", "--save-every", "3" if saved else "30") == 1
    err = capsys.readouterr().err
    assert err.startswith(
        "char_lm.py: training diverged at iteration 5: loss nan nats, gradient norm nan; the parameter"
    )
    assert err.endswith(
        f"; the checkpoint before is safe: go on with --resume {model} and a lower --lr or --clip\n"
        if saved
        else "; nothing was saved yet; lower --lr or --clip, or raise --warm-up\n"
    )
    *_, end = log.read(model / "log.jsonl")
    assert (end["event"], end["iteration"], end["reason"]) == ("end", 5, "diverged")
    monkeypatch.undo()
    if saved:
        assert checkpoint.load(model / "last.safetensors")[1]["iteration"] == 3
        assert char_lm.main(["train", "--resume", str(model), "--lr", "0.001"]) == 0


def kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The iteration of the last checkpoint, which has finite numbers alone, and what the program said."""
    arrays, about = checkpoint.load(folder / "last.safetensors")
    assert all(np.isfinite(array).all() for array in arrays.values())
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "; the checkpoint before is safe: " in error
    return about["iteration"], error


def test_a_step_that_overflows_is_not_saved(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Loss and gradient are finite to the end: the step makes parameters that are not."""
    rash = ["--optimizer", "adamw", "--lr", "1e3", "--weight-decay", "1e2", "--schedule", "constant", "--warm-up", "0"]
    assert train(text, model, "--cell", "rnn", *rash, "--save-every", "1", "--report") == 1
    iteration, error = kept(model, capsys)
    assert re.match(
        rf"char_lm.py: training diverged at iteration {iteration + 1}: loss [\d.e+]+ nats, gradient norm [\d.e+]+; "
        r"the parameter [\w.]+ has numbers that are not finite after it;",
        error,
    )


def test_an_optimizer_that_overflows_is_found(text: Path) -> None:
    trainer = diverging(text)
    check(trainer.model, trainer.optimizer, trainer.step(), trainer.norm)
    trainer.optimizer.state["square_sum"][5] = np.inf
    with pytest.raises(
        DivergedError, match=r"iteration 1: .*; the optimizer's square_sum has numbers that are not fin"
    ):
        check(trainer.model, trainer.optimizer, 3.0, 1.0)


def test_a_gradient_that_overflows_under_a_finite_loss(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def steep(*inputs: Any, **static: Any) -> Tensor:
        calls.append(1)
        loss = cross_entropy(*inputs, **static)
        if len(calls) <= 7:
            return loss
        slope = (loss - loss.detach()) * 1e38  # 0, with a gradient beyond what float32 can say
        return loss + slope * 1e38

    monkeypatch.setattr(training, "cross_entropy", steep)
    with np.errstate(all="ignore"):
        assert train(text, model, "--report", "--save-every", "3") == 1
    iteration, error = kept(model, capsys)
    assert iteration == 6
    assert re.match(r"char_lm.py: training diverged at iteration 8: loss \d\.\d+ nats, gradient norm (inf|nan);", error)
    assert "after it" not in error


def test_a_validation_that_overflows(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Trainer.validate
    monkeypatch.setattr(Trainer, "validate", lambda own: Score(math.inf, 9) if own.iteration == 8 else real(own))
    assert train(text, model, "--report", "4", "8") == 1
    iteration, error = kept(model, capsys)
    assert iteration == 4
    assert "at iteration 8: loss inf nats" in error
    assert "; that is the loss of the validation; " in error
    assert checkpoint.load(model / "best.safetensors")[1]["iteration"] == 4
