"""Copies of layers that have run, and cells that change between runs: what a layer keeps must not stand in for them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_rnn import Tensor, nn, tanh
from tinygrad_rnn.scan import Pure, scan

X = np.random.default_rng(0).normal(size=(6, 2, 3))


def rebuilt(layer: nn.LSTM) -> nn.LSTM:
    """As pickle does it: a new object, and a state in which everything can be copied."""
    reduced: Any = layer.__reduce_ex__(2)
    make, args, state, *_ = copy.deepcopy(reduced)
    new = make(*args)
    vars(new).update(state)
    assert not new.steps
    assert not any(plans.found for plans in new.plans)
    return new  # type: ignore[no-any-return]


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize("copied", [copy.deepcopy, rebuilt])
def test_a_copy_computes_with_parameters_of_its_own(unroll: bool, copied: Callable[[Any], Any]) -> None:
    layer = nn.LSTM(3, 5, 2, bidirectional=True, unroll=unroll, zoneout=0.1, dtype=np.float64, rng=0).eval()
    before = layer(X)[0].data
    twin = copied(layer)
    assert_array_equal(twin(X)[0].data, before)
    for p in layer.parameters():
        p.data = p.data * 0
    assert_array_equal(twin(X)[0].data, before)
    assert_array_equal(twin(X[:, :1])[0].data, layer_like(twin, unroll=unroll)(X[:, :1])[0].data)
    assert np.abs(layer(X)[0].data - before).max() > 1e-3


def layer_like(layer: nn.LSTM, *, unroll: bool) -> nn.LSTM:
    new = nn.LSTM(3, 5, 2, bidirectional=True, unroll=unroll, zoneout=0.1, dtype=np.float64, rng=7).eval()
    new.load_state_dict(layer.state_dict())
    return new


def test_a_shallow_copy_and_the_original_run_their_own_cells() -> None:
    one = nn.GRU(3, 5, unroll=False, dtype=np.float64, rng=0)
    other = nn.GRU(3, 5, unroll=False, dtype=np.float64, rng=1)
    before, expected = one(X)[0].data, other(X)[0].data
    twin = copy.copy(one)
    twin.cells = other.cells
    assert_array_equal(twin(X)[0].data, expected)
    assert_array_equal(one(X)[0].data, before)
    one.cells = other.cells
    assert_array_equal(one(X)[0].data, expected)


def test_a_copy_of_a_pure_step_has_buffers_of_its_own() -> None:
    step = Pure(lambda h, x: (tanh(h + x), h))
    start, xs = Tensor(np.zeros((2, 3))), (X,)
    expected = scan(step, start, xs, unroll=False)[1].data
    assert_array_equal(scan(copy.deepcopy(step), start, xs, unroll=False)[1].data, expected)


def test_a_graph_with_buffers_in_it_is_not_copied() -> None:
    layer = nn.GRU(3, 5, unroll=False, dtype=np.float64, rng=0)
    _, last = layer(X)
    with pytest.raises(TypeError, match=r"computed and has its graph behind it; detach\(\) it first"):
        copy.deepcopy({"layer": layer, "state": last})
    assert_array_equal(copy.deepcopy({"layer": layer, "state": nn.detach(last)})["state"].data, last.data)


class Reads(nn.Cell):
    """A cell whose step reads what it holds in many forms."""

    def __init__(self) -> None:
        super().__init__(3, 4, dtype=np.float64, rng=0)
        self.mask = np.ones(4)
        self.options = [0.5]
        self.config = {"k": 1.0, "inner": {"on": True}}
        self.given = SimpleNamespace(slope=1.0)
        self.flags = {"tanh"}
        self.tensors = ([Tensor(np.ones(4), True)],)

    def step(self, h: Tensor, a: Tensor) -> Tensor:
        h = (h * self.mask * self.options[0] + a) * self.config.get("k", 2.0) * self.given.slope * self.tensors[0][0]
        h = h * 2 if self.config["inner"]["on"] else h  # type: ignore[index]
        return tanh(h) if "tanh" in self.flags else h


CHANGES: dict[str, Callable[[Any], Any]] = {
    "an array": lambda cell: cell.mask.__setitem__(0, 3.0),
    "a list": lambda cell: cell.options.__setitem__(0, 0.25),
    "a dictionary": lambda cell: cell.config.update(k=2.0),
    "a dictionary in it": lambda cell: cell.config["inner"].update(on=False),
    "an object": lambda cell: setattr(cell.given, "slope", 3.0),
    "a set": lambda cell: cell.flags.clear(),
    "a list in a tuple": lambda cell: cell.tensors[0].__setitem__(0, Tensor(np.full(4, 0.5), True)),
    "a key of a dictionary": lambda cell: cell.config.update(j=cell.config.pop("k"), inner=cell.config.pop("inner")),
    "an attribute": lambda cell: setattr(cell, "mask", np.zeros(4)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_planned_layer_sees_changes_in_place(what: str) -> None:
    cell = Reads()
    layer, loop = nn.Recurrent([cell], unroll=False), nn.Recurrent([cell])
    before = layer(X)[0].data
    np.testing.assert_allclose(before, loop(X)[0].data, atol=1e-12)
    CHANGES[what](cell)
    after = layer(X)[0].data
    np.testing.assert_allclose(after, loop(X)[0].data, atol=1e-12)
    assert np.abs(after - before).max() > 1e-3


def test_a_step_is_kept_as_long_as_its_cell_is_as_it_was() -> None:
    """Also if that holds a layer with steps and plans of its own."""
    cell: Any = Reads()
    layer, cell.inner = nn.Recurrent([cell], unroll=False), nn.GRU(3, 4, unroll=False, dtype=np.float64)
    cell.trainer = SimpleNamespace(layer=layer)
    cell.inner(X)
    layer(X)
    step = layer.steps[0, False, False].step
    cell.inner(X[:3])
    layer(X)
    layer.cells[0].weight_hh.data = layer.cells[0].weight_hh.data * 2
    layer(X)
    assert layer.steps[0, False, False].step is step
