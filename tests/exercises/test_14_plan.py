from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor
from tinygrad_rnn.draw.graph import collect
from tinygrad_rnn.scan import scan

T, B, H = 7, 2, 3
RNG = np.random.default_rng(0)
START, XS = RNG.normal(size=(B, H)), RNG.normal(size=(T, B, H))


@pytest.mark.parametrize("unroll", [True, False])
def test_exercise_1_a_choice_for_each_unit(answers: Any, unroll: bool) -> None:
    h, xs = Tensor(START, requires_grad=True), Tensor(XS, requires_grad=True)
    last, outputs = scan(answers.gated, h, (xs,), unroll=unroll)
    state, slope = START, np.ones((B, H))
    for x, output in zip(XS, outputs.data, strict=True):
        state = np.where(x > 0, state + x, state / 2)
        slope = np.where(x > 0, slope, slope / 2)
        assert_allclose(output, state, rtol=1e-12)
    last.sum().backward()
    assert_allclose(h.grad, slope, rtol=1e-12)


def test_exercise_2_noise_comes_from_outside(answers: Any) -> None:
    h = Tensor(START, requires_grad=True)
    outputs = answers.noisy(h, XS, np.random.default_rng(5))
    state, slope = START, np.ones((B, H))
    for x, n, output in zip(XS, np.random.default_rng(5).normal(size=XS.shape), outputs.data, strict=True):
        state = np.tanh(state + x + n)
        slope = slope * (1 - state**2)
        assert_allclose(output, state, rtol=1e-12)
    assert len(collect([outputs]).operations()) < T, "the steps are recorded one by one: unroll=False plans them"
    outputs[-1].sum().backward()
    assert_allclose(h.grad, slope, rtol=1e-10)
