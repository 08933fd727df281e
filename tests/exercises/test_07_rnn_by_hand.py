from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, tanh


@pytest.mark.parametrize(("T", "H"), [(1, 3), (6, 4)])
def test_exercise_1_the_gradient_reaches_the_first_state(answers: Any, T: int, H: int) -> None:
    rng = np.random.default_rng(T)
    W_hh, inputs, to_h = rng.normal(size=(H, H)), rng.normal(size=(T, H)), rng.normal(size=(T, H))
    h = h0 = Tensor(rng.normal(size=H), requires_grad=True)
    hs, loss = [h0.data], Tensor(0.0)
    for t in range(T):
        h = tanh(W_hh @ h + inputs[t])
        hs.append(h.data)
        loss = loss + (h * to_h[t]).sum()
    loss.backward()
    assert_allclose(answers.to_first_state(W_hh, to_h, np.array(hs)), h0.grad, rtol=1e-10)


@pytest.mark.parametrize("leak", [0.3, 1.0])
def test_exercise_2_the_state_goes_two_ways(answers: Any, leak: float) -> None:
    rng = np.random.default_rng(2)
    h, a, W = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in [(4,), (4,), (4, 4)])
    to_h = rng.normal(size=4)
    ((1 - leak) * h + leak * tanh(W @ h + a)).backward(to_h)
    results = answers.leaky_backward(to_h, h.data, a.data, W.data, leak)
    for result, leaf in zip(results, (h, a, W), strict=True):
        assert_allclose(result, leaf.grad, rtol=1e-10)
