"""Numbers that are known beforehand: of a model that knows nothing, of uneven windows, after a long prompt."""

from __future__ import annotations

import numpy as np
import pytest

from demos.lm.model import CharLM
from demos.lm.sampling import continuation
from demos.lm.scoring import score
from tinygrad_rnn.text import Vocabulary, evaluation_batches

LETTERS = Vocabulary("абвгдеё\n")


def model(cell: str = "lstm") -> CharLM:
    return CharLM(LETTERS, cell, layers=2, units=5, dropout=0.0, rng=0).eval()


@pytest.mark.parametrize("characters", [2, 7, 100, 101, 1000])
def test_a_model_that_knows_nothing_has_a_perplexity_of_v(characters: int) -> None:
    uniform = model()
    for parameter in uniform.head.parameters():
        parameter.data = np.zeros_like(parameter.data)
    ids = np.random.default_rng(0).integers(len(LETTERS), size=characters)
    total = score(uniform, evaluation_batches(ids, steps=7, batch_size=3))
    assert total.characters == characters - 1
    assert total.bits == pytest.approx(3, rel=1e-6)
    assert total.perplexity == pytest.approx(8, rel=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("steps", [1, 6, 7, 61, 100])
def test_windows_of_any_length_give_the_same_total(cell: str, steps: int) -> None:
    ids = np.random.default_rng(1).integers(len(LETTERS), size=62)
    whole = score(model(cell), evaluation_batches(ids, steps=61, batch_size=1))
    pieces = score(model(cell), evaluation_batches(ids, steps=steps, batch_size=1))
    assert pieces.characters == whole.characters == 61
    assert pieces.total_nats == pytest.approx(whole.total_nats, rel=1e-6)


@pytest.mark.parametrize("length", [1, 2, 17, 2000])
def test_a_prompt_of_any_length_is_read_to_its_end(length: int) -> None:
    network, ids = model(), np.random.default_rng(2).integers(len(LETTERS), size=length)
    logits, _ = network(ids[:, None])
    greedy = continuation(
        network, prompt=LETTERS.decode(ids), length=1, temperature=0, rng=np.random.default_rng()
    )  # fmt: skip
    assert next(greedy) == LETTERS.characters[int(logits.data[-1, 0].argmax())]
