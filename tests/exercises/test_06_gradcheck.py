from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import gradcheck, gradgradcheck, op


@pytest.mark.parametrize("x", [0.001, 0.2, 30.0, 4e3, 1e6])
def test_exercise_1_eight_digits_near_and_far(answers: Any, x: float) -> None:
    assert answers.slope(lambda x: x**3, x) == pytest.approx(3 * x**2, rel=1e-8)
    assert answers.slope(lambda x: 1 / x, x) == pytest.approx(-1 / x**2, rel=1e-8)
    assert answers.slope(math.sqrt, x) == pytest.approx(0.5 / math.sqrt(x), rel=1e-8)
    assert answers.slope(math.log, x) == pytest.approx(1 / x, rel=1e-8)


def test_exercise_2_the_rule_passes_both_checks(answers: Any) -> None:
    @op(x=answers.softsign_rule)
    def softsign(x: Any) -> Any:
        return x / (1 + np.abs(x))

    points = np.array([[-3.0, -0.5, 0.01], [0.2, 1.0, 7.0]])
    assert gradcheck(softsign, [points])
    assert gradgradcheck(softsign, [points])
