from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, nn, no_grad, tanh
from tinygrad_rnn.draw.graph import collect
from tinygrad_rnn.scan import scan

T, B, F, H = 6, 2, 3, 4


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.GRUCell])
def test_exercise_1_one_step_at_a_time_gives_the_same(answers: Any, cell: type[nn.Cell]) -> None:
    rng = np.random.default_rng(0)
    made = cell(F, H, rng=rng, dtype=np.float64)
    h, xs = Tensor(rng.normal(size=(B, H)), requires_grad=True), Tensor(rng.normal(size=(T, B, F)), requires_grad=True)
    g = rng.normal(size=(B, H))
    one = len(collect([made(xs[0], h)]).operations())
    state = h
    for x in xs:
        state = made(x, state)
    state.backward(g)

    def step(h: Any, x: Any) -> Tensor:
        out: Tensor = made(x, h)
        assert out.node is None or len(collect([out]).operations()) <= one, "the graph is longer than one step"
        return out

    to_h, to_xs = answers.through_time(step, h.data, xs.data, g)
    assert_allclose(to_h, h.grad, rtol=1e-10)
    assert_allclose(to_xs, xs.grad, rtol=1e-10)


def test_exercise_2_layers_are_visited_from_the_end(answers: Any) -> None:
    x = np.ones((5, B, F), np.float32)
    assert answers.visited(nn.RNN(F, H, rng=0)(x)[0].sum()) == [4, 3, 2, 1, 0]
    assert answers.visited(nn.LSTM(F, H, num_layers=2, rng=0)(x)[0].sum()) == [4, 3, 2, 1, 0] * 2


def test_exercise_2_what_reads_from_the_end_is_visited_from_the_start(answers: Any) -> None:
    w = Tensor(0.5, requires_grad=True)

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = tanh(w * h + x)
        return h, h

    h, _ = scan(step, Tensor(0.0), (Tensor(np.ones(4)),), reverse=True)
    assert answers.visited(h * 2) == [0, 1, 2, 3]
    with no_grad():
        h = h * 1.0
    assert answers.visited(h * w) == []
