"""The long-lag tasks draw what their definitions say, and judge answers by them."""

from __future__ import annotations

import itertools
import re
from functools import cache
from types import ModuleType

import numpy as np
import pytest

from demos.long_lag import (
    adding,
    copying,
    irnn,
    multiplication,
    noise_free,
    reber,
    temporal_order,
    two_sequences,
    very_long_lag,
)
from demos.long_lag.task import Sequences, Task, judged
from tinygrad_rnn.tensor import Array

B = 20_000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def fair(values: Array, expected: list[int]) -> bool:
    """Whether the values are ``expected``, each about as often."""
    found, counts = np.unique(values, return_counts=True)
    share = len(values) / len(expected)
    return found.tolist() == expected and bool((np.abs(counts - share) < 5 * share**0.5).all())


@pytest.mark.parametrize(("demo", "low", "neutral"), [(adding, -1, 0), (multiplication, 0, 1)])
def test_marked_pairs(demo: ModuleType, low: int, neutral: int, rng: np.random.Generator) -> None:
    inputs, times, columns, targets, _ = demo.draw(rng, B)
    values, markers = inputs[..., 0], inputs[..., 1]
    assert fair(times + 1, list(range(100, 111)))
    np.testing.assert_array_equal(columns, np.arange(B))
    assert (values.min(), values.max()) == pytest.approx((low, 1), abs=1e-4)
    assert (markers == 1).sum(axis=0).tolist() == [2] * B
    first, last = (markers == 1).argmax(axis=0), len(markers) - 1 - (markers == 1)[::-1].argmax(axis=0)
    assert last.max() == 49  # half of 100 steps lie behind it, at least
    assert (first < 10).all()
    assert fair(last[last >= 10], list(range(10, 50)))
    np.testing.assert_array_equal(markers[0], np.where(first == 0, 1, -1))
    np.testing.assert_array_equal(markers[times, columns], -1)
    assert ((markers == -1).sum(axis=0) == np.where(first == 0, 1, 2)).all()
    np.testing.assert_array_equal(values[0, first == 0], neutral)
    x1, x2 = values[first, columns], values[last, columns]
    np.testing.assert_allclose(targets, 0.5 + (x1 + x2) / 4 if demo is adding else x1 * x2, rtol=1e-6)
    assert targets.var() == pytest.approx(demo.task(100).blind, rel=0.03)


def test_irnn_adding(rng: np.random.Generator) -> None:
    inputs, times, columns, targets, _ = irnn.draw(rng, B, 20)
    assert (times == 19).all()
    marked = inputs[..., 1] == 1
    assert (marked.sum(axis=0) == 2).all()
    assert fair(marked.argmax(axis=0) * 20 + 19 - marked[::-1].argmax(axis=0), [
        20 * i + j for i, j in itertools.combinations(range(20), 2)
    ])  # fmt: skip
    np.testing.assert_allclose(targets, np.where(marked, inputs[..., 0], 0).sum(axis=0), rtol=1e-6)
    assert np.square(targets - 1).mean() == pytest.approx(1 / 6, rel=0.03)
    assert (columns == np.arange(B)).all()


def test_temporal_order(rng: np.random.Generator) -> None:
    inputs, times, columns, targets, _ = temporal_order.draw(rng, B)
    assert fair(times + 1, list(range(100, 111)))
    classes = []
    where = []
    for column, end in zip(inputs.T[:2000], times, strict=False):
        symbols = "".join(temporal_order.SYMBOLS[i] for i in column[: end + 1])
        match = re.fullmatch("E([abcd]*)([XY])([abcd]*)([XY])[abcd]*B", symbols)
        assert match
        classes.append(["XX", "XY", "YX", "YY"].index(match[2] + match[4]))
        where.append((match.start(2), match.start(4)))
    assert targets[:2000].tolist() == classes
    assert fair(np.array(where)[:, 0], list(range(10, 21)))
    assert fair(np.array(where)[:, 1], list(range(50, 61)))
    assert fair(targets, [0, 1, 2, 3])
    assert (columns == np.arange(B)).all()


def test_very_long_lag(rng: np.random.Generator) -> None:
    q = 50
    inputs, times, columns, targets, _ = very_long_lag.draw(rng, B, q)
    e, b, x = q, q + 1, q + 2
    assert (inputs[0] == b).all()
    np.testing.assert_array_equal(inputs[1] - x, targets)
    np.testing.assert_array_equal((inputs == e).argmax(axis=0), times)
    between = [column[2:end] for column, end in zip(inputs.T, times, strict=True)]
    assert fair(np.concatenate(between), list(range(q)))
    extra = np.array([len(symbols) - q for symbols in between])
    assert extra.min() == 0
    assert (extra == 0).mean() == pytest.approx(0.1, abs=0.01)
    assert (extra == 5).mean() == pytest.approx(0.1 * 0.9**5, abs=0.01)
    assert (times + 2).mean() == pytest.approx(q + 13, abs=0.3)
    assert fair(targets, [0, 1])
    assert (columns == np.arange(B)).all()


def test_two_sequences(rng: np.random.Generator) -> None:
    inputs, times, columns, targets, _ = two_sequences.draw(rng, B)
    assert fair(times + 1, list(range(100, 111)))
    assert (inputs[:3, :, 0] == np.where(targets, 1, -1)).all()
    assert (inputs[3:].mean(), inputs[3:].var()) == pytest.approx((0, 0.2), abs=1e-3)
    assert fair(targets, [0, 1])
    assert (columns == np.arange(B)).all()


def test_noise_free(rng: np.random.Generator) -> None:
    inputs, times, columns, targets, _ = noise_free.draw(rng, 1000, 7)
    said = np.zeros_like(inputs)
    said[times, columns] = targets
    assert fair(inputs[0], [6, 7])
    for asked, answered in zip(inputs.T, said.T, strict=True):
        assert [*asked, answered[-1]] == [asked[0], 0, 1, 2, 3, 4, 5, asked[0]]
        assert asked[1:].tolist() == answered[:-1].tolist()


def test_copying(rng: np.random.Generator) -> None:
    inputs, times, columns, targets, _ = copying.draw(rng, B, 5)
    said = np.zeros_like(inputs)
    said[times, columns] = targets
    blank, sign, S = copying.BLANK, copying.SIGN, copying.S
    assert len(inputs) == 5 + 2 * S
    assert (inputs[S:] == np.array([blank] * 4 + [sign] + [blank] * S)[:, None]).all()
    assert (said[: 5 + S] == blank).all()
    np.testing.assert_array_equal(said[5 + S :], inputs[:S])
    assert fair(inputs[:S].reshape(-1), list(range(8)))


INNER = "B(?:(?:TS*X|PT*VP)(?:XT*VP)*(?:S|XT*VV)|PT*VV)E"  # the Reber grammar as an expression
EMBEDDED = re.compile(f"BT(?:{INNER})TE|BP(?:{INNER})PE")


SHORT = [
    f"B{ends}B{middle}E{ends}E"
    for ends in "TP"
    for middle in ("TXS", "TSXS", "TXXVV", "TXXVPS", "PVV", "PTVV", "PVPS", "PVPXVV")
]
ENDS = {string[i:] for string in SHORT for i in range(len(string) + 1)}


@cache
def possible(before: str) -> set[str]:
    """What may follow ``before``, by trying the ends of short strings on the expression."""
    return {symbol for symbol in "BTPSXVE" for end in ENDS if EMBEDDED.fullmatch(before + symbol + end)}


def test_reber_strings_and_successors_are_those_of_a_regular_expression(rng: np.random.Generator) -> None:
    strings = [reber.string(rng) for _ in range(500)]
    assert min(map(len, strings)) == 9
    assert all(map(EMBEDDED.fullmatch, strings))
    for string in strings[:50]:
        for i, legal in enumerate(reber.successors(string), start=1):
            assert set(legal) == possible(string[:i]), string[:i]
    assert fair(np.array([string[1] == "T" for string in strings]), [False, True])
    assert sum(string[2:5] == "BTX" for string in strings) == pytest.approx(500 / 4, abs=50)


def test_reber_sets_and_targets() -> None:
    task = reber.task()
    assert task.exam is not None
    both = task.exam(np.random.default_rng(0))
    assert both.legal is not None
    strings = [""] * both.inputs.shape[1]
    for time, column, target, legal in zip(both.times, both.columns, both.targets, both.legal, strict=True):
        assert legal[target]
        assert len(strings[column]) == time
        strings[column] += reber.SYMBOLS[both.inputs[time, column]]
    assert len(strings) == 512
    assert not set(strings[:256]) & set(strings[256:])
    assert (len(set(strings[:256])), len(set(strings[256:]))) == (96, 185)
    drawn = task.draw(np.random.default_rng(1), 50)
    ends = np.bincount(drawn.columns) - 1
    learned = ["".join(reber.SYMBOLS[i] for i in ids[: end + 1]) for ids, end in zip(drawn.inputs.T, ends, strict=True)]
    assert set(learned) <= set(strings[:256])


def mostly(error: float, *others: float, window: int) -> Array:
    """The errors of ``window`` sequences: ``others``, the rest all the same."""
    return np.array([*others, *[error] * (window - len(others))])


ROOT = (1 / 60) ** 0.5  # the error whose square is the limit

CRITERIA: list[tuple[Task, int, list[str], tuple[float, ...], list[tuple[float, ...]]]] = [
    (adding.task(100), 2000, ["2,000", "0.04", "0.01"], (0.0099, 0.0399), [(0.0099, 0.0401), (0.0101,)]),
    (multiplication.task(100), 2000, ["140", "2,000", "0.04"], (0.0399, *[1] * 139), [(0, *[0.0401] * 140)]),
    (temporal_order.task(), 2000, ["2,000", "0.3", "0.1"], (0.099, 0.299), [(0.099, 0.301), (0.101,)]),
    (very_long_lag.task(50), 10_000, ["10,000", "0.2"], (0.199,), [(0, 0.201)]),
    (two_sequences.task(100), 256, ["256", "0.2"], (0.199,), [(0, 0.201)]),
    (noise_free.task(100), 32, ["0.25"], (0.249,), [(0, 0.251)]),
    (reber.task(), 512, ["512"], (0,), [(0, 1)]),
    (copying.task(20), 2000, ["2,000", "0.5"], (0.499,), [(0, 0.501)]),
    (irnn.task(150), 2000, ["2,000", "0.0167"], (0.999 * ROOT,), [(1.001 * ROOT,)]),
]


@pytest.mark.parametrize(
    ("task", "window", "limits", "enough", "short"), CRITERIA, ids=[criterion[0].name for criterion in CRITERIA]
)
def test_what_counts_as_learned(
    task: Task, window: int, limits: list[str], enough: tuple[float, ...], short: list[tuple[float, ...]]
) -> None:
    """The criterion is met just within its limits and not just beyond any of them, and the rule names these limits."""
    assert task.window == window
    assert re.findall(r"\d[\d,.]*\b", task.rule) == limits
    assert task.met(mostly(*enough, window=window))
    for errors in short:
        assert not task.met(mostly(*errors, window=window)), errors[:2]


def test_errors_are_the_largest_over_answers_and_outputs() -> None:
    inputs, times, columns = np.zeros((2, 2), int), np.array([0, 1, 1]), np.array([0, 0, 1])
    classes = Sequences(inputs, times, columns, np.array([0, 1, 1]))
    logits = np.log([[0.9, 0.1, 0.0001], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7]])
    np.testing.assert_allclose(judged(logits, classes), [0.4, 0.8], atol=1e-3)
    values = Sequences(inputs, times, columns, np.array([0.5, 0.0, 1.0]))
    np.testing.assert_allclose(judged(np.array([[0.4], [0.3], [1.0]]), values), [0.3, 0])
    legal = np.array([[True, True, False], [True, True, False], [False, False, True]])
    np.testing.assert_array_equal(judged(logits, classes._replace(legal=legal)), [0, 0])
    legal[1] = [True, False, False]
    np.testing.assert_array_equal(judged(logits, classes._replace(legal=legal)), [1, 0])
    level = np.zeros((3, 3))  # nothing is ahead
    np.testing.assert_array_equal(judged(level, classes._replace(legal=legal)), [1, 1])
