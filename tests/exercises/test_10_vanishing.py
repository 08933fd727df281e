from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import tanh


@pytest.mark.parametrize("scale", [0.02, 0.3])
def test_exercise_1_one_largest_eigenvalue(answers: Any, scale: float) -> None:
    W = np.random.default_rng(0).normal(size=(6, 6))
    W = scale * (W + W.T)
    found = answers.growth(lambda h: tanh(W @ h), np.zeros(6))
    assert found == pytest.approx(np.abs(np.linalg.eigvalsh(W)).max(), rel=1e-6)


def test_exercise_1_a_complex_pair(answers: Any) -> None:
    turn = 0.8 * np.array([[np.cos(1), -3 * np.sin(1)], [np.sin(1) / 3, np.cos(1)]])
    assert answers.growth(lambda h: tanh(turn @ h), np.zeros(2), rounds=2000) == pytest.approx(0.8, rel=5e-3)


def test_exercise_1_at_a_state_that_is_not_zero(answers: Any) -> None:
    rng = np.random.default_rng(1)
    W, b, h = 0.4 * rng.normal(size=(5, 5)), rng.normal(size=5), np.zeros(5)
    W = W + W.T
    W *= 0.9 / np.abs(np.linalg.eigvalsh(W)).max()
    for _ in range(2000):
        h = np.tanh(W @ h + b)
    expected = np.abs(np.linalg.eigvals((1 - h**2)[:, None] * W)).max()
    assert answers.growth(lambda h: tanh(W @ h + b), h) == pytest.approx(expected, rel=1e-3)


def test_exercise_2_one_factor_for_all(answers: Any) -> None:
    gradients = [np.array([3.0, 0.0]), np.array([[0.0], [4.0]])]
    short = answers.clipped(gradients, 1.0)
    assert_allclose(short[0], [0.6, 0.0], rtol=1e-12)
    assert_allclose(short[1], [[0.0], [0.8]], rtol=1e-12)
    for before, after in zip(gradients, answers.clipped(gradients, 5.0), strict=True):
        assert_allclose(after, before, rtol=1e-12)
    assert_allclose(answers.clipped([np.zeros(3)], 1.0)[0], np.zeros(3))
