from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, gradcheck, nn


@pytest.mark.parametrize(("T", "share"), [(1, 0.5), (20, 0.1), (100, 0.5), (1000, 0.9)])
def test_exercise_1_the_share_that_is_left(answers: Any, T: int, share: float) -> None:
    f = 1 / (1 + np.exp(-answers.bias_for(T, share)))
    assert f**T == pytest.approx(share, rel=1e-9)


def test_exercise_2_the_state_and_its_derivatives(answers: Any) -> None:
    rng = np.random.default_rng(0)
    cell = nn.GRUCell(2, 4, reset="before", update="replace", dtype=np.float64, rng=rng)
    h, x = rng.normal(size=4), rng.normal(size=2)
    a, W = cell.project(Tensor(x))[0].data, cell.weight_hh.data
    assert_allclose(answers.lecture_gru(Tensor(h), Tensor(a), Tensor(W)).data, cell(x, h).data, rtol=1e-12)
    assert gradcheck(answers.lecture_gru, [h, a, W])
