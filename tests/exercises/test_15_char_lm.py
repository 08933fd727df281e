from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import text


def test_exercise_1_pieces_of_unequal_length(answers: Any) -> None:
    assert answers.perplexity([np.full(10, 1 / 27)]) == pytest.approx(27)
    pieces = [np.array([0.5]), np.array([0.25, 0.25, 0.125])]
    assert answers.perplexity(pieces) == pytest.approx(2 ** ((1 + 2 + 2 + 3) / 4))
    score = text.Score()
    for piece in pieces:
        score.add(-np.log(piece).sum(), len(piece))
    assert answers.perplexity(pieces) == pytest.approx(score.perplexity)


def test_exercise_1_a_long_text(answers: Any) -> None:
    assert answers.perplexity([np.full(5000, 0.1), np.full(1, 0.1)]) == pytest.approx(10)


def test_exercise_2_at_0_the_largest(answers: Any) -> None:
    logits = np.array([0.1, 3.0, -1.0, 2.9])
    assert {answers.drawn(logits, 0.0, np.random.default_rng(seed)) for seed in range(20)} == {1}


@pytest.mark.parametrize(("temperature", "shift"), [(1.0, 0.0), (0.5, 0.0), (2.0, 10_000.0)])
def test_exercise_2_as_often_as_probable(answers: Any, temperature: float, shift: float) -> None:
    logits, rng, count = np.array([0.0, 1.0, -1.0, 0.5]), np.random.default_rng(0), 4000
    draws = [answers.drawn(logits + shift, temperature, rng) for _ in range(count)]
    expected = count * text.distribution(logits, temperature=temperature)
    chi_square = ((np.bincount(draws, minlength=4) - expected) ** 2 / expected).sum()
    assert chi_square < 21.1, "three degrees of freedom: a right answer is above that once in ten thousand times"
