import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_rnn.text import TextError, Vocabulary, read_text, split, witten_bell

SIZE = 4
IDS = st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=40)


def counted_by_hand(train: list[int], test: list[int], size: int, order: int) -> float:
    """The definition, one character at a time, with a dictionary of tuples."""
    lengths = range(1, order + 1)
    grams = Counter(tuple(train[end - n : end]) for n in lengths for end in range(n, len(train) + 1))

    def p(context: tuple[int, ...], c: int) -> float:
        lower = p(context[1:], c) if context else 1 / size
        followers = [grams[(*context, other)] for other in set(train) if grams[(*context, other)]]
        if not followers:
            return lower
        return (grams[(*context, c)] + len(followers) * lower) / (sum(followers) + len(followers))

    costs = [-math.log(p(tuple(test[max(0, i - order + 1) : i]), c)) for i, c in enumerate(test)]
    return sum(costs) / len(costs)


@given(IDS, IDS)
@example([0], [1, 0, 1])  # shorter than the order
@example([0, 1, 2, 3], [3, 0, 1, 2])  # the last character is a context that nothing follows
@example([0, 0, 1, 0, 0, 2], [0, 0, 1, 0, 0, 2])
def test_equals_the_definition(train: list[int], test: list[int]) -> None:
    nats = witten_bell(train, test, vocabulary_size=SIZE, order=6)
    by_hand = [counted_by_hand(train, test, SIZE, order) for order in range(1, 7)]
    assert nats == pytest.approx(by_hand, rel=1e-12)


@given(IDS, st.lists(st.integers(0, SIZE - 1), max_size=10), st.integers(1, 5))
def test_next_characters_sum_to_one(train: list[int], before: list[int], order: int) -> None:
    def log_probability(test: list[int]) -> float:
        return -len(test) * witten_bell(train, test, vocabulary_size=SIZE, order=order)[-1] if test else 0.0

    total = sum(math.exp(log_probability([*before, c]) - log_probability(before)) for c in range(SIZE))
    assert total == pytest.approx(1, rel=1e-11)


def test_exact_where_codes_of_whole_contexts_would_not_fit_in_64_bits() -> None:
    train = np.random.default_rng(0).integers(0, 100_000, 30).tolist() * 2
    nats = witten_bell(train, train[:30], vocabulary_size=100_000, order=20)
    assert nats[-1] == pytest.approx(counted_by_hand(train, train[:30], 100_000, order=20), rel=1e-12)


def baseline(path: Path, order: int) -> list[float]:
    text = read_text(path)
    vocabulary = Vocabulary.from_text(text)
    train, _, test = split(vocabulary.encode(text), (0.8, 0.1, 0.1))
    return witten_bell(train, test, vocabulary_size=len(vocabulary), order=order)


# The published figures seem to have been rounded to four decimals first: 2.01345 is given as 2.014.
ROUNDED = 6e-4


def test_published_figures_of_tiny_shakespeare(corpora: Path) -> None:
    published = [3.348, 2.513, 2.186, 2.016, 1.965, 2.014, 2.101, 2.196]
    assert baseline(corpora / "tiny_shakespeare.txt", order=8) == pytest.approx(published, abs=ROUNDED)


def test_published_figures_of_war_and_peace(corpora: Path) -> None:
    published = [3.065, 2.439, 1.956, 1.575]
    assert baseline(corpora / "war_and_peace.txt", order=4) == pytest.approx(published, abs=ROUNDED)


def test_empty_texts() -> None:
    with pytest.raises(TextError, match="got 0 for training and 2 for the test"):
        witten_bell([], [0, 1], vocabulary_size=2, order=1)
    with pytest.raises(TextError, match="got 2 for training and 0 for the test"):
        witten_bell([0, 1], [], vocabulary_size=2, order=1)


def test_order_below_one() -> None:
    with pytest.raises(ValueError, match="order of an n-gram model is 1 or more, got 0"):
        witten_bell([0, 1], [0, 1], vocabulary_size=2, order=0)


def test_ids_outside_of_the_vocabulary() -> None:
    with pytest.raises(IndexError, match="id 2 at position 1 is outside of a vocabulary of 2"):
        witten_bell([0, 2], [0, 1], vocabulary_size=2, order=1)
