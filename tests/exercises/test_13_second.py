from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, gradcheck, tanh

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(5, 5)), RNG.normal(size=(3, 4))


@pytest.mark.parametrize("values", [[5.0, 2.0, 1.0, 0.5, -3.0], [1.0, 0.1, 0.0, -2.0, -4.0]])
def test_exercise_1_of_a_quadratic_form(answers: Any, values: list[float]) -> None:
    Q = np.linalg.qr(A)[0]
    H = Q @ np.diag(values) @ Q.T
    found = answers.sharpness(lambda x: (x * (H @ x)).sum() * 0.5, np.ones(5))
    assert found == pytest.approx(max(values, key=abs), rel=1e-6)


def test_exercise_1_of_a_function_that_bends(answers: Any) -> None:
    found = answers.sharpness(lambda x: (x**3).sum(), np.array([[1.0, -2.0], [0.5, 0.1]]))
    assert found == pytest.approx(-12.0, rel=1e-6)


def test_exercise_2_value_and_gradient(answers: Any) -> None:
    def f(x: Tensor) -> Tensor:
        return (tanh(B @ x) ** 2).sum()

    x = RNG.normal(size=4)
    t = np.tanh(B @ x)
    slope = B.T @ (2 * t * (1 - t**2))
    for strength in (0.0, 0.7):
        out = answers.penalised(f, Tensor(x, requires_grad=True), strength)
        assert_allclose(out.item(), (t**2).sum() + strength * (slope**2).sum(), rtol=1e-12)
        assert gradcheck(lambda x, s=strength: answers.penalised(f, x, s), [x])
