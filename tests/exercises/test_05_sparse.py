from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, take
from tinygrad_rnn.draw.graph import collect


def test_exercise_1_repeated_rows_add_up(answers: Any) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 7, size=30)
    table = Tensor(rng.normal(size=(9, 4)), requires_grad=True)
    g = rng.normal(size=(30, 4))
    take(table, ids).backward(g)
    result = answers.table_gradient(g, ids, 9)
    assert result.shape == (9, 4)
    assert_allclose(result, table.grad, rtol=1e-12, atol=1e-14)
    source = inspect.getsource(answers.table_gradient).rpartition('"""')[2]
    assert not any(word in source for word in ("add.at", "bincount", "for "))


@pytest.mark.parametrize("T", [2, 5, 100])
def test_exercise_2_five_operations_for_any_length(answers: Any, T: int) -> None:
    x = Tensor(np.random.default_rng(T).normal(size=(T, 3)), requires_grad=True)
    out = answers.roughness(x)
    steps = np.diff(x.data, axis=0)
    assert out.item() == pytest.approx((steps**2).sum(), rel=1e-12)
    assert len(collect([out]).operations()) <= 5
    out.backward()
    zero = np.zeros((1, 3))
    assert_allclose(x.grad, 2 * (np.concatenate([zero, steps]) - np.concatenate([steps, zero])), rtol=1e-12)
