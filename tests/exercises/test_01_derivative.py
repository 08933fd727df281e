from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import Tensor, exp, tanh


@pytest.mark.parametrize("x", [0.0, 0.7, -1.3, 2.0])
def test_exercise_1_the_derivative_by_hand(answers: Any, x: float) -> None:
    h = 1e-5
    difference = (np.exp(np.sin((x + h) ** 2)) - np.exp(np.sin((x - h) ** 2))) / (2 * h)
    assert answers.by_hand(x) == pytest.approx(difference, rel=1e-6, abs=1e-9)


def test_exercise_2_newton_finds_zeros(answers: Any) -> None:
    assert answers.newton(lambda x: x * x - 2, 1.0) == pytest.approx(2**0.5, abs=1e-12)
    assert answers.newton(lambda x: x**3 - x - 2, 2.0) == pytest.approx(1.5213797068045676, abs=1e-12)
    assert answers.newton(lambda x: exp(x) - 3, 0.0) == pytest.approx(np.log(3), abs=1e-12)


def test_exercise_2_each_step_is_newtons(answers: Any) -> None:
    assert answers.newton(lambda x: tanh(x) - Tensor(0.5), 0.0, steps=1) == pytest.approx(0.5, abs=1e-12)
    assert answers.newton(lambda x: x * x - 2, 1.0, steps=2) == pytest.approx(17 / 12, abs=1e-12)
