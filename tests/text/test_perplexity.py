import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.text import Score, bits, perplexity

PIECES = st.lists(st.tuples(st.floats(0, 1e3), st.integers(1, 50)), min_size=1, max_size=10)


@pytest.mark.parametrize("size", [1, 2, 65, 82, 165])
def test_uniform_model_has_perplexity_of_the_vocabulary_size(size: int) -> None:
    score = Score()
    for characters in (50, 50, 7):
        score.add(-characters * math.log(1 / size), characters)
    assert score.perplexity == pytest.approx(size, rel=1e-14)
    assert score.bits == pytest.approx(math.log2(size), rel=1e-14, abs=0)


@given(PIECES)
def test_score_is_the_mean_over_characters_not_over_pieces(pieces: list[tuple[float, int]]) -> None:
    score = Score()
    every_character: list[float] = []
    for nats, characters in pieces:
        score.add(nats * characters, characters)
        every_character += [nats] * characters
    assert score.characters == len(every_character)
    assert score.nats == pytest.approx(np.mean(every_character), rel=1e-12)
    assert score.perplexity == perplexity(score.nats)


def test_unequal_pieces_differ_from_the_mean_of_means() -> None:
    score = Score()
    score.add(9.0, characters=9)
    score.add(3.0, characters=1)
    assert score.nats == 1.2


def test_bits_and_perplexity_agree() -> None:
    assert bits(math.log(2)) == 1
    assert 2 ** bits(1.58) == pytest.approx(perplexity(1.58), rel=1e-15)


def test_extreme_losses() -> None:
    assert perplexity(0.0) == 1
    assert perplexity(1e4) == math.inf
    assert math.isnan(perplexity(math.nan))


def test_no_mean_without_characters() -> None:
    for empty in (Score(), Score(0.0, 0)):
        with pytest.raises(ValueError, match="no character has been scored"):
            _ = empty.nats


def test_a_piece_has_no_negative_length() -> None:
    with pytest.raises(ValueError, match="0 or more characters, got -1"):
        Score().add(1.0, characters=-1)
