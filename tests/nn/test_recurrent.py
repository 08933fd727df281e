"""Layers: against sequences run one by one by hand, and what their options do."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.nn.oracle import assert_gradients, layers, put, shaken
from tests.nn.recording import recorded
from tinygrad_rnn import Tensor, cross_entropy, gradcheck, gradgradcheck, nn
from tinygrad_rnn.nn.cells import parts, whole
from tinygrad_rnn.optim import Adam
from tinygrad_rnn.tensor import Array

LAYERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rnn": (nn.RNN, {}),
    "rnn-relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "lstm-peephole": (nn.LSTM, {"peephole": True}),
    "lstm-norm": (nn.LSTM, {"layer_norm": True}),
    "lstm-proj": (nn.LSTM, {"proj_size": 1}),
    "lstm-all": (nn.LSTM, {"peephole": True, "coupled": True, "layer_norm": True, "proj_size": 1, "bias": False}),
    "gru": (nn.GRU, {}),
    "gru-before-replace": (nn.GRU, {"reset": "before", "update": "replace"}),
    "gru-norm": (nn.GRU, {"layer_norm": True}),
}
BASIC = ["rnn", "lstm", "gru"]
SIZES = st.lists(st.integers(2, 6), min_size=4, max_size=4, unique=True)  # T, B, F, H, all different


def made(kind: str, F: int, H: int, rng: np.random.Generator, **more: Any) -> Any:
    layer, options = LAYERS[kind]
    out = layer(F, H, dtype=np.float64, rng=rng, **options, **more)
    shaken(out, rng)
    return out


# ------------------------------------------------------------------------------------------------ values and gradients


@pytest.mark.parametrize("kind", LAYERS)
@settings(max_examples=6)
@given(sizes=SIZES, directions=st.integers(1, 2), padded=st.booleans(), data=st.data())
def test_two_layers_are_those_of_sequences_run_alone_by_hand(
    kind: str, sizes: list[int], directions: int, padded: bool, data: st.DataObject
) -> None:
    (T, B, F, H), rng = sizes, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    lengths = data.draw(st.lists(st.integers(1, T), min_size=B, max_size=B), "lengths") if padded else [T] * B
    layer = made(kind, F, H, rng, num_layers=2, bidirectional=directions == 2)
    leaves = {"x": Tensor(rng.uniform(-1, 1, (T, B, F)), requires_grad=True)}
    names = [f"s{i}" for i in range(len(layer.cells[0].state_sizes))]
    for name, size in zip(names, layer.cells[0].state_sizes, strict=True):
        leaves[name] = Tensor(rng.uniform(-1, 1, (2 * directions, B, size)), requires_grad=True)
    outputs, last = layer(leaves["x"], whole([leaves[n] for n in names]), lengths=lengths if padded else None)

    def by_hand(point: Any) -> tuple[Array, ...]:
        weights = {name: value for name, value in point.items() if "_l" in name}
        states = tuple(point[name] for name in names)
        return layers(kind, weights, point["x"], states, directions=directions, lengths=lengths)

    assert_gradients(by_hand, leaves | dict(layer.named_parameters()), (outputs, *parts(last)), rng)


@pytest.mark.parametrize("kind", BASIC)
def test_gradients_of_two_bidirectional_layers_are_those_of_central_differences(kind: str) -> None:
    rng = np.random.default_rng(3)
    T, B, F, H = 4, 3, 1, 2
    layer = made(kind, F, H, rng, num_layers=2, bidirectional=True)

    def run(x: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        put(layer, parameters)
        outputs, last = layer(x, lengths=[4, 2, 3])
        return (outputs.sum(axis=1), *parts(last))

    gradcheck(run, [rng.uniform(-1, 1, (T, B, F)), *(p.data for p in layer.parameters())])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_second_derivatives_of_a_layer(kind: str) -> None:
    rng = np.random.default_rng(4)
    layer = made(kind, 2, 1, rng)

    def run(x: Tensor, *parameters: Tensor) -> Any:
        put(layer, parameters)
        return layer(x, lengths=[3, 2])[0].sum(axis=-1)

    gradgradcheck(run, [rng.uniform(-1, 1, (3, 2, 2)), *(p.data for p in layer.parameters())])


@pytest.mark.parametrize("kind", LAYERS)
def test_float32_stays_float32(kind: str) -> None:
    layer_type, options = LAYERS[kind]
    layer = layer_type(3, 5, 2, bidirectional=True, zoneout=0.1, dropout=0.1, rng=0, **options)
    x = Tensor(np.random.default_rng(0).normal(size=(4, 2, 3)), requires_grad=True, dtype=np.float32)
    outputs, last = layer(x, lengths=[4, 2])
    outputs.sum().backward()
    assert {outputs.dtype, *(s.dtype for s in parts(last))} == {np.dtype(np.float32)}
    assert {x.grad.dtype, *(p.grad.dtype for p in layer.parameters())} == {np.dtype(np.float32)}


# ------------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("kind", BASIC)
def test_bidirectional_is_a_layer_forwards_and_one_on_the_reversed_sequence(kind: str) -> None:
    rng = np.random.default_rng(0)
    both, forwards, backwards = (made(kind, 3, 5, rng, bidirectional=b) for b in (True, False, False))
    state = both.state_dict()
    forwards.load_state_dict({name: value for name, value in state.items() if not name.endswith("_reverse")})
    reverse = {name.removesuffix("_reverse"): value for name, value in state.items() if name.endswith("_reverse")}
    backwards.load_state_dict(reverse)
    x = rng.normal(size=(7, 2, 3))
    outputs, last = both(x)
    ahead, ahead_last = forwards(x)
    back, back_last = backwards(x[::-1])
    assert_allclose(outputs.data, np.concatenate([ahead.data, back.data[::-1]], -1), atol=1e-14)
    for pair, one, other in zip(parts(last), parts(ahead_last), parts(back_last), strict=True):
        assert_allclose(pair.data, np.concatenate([one.data, other.data]), atol=1e-14)


@pytest.mark.parametrize("kind", BASIC)
def test_batch_first_is_transposed(kind: str) -> None:
    rng = np.random.default_rng(0)
    usual = made(kind, 3, 5, rng, num_layers=2, bidirectional=True)
    first = made(kind, 3, 5, rng, num_layers=2, bidirectional=True, batch_first=True)
    first.load_state_dict(usual.state_dict())
    x = rng.normal(size=(7, 2, 3))
    outputs, last = usual(x, lengths=[3, 7])
    swapped, swapped_last = first(x.swapaxes(0, 1), lengths=[3, 7])
    assert_array_equal(swapped.data, outputs.data.swapaxes(0, 1))
    for one, other in zip(parts(last), parts(swapped_last), strict=True):
        assert_array_equal(one.data, other.data)


@pytest.mark.parametrize("kind", BASIC)
def test_what_stands_in_the_padding_plays_no_part(kind: str) -> None:
    rng = np.random.default_rng(0)
    layer = made(kind, 3, 5, rng, num_layers=2, bidirectional=True)
    x, lengths = rng.normal(size=(7, 3, 3)), np.array([2, 7, 4])
    padding = np.arange(7)[:, None] >= lengths
    results = []
    for filling in (0.0, np.nan):
        leaf = Tensor(np.where(padding[..., None], filling, x), requires_grad=True)
        for p in layer.parameters():
            p.grad = None
        outputs, last = layer(leaf, lengths=lengths)
        assert_array_equal(outputs.data[padding], 0)
        (outputs * outputs).sum().backward()
        assert_array_equal(leaf.grad[padding], 0)
        results.append([outputs.data, leaf.grad, *(s.data for s in parts(last)), *(p.grad for p in layer.parameters())])
    for one, other in zip(*results, strict=True):
        assert_array_equal(one, other)


def test_a_sequence_of_length_zero_keeps_its_initial_state() -> None:
    gru = nn.GRU(3, 5, rng=0)
    h = np.full((1, 2, 5), 0.5, np.float32)
    outputs, last = gru(np.ones((4, 2, 3), np.float32), h, lengths=[0, 4])
    assert_array_equal(last.data[0, 0], h[0, 0])
    assert_array_equal(outputs.data[:, 0], 0)


def test_a_batch_of_no_sequences() -> None:
    lstm = nn.LSTM(3, 5, 2, bidirectional=True, rng=0)
    outputs, (h, c) = lstm(np.zeros((4, 0, 3), np.float32), lengths=[])
    assert (outputs.shape, h.shape, c.shape) == ((4, 0, 10), (4, 0, 5), (4, 0, 5))
    outputs.sum().backward()
    assert all(np.abs(p.grad).max() == 0 for p in lstm.parameters())


def test_dropout_is_between_layers_only_and_off_in_evaluation() -> None:
    x = np.random.default_rng(0).normal(size=(6, 4, 3)).astype(np.float32)
    plain, dropping = nn.GRU(3, 50, 2, rng=0), nn.GRU(3, 50, 2, dropout=0.4, rng=1)
    dropping.load_state_dict(plain.state_dict())
    assert_array_equal(dropping.eval()(x)[0].data, plain(x)[0].data)
    dropping.train()
    (mask,) = [
        made.node.inputs[1] for made in recorded(lambda: dropping(x)) if made.node and "dropout" in made.node.scope
    ]
    assert mask.shape == (6, 4, 50)
    assert_allclose(np.unique(mask), [0, 1 / 0.6], rtol=1e-6)
    assert abs((mask == 0).mean() - 0.4) < 0.06
    assert not np.array_equal(dropping(x)[0].data, dropping(x)[0].data)
    same = [nn.GRU(3, 50, 2, dropout=0.4, rng=5)(x)[0].data for _ in range(2)]
    assert_array_equal(*same)
    assert_array_equal(*[nn.GRU(3, 5, 1, dropout=p, rng=5)(x)[0].data for p in (0.0, 0.9)])


def test_zoneout_of_a_layer() -> None:
    x = np.random.default_rng(0).normal(size=(6, 4, 3)).astype(np.float32)
    layer = nn.LSTM(3, 5, 2, bidirectional=True, zoneout=(0.2, 0.5), rng=0)
    assert [type(cell).__name__ for cell in layer.cells] == ["Zoneout"] * 4
    assert not np.array_equal(layer(x)[0].data, layer(x)[0].data)
    layer.eval()
    assert_array_equal(layer(x)[0].data, layer(x)[0].data)
    plain = nn.LSTM(3, 5, 2, bidirectional=True, rng=0)
    assert list(layer.state_dict()) == list(plain.state_dict())
    h = nn.RNN(3, 5, zoneout=1.0, rng=0)(x, np.ones((1, 4, 5), np.float32))[1]
    assert_array_equal(h.data, 1)


def test_options_reach_the_cells() -> None:
    lstm = nn.LSTM(3, 5, 2, peephole=True, coupled=True, layer_norm=True, proj_size=2, forget_bias=1.0, rng=0)
    assert lstm.weight_peephole_l1.shape == (2, 5)
    assert lstm.weight_ih_l1.shape == (15, 2)
    assert lstm.weight_hr_l0.shape == (2, 5)
    assert_array_equal(lstm.bias_ih_l1.data[:5], -1)
    assert getattr(lstm, "norm_hh.weight_l0").shape == (15,)
    gru: Any = nn.GRU(3, 5, reset="before", update="replace")
    assert (gru.cells[0].reset, gru.cells[0].update) == ("before", "replace")


@pytest.mark.parametrize(
    ("bias", "count"),
    [(True, 240_321), (False, 240_321 - 4 * 4 * 128)],  # two bias vectors of 4·128 in each of two layers
)
def test_the_number_of_parameters_of_char_rnn_with_its_defaults(bias: bool, count: int) -> None:
    """2-layer LSTM of 128 on one-hot characters, V = 65, and an affine map back to the characters."""
    lstm, head = nn.LSTM(65, 128, 2, bias=bias), nn.Linear(128, 65)
    assert sum(p.size for p in lstm.parameters() + head.parameters()) == count


@pytest.mark.parametrize(("layer", "gates"), [(nn.RNN, 1), (nn.LSTM, 4), (nn.GRU, 3)])
def test_the_number_of_parameters_is_that_of_pytorch(layer: Any, gates: int) -> None:
    F, H = 3, 5
    rows = gates * H
    first, second = rows * (F + H) + 2 * rows, rows * (2 * H + H) + 2 * rows
    assert sum(p.size for p in layer(F, H, 2, bidirectional=True).parameters()) == 2 * (first + second)


# ----------------------------------------------------------------------------------------------------------- together


def test_a_network_learns_to_repeat_what_it_saw_first() -> None:
    """The first of 12 symbols is asked for at the end: only a state that is carried along can tell."""
    rng = np.random.default_rng(0)
    model, head = nn.LSTM(3, 12, forget_bias=1.0, rng=rng), nn.Linear(12, 3, rng=rng)
    ids = rng.integers(0, 3, (12, 64))
    x = np.eye(3, dtype=np.float32)[ids]
    optimizer = Adam(model.parameters() + head.parameters(), lr=0.03)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = cross_entropy(head(model(x)[0][-1]), ids[0])
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[0] > 1.0
    assert losses[-1] < 0.3
