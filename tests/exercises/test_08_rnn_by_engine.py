from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, gradcheck
from tinygrad_rnn.tensor import Array

T, H, V = 5, 4, 3
SHAPES = {"W_xh": (H, V), "W_hh": (H, H), "W_hy": (V, H), "b_h": (H,), "b_y": (V,)}
RNG = np.random.default_rng(0)
W: dict[str, Array] = {name: RNG.normal(size=shape) for name, shape in SHAPES.items()}
IDS, TARGETS, START = RNG.integers(V, size=T), RNG.integers(V, size=T), RNG.normal(size=H)


def states_and_loss(leak: float) -> tuple[list[Array], list[Array], float]:
    hs, errors, loss = [START], [], 0.0
    for i, target in zip(IDS, TARGETS, strict=True):
        hs.append((1 - leak) * hs[-1] + leak * np.tanh(W["W_xh"][:, i] + W["W_hh"] @ hs[-1] + W["b_h"]))
        p = np.exp(W["W_hy"] @ hs[-1] + W["b_y"])
        p /= p.sum()
        loss -= np.log(p[target])
        errors.append(p - np.eye(V)[target])
    return hs, errors, loss


@pytest.mark.parametrize("leak", [0.2, 1.0])
def test_exercise_1_value_and_gradient(answers: Any, leak: float) -> None:
    def loss(*arrays: Tensor) -> Tensor:
        *weights, h = arrays
        out: Tensor = answers.leaky_loss(dict(zip(W, weights, strict=True)), IDS, TARGETS, h, leak)
        return out

    arrays = [*W.values(), START]
    assert loss(*map(Tensor, arrays)).item() == pytest.approx(states_and_loss(leak)[2], rel=1e-12)
    assert gradcheck(loss, arrays)


def test_exercise_2_the_share_of_each_step(answers: Any) -> None:
    hs, errors, _ = states_and_loss(1.0)
    expected, back = np.zeros((T, H, H)), np.zeros(H)
    for t in reversed(range(T)):
        a = (W["W_hy"].T @ errors[t] + back) * (1 - hs[t + 1] ** 2)
        expected[t] = np.outer(a, hs[t])
        back = W["W_hh"].T @ a
    assert_allclose(answers.shares(W, IDS, TARGETS, START), expected, rtol=1e-10, atol=1e-14)
