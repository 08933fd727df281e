"""Steps that have no plan are refused, and told why and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor
from tinygrad_rnn.scan import CannotPlan, scan


def branching(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    if x.sum() > 0:  # the line that is named
        return h, h
    return h + x, h


ERRORS: list[tuple[Callable[..., Any], str]] = [
    (branching, r"test_refusals\.py:\d+: if x.sum\(\) > 0:  # the line that is named"),
    (lambda h, x: (h * float(x.sum()), h), r"the value of a tensor of shape \(\).*where\(condition, a, b\)"),
    (lambda h, x: (tg.concatenate(h, h), h), r"tensor 0 of the state changes from \(4,\) float64 to \(8,\) float64"),
    (lambda h, x: (h.astype(np.float32), h), r"from \(4,\) float64 to \(4,\) float32"),
    (lambda h, x: ((h, h), h), r"the state after the step must be one array, but is a tuple of 2"),
    (
        lambda h, x: (h.detach() + x, h),
        r"the step detaches a tensor of shape \(4,\).*detach the inputs before the scan",
    ),
    (lambda h, x: (h, 3.0), r"a step returns tensors, .* there is a float"),
    (lambda h, x: (h + np.random.default_rng().random(4), x), r"array of shape \(4,\) that is another one .* random"),
    (
        lambda h, x: (h * Tensor(np.tanh(np.asarray(h.data))), x),
        r"array of shape \(4,\) .* value of a tensor \(.data\)",
    ),
]


@pytest.mark.parametrize(("step", "message"), ERRORS)
def test_steps_without_a_plan(step: Callable[..., Any], message: str) -> None:
    with pytest.raises(CannotPlan, match=message):
        scan(step, Tensor(np.zeros(4)), (Tensor(np.ones((3, 4)), True),), unroll=False)
    assert Tensor(1.0).item() == 1  # nothing stays switched


def test_arrays_computed_from_data_are_no_operands() -> None:
    with pytest.raises(TypeError, match=r"mul\(Tensor, Sample\): .* outside of the library from .* \(.data\), inside"):
        scan(lambda h, x: (h * np.tanh(h.data), x), Tensor(np.zeros(4)), (Tensor(np.ones((3, 4))),), unroll=False)


def test_constants_made_inside_a_step_are_no_matter() -> None:
    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        return h * np.arange(4.0) + Tensor(np.ones(4)) + x, h

    last, _ = scan(step, Tensor(np.zeros(4)), (Tensor(np.ones((3, 4)), True),), unroll=False)
    np.testing.assert_allclose(last.data, [2, 6, 14, 26])
