"""functional_call: a module as a function of its parameters; and the second derivatives of every cell by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.nn.oracle import CELLS, shaken
from tinygrad_rnn import Tensor, functional_call, grad, gradgradcheck, nn
from tinygrad_rnn.nn.cells import parts
from tinygrad_rnn.tensor import registry


@pytest.mark.parametrize("kind", CELLS)
def test_second_derivatives_of_every_cell_through_time(kind: str) -> None:
    T, rng, (cell_type, options) = 2, np.random.default_rng(4), CELLS[kind]
    cell = cell_type(1, 2, dtype=np.float64, rng=rng, **options)
    shaken(cell, rng)

    weights = rng.uniform(-1, 1, (T, 2))
    point = {"x": rng.uniform(-1, 1, (T, 1, 1)), **{name: p.data for name, p in cell.named_parameters()}}
    ends = np.cumsum([a.size for a in point.values()]).tolist()

    def run(vector: Tensor) -> Any:  # one vector to one number: far fewer pairs to compare
        pieces = [vector[end - a.size : end].reshape(a.shape) for a, end in zip(point.values(), ends, strict=True)]
        x, *tensors = pieces
        parameters, state, total = dict(zip(list(point)[1:], tensors, strict=True)), None, Tensor(0.0)
        for t in range(T):
            state = functional_call(cell, parameters, x[t], state)
            total = total + sum(((s * weights[t, : s.shape[-1]]).sum() for s in parts(state)), start=Tensor(0.0))
        return total

    assert gradgradcheck(run, [np.concatenate([a.reshape(-1) for a in point.values()])])


@pytest.mark.parametrize("unroll", [True, False])
def test_a_layer_that_has_run_before_runs_with_what_it_is_given(unroll: bool) -> None:
    """Layers remember steps and plans; none of that may stand in for the tensors given, nor they for its own."""
    lstm = nn.LSTM(2, 3, num_layers=2, bidirectional=True, unroll=unroll, rng=0, dtype=np.float64)
    other = nn.LSTM(2, 3, num_layers=2, bidirectional=True, unroll=unroll, rng=1, dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(4, 2, 2))
    before, expected = lstm(x)[0].data, other(x)[0].data
    tensors = dict(other.named_parameters())
    assert_array_equal(functional_call(lstm, tensors, x)[0].data, expected)
    assert_array_equal(lstm(x)[0].data, before)
    out, _ = functional_call(lstm, tensors, x)
    assert_array_equal(out.data, expected)
    out.sum().backward()
    assert all(p.grad is None for p in lstm.parameters())
    assert all(p.grad is not None for p in other.parameters())
    mixed, _ = functional_call(lstm, {"weight_hh_l1": tensors["weight_hh_l1"]}, x)
    assert np.abs(mixed.data - before).max() > 1e-3


def test_all_parameters_share_a_plan() -> None:
    lstm = nn.LSTM(2, 3, unroll=False, rng=0)
    x = np.ones((4, 2, 2), np.float32)
    for rng in range(3):
        functional_call(lstm, dict(nn.LSTM(2, 3, rng=rng).named_parameters()), x)
    lstm(x)
    assert len(lstm.plans[0].found) == 1


def test_nothing_of_it_stays_but_plans() -> None:
    lstm = nn.LSTM(2, 3, unroll=False, rng=0)
    own, steps = lstm.parameters(), lstm.steps
    x = np.ones((4, 2, 2), np.float32)
    grad(lambda p: functional_call(lstm, p, x)[0].sum())(dict(lstm.named_parameters()))
    assert all(a is b for a, b in zip(lstm.parameters(), own, strict=True))
    assert lstm.steps is steps == {}
    with pytest.raises(ValueError, match="takes inputs of 2 features"):
        functional_call(lstm, {"bias_ih_l0": np.zeros(12, np.float32)}, np.ones((4, 2, 7), np.float32))
    assert all(a is b for a, b in zip(lstm.parameters(), own, strict=True))


def test_shared_modules_and_tensors_are_replaced_wherever_they_are() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.first = nn.Linear(3, 3, rng=0, dtype=np.float64)
            self.rest = [self.first, nn.Linear(3, 3, rng=1, dtype=np.float64)]
            self.rest[1].weight = self.first.weight

        def forward(self, x: Tensor) -> Any:
            return self.rest[1](self.rest[0](self.first(x)))

    tied, W = Tied(), np.diag([2.0, 3.0, 5.0])
    zero = {name: np.zeros(3) for name, _ in tied.named_parameters() if name.endswith("bias")}
    out = functional_call(tied, {"first.weight": W, **zero}, Tensor(np.ones((1, 3))))
    assert_allclose(out.data, [[8, 27, 125]])


class TiedHead(nn.Module):
    def __init__(self) -> None:
        self.e = nn.Embedding(3, 2, rng=0, dtype=np.float64)
        self.head = nn.Linear(2, 3, bias=False, rng=1, dtype=np.float64)
        self.head.weight = self.e.weight
        self.scales = [Tensor(np.ones(3), requires_grad=True)]

    def forward(self, ids: Any) -> Any:
        return self.head(self.e(ids)) * self.scales[0]


def test_gradients_of_a_shared_parameter_come_from_wherever_it_is_used() -> None:
    model, ids = TiedHead(), np.array([0, 2, 2])
    found = grad(lambda p: (functional_call(model, p, ids) ** 2).sum())(dict(model.named_parameters()))
    (model(ids) ** 2).sum().backward()
    assert list(found) == ["scales.0", "e.weight"]
    for name, p in model.named_parameters():
        assert_allclose(found[name].data, p.grad, rtol=1e-12)
    W = Tensor(np.ones((3, 2)))
    assert_allclose(functional_call(model, {"head.weight": W, "e.weight": W, "scales.0": np.ones(3)}, ids).data, 2)
    with pytest.raises(ValueError, match=r"'e.weight' and 'head.weight' are names of one .* leave out 'head.weight'"):
        functional_call(model, {"head.weight": W, "e.weight": W * 2}, ids)


def test_wrong_parameters_are_named() -> None:
    linear = nn.Linear(2, 1, rng=0)
    x = np.ones((1, 2), np.float32)
    with pytest.raises(KeyError, match="there is no parameter 'wieght'; did you mean 'weight'"):
        functional_call(linear, {"wieght": x}, x)
    with pytest.raises(ValueError, match=r"functional_call: 'weight' has shape \(1, 2\), but was given \(2, 2\)"):
        functional_call(linear, {"weight": np.ones((2, 2))}, x)


def test_the_registry_has_the_operations_of_derivatives() -> None:
    assert registry["recomputed"].differentiable


def test_a_shared_parameter_may_come_as_equal_arrays_under_both_names() -> None:
    model, ids = TiedHead(), np.array([0, 1])
    np.testing.assert_array_equal(functional_call(model, model.state_dict(), ids).data, model(ids).data)
