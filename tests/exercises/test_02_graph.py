from __future__ import annotations

from typing import Any

import numpy as np
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, linear, tanh


def test_exercise_1_each_operation_counts_once(answers: Any) -> None:
    x, y = Tensor(3.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    assert answers.count(x) == 0
    assert answers.count(x * 2) == 1
    assert answers.count(tanh(x * y) + x * y) == 4
    shared = x * y
    assert answers.count(tanh(shared) + shared) == 3
    for _ in range(60):
        y = y + y
    assert answers.count(y) == 60


def test_exercise_2_other_values_for_all_leaves(answers: Any) -> None:
    x, w = Tensor(3.0, requires_grad=True), Tensor(0.25, requires_grad=True)
    a = x * w
    out = a + tanh(a)
    assert answers.replay(out, {x: np.array(-1.0), w: np.array(2.0)}) == -2 + np.tanh(-2.0)


def test_exercise_2_leaves_without_a_new_value_keep_theirs(answers: Any) -> None:
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(4, 3)))
    w, b = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in [(2, 3), (2,)])
    out = tanh(linear(x, w, b) * np.array([1.0, 2.0])).sum(axis=0)[1:]
    new = rng.normal(size=(2, 3))
    expected = np.tanh((x.data @ new.T + b.data) * [1, 2]).sum(0)[1:]
    assert_allclose(answers.replay(out, {w: new}), expected, rtol=1e-14)
    assert_allclose(answers.replay(out, {}), out.data, rtol=1e-14)
