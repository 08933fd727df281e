"""The same budget for every cell: what is trained, counted and printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from demos import budget, console
from demos.lm.training import Step, update
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


def test_the_state_is_carried_along_the_text_and_the_rate_ends_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, float]] = []

    def watched(model: Any, optimizer: Any, window: Any, state: Any, **options: Any) -> Step:
        seen.append((state is not None, optimizer.lr))
        return update(model, optimizer, window, state, **options)

    monkeypatch.setattr(budget, "update", watched)
    vocabulary = text.Vocabulary.from_text(TEXT)
    ids = vocabulary.encode(TEXT * 4)
    windows = len(ids) // (budget.T * budget.B)
    budget.trained(("gru", 1, 2), vocabulary, (ids, ids[:300]), 0, iterations=100)
    carried, rates = zip(*seen, strict=True)
    assert [k for k, state in enumerate(carried) if not state] == list(range(0, 100, windows))
    assert rates[0] == budget.RATE / 50
    assert max(rates) == rates[49] == budget.RATE * 0.51
    assert rates[-1] == pytest.approx(budget.RATE * 0.01)


def test_after_as_many_steps_a_gated_cell_is_ahead() -> None:
    content = text.read_text(console.DATA / "war_and_peace.txt")[:300_000]
    vocabulary = text.Vocabulary.from_text(content)
    training, _, test = text.split(vocabulary.encode(content), (0.9, 0.05, 0.05))
    rnn, gru = (
        budget.trained((cell, 1, 32), vocabulary, (training, test), 0, iterations=600) for cell in ("rnn", "gru")
    )
    assert 1.9 < gru.nats < rnn.nats - 0.03 < 2.2  # 2.090 and 2.144


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[Any] = []

    def trained(
        kind: tuple[str, int, int], vocabulary: text.Vocabulary, parts: Any, seed: int, **limit: Any
    ) -> budget.Trained:
        asked.append((kind, ["".join(vocabulary.decode(part[-40:])) for part in parts], seed, limit))
        return budget.Trained(*kind, 1000, 10, 5.0, 1.5)

    monkeypatch.setattr(budget, "trained", trained)
    budget.main(["--seed", "3"])
    kinds, ends, seeds, limits = zip(*asked, strict=True)
    assert kinds == tuple((cell, 1, units) for units in (64, 128) for cell in ("rnn", "lstm", "gru"))
    content = text.read_text(console.DATA / "war_and_peace.txt")
    training_ends, test_ends = (content.index(end) + 40 for end in ends[0])
    assert abs(training_ends - 0.9 * len(content)) <= 1
    assert abs(test_ends - 50_000 - 0.95 * len(content)) <= 1
    assert (seeds, limits) == ((3,) * 6, ({"seconds": 5.0},) * 6)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "50,000 test characters, 5 s of one processor for each model, per character:"
    assert lines[2].split() == ["RNN", "1", "x", "64", "1,000", "10", "5", "1.500", "2.164", "4.48"]
    assert lines[8].split()[:3] == ["n-gram,", "order", "6"]
