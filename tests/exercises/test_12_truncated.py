from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, gradients, nn


@pytest.mark.parametrize(("T", "k1", "k2"), [(9, 3, 3), (10, 4, 4), (12, 2, 6), (11, 3, 5), (7, 1, 3), (5, 8, 8)])
def test_exercise_1_as_far_as_gradients_go(answers: Any, T: int, k1: int, k2: int) -> None:
    layer = nn.GRU(1, 2, rng=0, dtype=np.float64)
    x = Tensor(np.random.default_rng(0).normal(size=(T, 1, 1)), requires_grad=True)
    expected = []
    for _, outputs, _ in nn.truncated_bptt(layer, x, k1=k1, k2=k2):
        for output in outputs:
            (g,) = gradients(output.sum(), [x], retain_graph=True)
            expected.append(np.count_nonzero(g))
    assert list(answers.reach(T, k1, k2)) == expected


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM])
@pytest.mark.parametrize("k", [1, 4, 10])
def test_exercise_2_windows_by_hand(answers: Any, kind: Any, k: int) -> None:
    rng = np.random.default_rng(1)
    layer = kind(3, 4, rng=0, dtype=np.float64)
    x, targets = rng.normal(size=(10, 2, 3)), rng.normal(size=(10, 2, 4))

    def loss(outputs: Tensor, steps: slice) -> Tensor:
        return ((outputs - targets[steps]) ** 2).sum()

    for steps, outputs, _ in nn.truncated_bptt(layer, x, k1=k):
        loss(outputs, steps).backward()
    expected = [p.grad for p in layer.parameters()]
    for p in layer.parameters():
        p.grad = None
    assert answers.by_windows(layer, loss, x, k) == pytest.approx(loss(layer(x)[0], slice(0, 10)).item(), rel=1e-12)
    for p, g in zip(layer.parameters(), expected, strict=True):
        assert_allclose(p.grad, g, rtol=1e-10, atol=1e-12)
