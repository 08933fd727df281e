from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor


def test_exercise_1_three_gradients(answers: Any) -> None:
    rng = np.random.default_rng(0)
    x, gain, bias = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in [(4, 3, 5), (5,), (3, 1)])
    g = rng.normal(size=(4, 3, 5))
    (x * gain + bias).backward(g)
    results = answers.scale_and_shift(g, x.data, gain.data, bias.data)
    for result, leaf in zip(results, (x, gain, bias), strict=True):
        assert result.shape == leaf.shape
        assert_allclose(result, leaf.grad, rtol=1e-12)


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4)])
def test_exercise_2_the_mean_goes_back_as_a_mean(answers: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x, g = Tensor(rng.normal(size=shape), requires_grad=True), rng.normal(size=shape)
    (x - x.mean(axis=-1, keepdims=True)).backward(g)
    assert_allclose(answers.centred(g), x.grad, rtol=1e-12)
