from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_rnn import Tensor, nn, no_grad
from tinygrad_rnn.op import thread
from tinygrad_rnn.optim import SGD


class Pair(nn.Module):
    def __init__(self) -> None:
        self.scale = Tensor(np.ones(3), requires_grad=True)
        self.linear = nn.Linear(3, 2, dtype=np.float64, rng=0)

    def forward(self, x: Tensor) -> Any:
        return self.linear(x * self.scale)


class Tower(nn.Module):
    def __init__(self) -> None:
        self.pairs = [Pair(), Pair()]
        self.drop = nn.Dropout(0.5, rng=0)


NAMES = ["pairs.0.scale", "pairs.0.linear.weight", "pairs.0.linear.bias"]
NAMES += ["pairs.1.scale", "pairs.1.linear.weight", "pairs.1.linear.bias"]


def test_names_follow_attributes_and_lists() -> None:
    tower = Tower()
    assert [name for name, _ in tower.named_parameters()] == NAMES
    assert list(tower.state_dict()) == NAMES
    assert [name for name, _ in tower.children()] == ["pairs.0", "pairs.1", "drop"]
    assert tower.pairs[0].scale.name == "scale"


def test_a_shared_parameter_comes_once_and_is_saved_under_each_name() -> None:
    pair, other = Pair(), Pair()
    other.scale = pair.scale
    both, own = nn.Module(), ["scale", "linear.weight", "linear.bias"]
    both.first, both.second = pair, other
    names = [name for name, _ in both.named_parameters()]
    assert names == [f"first.{name}" for name in own] + [f"second.{name}" for name in own[1:]]
    assert len(both.parameters()) == 5
    assert both.state_dict().keys() == {*names, "second.scale"}
    cell = nn.RNNCell(3, 3, rng=0)
    layer = nn.Recurrent([cell, cell])
    assert len(layer.parameters()) == 4
    assert layer.weight_hh_l1 is layer.weight_hh_l0
    assert "weight_hh_l1" in layer.state_dict()


class Carrying(nn.Module):
    """A module that keeps its state, and one of its tensors frozen."""

    def __init__(self) -> None:
        self.cell = nn.RNNCell(3, 4, rng=0)
        self.start = Tensor(np.zeros(4, np.float32), requires_grad=True)
        self.start.requires_grad = False
        self.h = Tensor(np.zeros((2, 4), np.float32))
        self.states: list[Tensor] = []

    def forward(self, x: Any) -> Tensor:
        h = self.cell(x, self.h + self.start)
        self.h, self.states = nn.detach(h), [h.detach()]
        return h  # type: ignore[no-any-return]


def test_a_state_that_a_module_carries_is_no_parameter() -> None:
    model, fresh = Carrying(), Carrying()
    model(np.ones((2, 3), np.float32))
    assert list(model.state_dict()) == [name for name, _ in fresh.named_parameters()]
    assert "start" in model.state_dict()
    fresh.load_state_dict(model.state_dict())
    model.start = Tensor(np.ones(4, np.float32))
    assert "start" in model.state_dict()


def test_modules_and_parameters_are_found_however_deep() -> None:
    model: Any = nn.Module()
    model.heads = {"up": Pair(), "down": [Pair(), (nn.Linear(3, 2, rng=0),)]}
    model.gains = [Tensor(1.0, requires_grad=True), {"last": Tensor(2.0, requires_grad=True)}, Tensor(3.0), 4.0, None]
    model.gains[0].requires_grad = False
    names = ["heads.up", "heads.down.0", "heads.down.1.0"]
    assert [name for name, _ in model.children()] == names
    assert [model.heads["up"].scope_name, model.heads["down"][1][0].scope_name] == [names[0], names[2]]
    own = [name for name, _ in model.named_parameters() if name.startswith("gains")]
    assert own == ["gains.0", "gains.1.last"]
    assert model.gains[1]["last"].name == "gains.1.last"
    assert model.gains[2].name is None
    assert len(model.parameters()) == 2 + 3 + 3 + 2
    model.eval()
    assert not model.heads["down"][1][0].training


def test_computed_tensors_and_none_are_no_parameters() -> None:
    pair = Pair()
    pair.last = pair(Tensor(np.ones(3)))
    pair.linear.bias = None
    assert [name for name, _ in pair.named_parameters()] == ["scale", "linear.weight"]


def test_train_and_eval_reach_every_module() -> None:
    tower: Any = nn.Module()
    tower.inner = Tower()
    tower.rnn = nn.GRU(3, 5, 2, dropout=0.5, zoneout=0.1)
    assert tower.training
    assert tower.inner.drop.training
    assert tower.eval() is tower
    assert not any([tower.training, tower.inner.drop.training, tower.inner.pairs[1].training])
    assert not any([tower.rnn.dropout.training, *(cell.training for cell in tower.rnn.cells)])
    tower.train()
    assert all([tower.training, tower.inner.drop.training, *(cell.training for cell in tower.rnn.cells)])


def test_operations_are_recorded_under_the_attributes_names() -> None:
    pair = Pair()
    out = pair(Tensor(np.ones(3)))
    assert out.node is not None
    assert out.node.scope == ("pair", "linear")
    assert thread.recorder.scope == ()
    tower = Tower()
    inner = tower.pairs[1](Tensor(np.ones(3)))
    assert inner.node.scope == ("pairs.1", "linear")


def test_state_dict_round_trip() -> None:
    one, other = Tower(), Tower()
    for p in one.parameters():
        p.data = p.data + 1.5
    state = one.state_dict()
    other.load_state_dict(state)
    for name, value in other.state_dict().items():
        assert_array_equal(value, state[name])
    state["pairs.0.scale"][:] = 99  # a copy
    assert one.pairs[0].scale.data[0] == 2.5
    other.load_state_dict({name: Tensor(value) for name, value in one.named_parameters()})


def test_loading_converts_the_dtype_and_keeps_the_parameter() -> None:
    linear = nn.Linear(3, 2)
    weight = linear.weight
    linear.load_state_dict({"weight": np.ones((2, 3), int), "bias": [1.0, 2.0]})
    assert linear.weight is weight
    assert weight.dtype == np.float32
    assert linear.bias is not None
    assert_array_equal(linear.bias.data, [1, 2])


def test_loading_works_under_an_optimizer() -> None:
    linear = nn.Linear(2, 1, rng=0)
    optimizer = SGD(linear.parameters(), lr=1.0)
    linear.load_state_dict({"weight": [[1.0, 2.0]], "bias": [3.0]})
    optimizer.zero_grad()
    linear(np.ones((1, 2), np.float32)).sum().backward()
    optimizer.step()
    assert_array_equal(linear.weight.data, [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"pairs.0.scales": np.ones(3)},
            KeyError,
            r"there is no parameter 'pairs.0.scales'; did you mean 'pairs.0.scale'",
        ),
        (
            {"pairs.1.scale": np.ones(4)},
            ValueError,
            r"'pairs.1.scale' has shape \(3,\), but the value given has \(4,\)",
        ),
        ({"pairs.1.linear.bias": None}, KeyError, r"the value of parameter 'pairs.1.linear.bias' is missing"),
    ],
)
def test_what_cannot_be_loaded_is_named_and_changes_nothing(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    tower = Tower()
    state = {name: value + 1 for name, value in tower.state_dict().items()} | change
    state = {name: value for name, value in state.items() if value is not None}
    before = tower.state_dict()
    with pytest.raises(error, match=message):
        tower.load_state_dict(state)
    for name, value in tower.state_dict().items():
        assert_array_equal(value, before[name])


def test_frozen_parameters_stay_in_the_state_but_get_no_gradient() -> None:
    pair = Pair()
    assert pair.linear.requires_grad_(False) is pair.linear
    pair(Tensor(np.ones(3))).sum().backward()
    assert pair.linear.weight.grad is None
    assert pair.scale.grad is not None
    assert len(pair.state_dict()) == 3
    assert pair.requires_grad_().linear.weight.requires_grad


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(TypeError, match=r"Tower defines no forward\(\)"):
        Tower()(1)


def test_repr_shows_modules_and_shapes() -> None:
    assert repr(Pair()) == "Pair(scale[3]\n  linear: Linear(weight[2, 3], bias[2])\n)"


def test_no_grad_records_nothing() -> None:
    with no_grad():
        assert not Pair()(Tensor(np.ones(3))).requires_grad


def test_what_was_added_later_stays_a_parameter_when_it_is_frozen() -> None:
    module: Any = nn.Module()
    module.gains = []
    module.gains.append(Tensor(1.0, requires_grad=True))
    module.later = Tensor(2.0)
    module.later.requires_grad = True
    module.requires_grad_(False)
    assert list(module.state_dict()) == ["gains.0", "later"]
    module.requires_grad_(True)
    assert [p.item() for p in module.parameters() if p.requires_grad] == [1, 2]


def test_attributes_of_a_subclass_are_its_own() -> None:
    class Mine(nn.LSTM):
        def __init__(self) -> None:
            super().__init__(2, 3, rng=0)
            self.extra, self.sizes, self.shown, self.declared = nn.Linear(2, 2, rng=0), 1, True, True
            self.bidirectional = False

    mine = Mine()
    assert repr(mine) == "Mine(2, 3)"
    assert [name for name, _ in mine.named_parameters()][-2:] == ["extra.weight", "extra.bias"]
