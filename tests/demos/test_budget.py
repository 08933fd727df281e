"""The same budget for every cell: what is trained, counted and printed."""

from __future__ import annotations

import numpy as np
import pytest

from demos import budget
from tinygrad_rnn import text

TEXT = "Well, Prince, so Genoa and Lucca are now just family estates of the Buonapartes. But I warn you, if you " * 40


def test_a_budget_of_iterations_gives_the_same_model_each_time() -> None:
    vocabulary = text.Vocabulary.from_text(TEXT)
    training, test = np.split(vocabulary.encode(TEXT), [3500])
    found = [
        budget.trained((cell, 1, 16), vocabulary, (training, test), 0, iterations=40)
        for cell in [*budget.CELLS, "lstm"]
    ]
    assert [t.iterations for t in found] == [40] * 4
    assert found[1].nats == found[3].nats
    V = len(vocabulary)
    assert [t.parameters for t in found[:3]] == [V * 16 + g * 16 * 34 + 17 * V for g in (1, 4, 3)]
    assert all(t.nats < np.log(V) for t in found)


def test_a_budget_of_time_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("demos.budget.time.process_time", lambda: next(clock))
    vocabulary = text.Vocabulary.from_text(TEXT)
    ids = vocabulary.encode(TEXT)
    found = budget.trained(("gru", 1, 4), vocabulary, (ids[:3000], ids[3000:]), 0, seconds=20)
    assert found.iterations == 19


@pytest.mark.parametrize("word", ["0", "-1", "inf", "ten"])
def test_no_budget(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        budget.main(["--seconds", word])
    assert f"argument --seconds: {word} is no number above 0" in capsys.readouterr().err


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        budget, "trained", lambda kind, *_, **__: budget.Trained(kind[0], kind[1], kind[2], 1000, 10, 5.0, 1.5)
    )
    budget.main([])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "50,000 test characters, 5 s of one processor for each model, per character:"
    assert lines[2].split() == ["RNN", "1", "x", "64", "1,000", "10", "5", "1.500", "2.164", "4.48"]
    assert lines[8].split()[:3] == ["n-gram,", "order", "6"]
