"""A model run step by step without a graph."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.scan import CannotPlan, Stepper
from tinygrad_rnn.tree import flat

V, H = 7, 5
LAYERS = [nn.RNN(H, H, 2, rng=1), nn.LSTM(H, H, 2, rng=1), nn.GRU(H, H, 2, rng=1), nn.GRU(H, H, 2, unroll=False, rng=1)]


class Model(nn.Module):
    def __init__(self, layer: nn.Recurrent) -> None:
        self.embedding = nn.Embedding(V, H, rng=0)
        self.layer = layer
        self.head = nn.Linear(H, V, rng=0)

    def forward(self, ids: Any, state: Any = None) -> tuple[Any, Tensor]:
        outputs, state = self.layer(self.embedding(ids), state)
        return state, self.head(outputs)

    def zero(self) -> Any:
        tensors = [Tensor(np.zeros((2, 1, H), np.float32)) for _ in self.layer.cells[0].state_sizes]
        return tuple(tensors) if len(tensors) > 1 else tensors[0]

    def stepper(self) -> Stepper:
        return Stepper(lambda state, ids: self(ids, state), self.zero(), np.zeros((1, 1), int))


@pytest.mark.parametrize("layer", LAYERS)
def test_steps_one_by_one_are_the_model(layer: nn.Recurrent) -> None:
    model, ids = Model(layer), np.array([3, 1, 4, 1, 5])
    stepper = model.stepper()
    steps = [stepper([[i]])[0] for i in ids]
    state, logits = model(ids[:, None])
    assert_allclose(steps, logits.data, atol=1e-6)
    for reached, expected in zip(flat(stepper.state), flat(state), strict=True):
        assert_allclose(reached.data, expected.data, atol=1e-6)


def test_the_state_can_be_kept_and_taken_up_again() -> None:
    stepper = Model(LAYERS[1]).stepper()
    stepper([[2]])
    kept = stepper.state
    first = stepper([[3]])
    again, _ = stepper([[3]]), stepper([[6]])
    assert not np.array_equal(first, again)
    stepper.state = kept
    assert_array_equal(stepper([[3]]), first)
    assert all(type(part) is Tensor for part in kept)


def test_parameters_are_those_of_when_it_was_made() -> None:
    model = Model(nn.GRU(H, H, 2, rng=4))
    stepper, same = model.stepper(), model.stepper()
    for p in model.parameters():
        p.data = p.data * 2
    assert_array_equal(stepper([[2]]), same([[2]]))
    assert not np.allclose(stepper([[2]]), model.stepper()([[2]]))


def test_results_belong_to_the_caller() -> None:
    stepper = Model(LAYERS[0]).stepper()
    first = stepper([[1]])
    copy = first.copy()
    first[...] = stepper([[2]])
    assert_allclose(Model(LAYERS[0]).stepper()([[1]]), copy)


def test_misuse_is_explained() -> None:
    stepper = Model(LAYERS[0]).stepper()
    with pytest.raises(ValueError, match=r"Stepper: input 0 has shape \(1,\); it was made for \(1, 1\)"):
        stepper([1])

    def looking(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        return (h, x) if float(h) > 0 else (x, h)

    with pytest.raises(ValueError, match="Stepper: the state must be one array, but is a tuple of 2"):
        stepper.state = (stepper.state, stepper.state)
    with pytest.raises(CannotPlan, match="asks for the value of a tensor"):
        Stepper(looking, Tensor(1.0), 2.0)


def test_a_step_may_be_made_of_anything_that_a_scan_takes() -> None:
    def step(s: Any, x: Tensor, y: Tensor) -> tuple[Any, Tensor]:
        total = s["total"] + x * y
        return {"count": s["count"] + 1, "total": total}, tg.exp(total)

    stepper = Stepper(step, {"count": Tensor(0), "total": 0.5}, 1.0, 2.0)
    assert_allclose([stepper(1.0, 2.0), stepper(3.0, 0.5)], np.exp([2.5, 4.0]))
    assert int(stepper.state["count"]) == 2


def test_a_copy_goes_on_by_itself() -> None:
    model = Model(LAYERS[1])
    stepper = model.stepper()
    stepper([[3]])
    state = stepper.state
    twins = [copy.copy(stepper), copy.deepcopy(stepper)]
    expected = stepper([[1]])
    for twin in twins:
        for new, old in zip(flat(twin.state), flat(state), strict=True):
            assert_array_equal(new.data, old.data)
        assert_array_equal(twin([[1]]), expected)
        for new, old in zip(flat(twin.state), flat(stepper.state), strict=True):
            assert_array_equal(new.data, old.data)
