import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.draw.graphs import recorded
from tests.draw.networks import doubled, lstm
from tinygrad_rnn import Tensor, nn, tanh
from tinygrad_rnn.draw.flow import Flow, flow, norm, tracks
from tinygrad_rnn.draw.graph import Operation
from tinygrad_rnn.op import thread
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Array


def layer_loss(layer: Any, T: int = 4, F: int = 3) -> Tensor:
    """A number that depends on every output; B = 2."""
    outputs: Tensor = layer(Tensor(np.random.default_rng(5).standard_normal((T, 2, F))))[0]
    return (outputs * outputs).sum()


def recomputed(found: Flow, changed: int, value: Array) -> float:
    """The loss by the operations' own functions on arrays, with ``value`` in the place of node ``changed``."""
    values: list[Any] = [found.value(i) for i in range(len(found.graph.nodes))]
    values[changed] = value
    for i, operation in found.graph.operations():
        if i > changed:
            node = found.things[i].node
            sources = iter(operation.inputs)
            inputs = [None if x is None else values[next(sources)] for x in node.inputs]
            values[i] = node.op.forward(*inputs, **node.params)
    return float(values[found.graph.outputs[0]])


def central_difference(found: Flow, i: int) -> Array:
    value = np.array(found.value(i), float)
    slope = np.zeros_like(value)
    for at in np.ndindex(value.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = value.copy()
            moved[at] += step
            ends.append(recomputed(found, i, moved))
        slope[at] = (ends[0] - ends[1]) / 2e-6
    return slope


@given(recorded())
def test_gradient_at_every_tensor_is_the_slope(case: tuple[list[Tensor], list[Tensor]]) -> None:
    found = flow(case[0][0])
    for i, x in enumerate(found.things):
        g = found.gradients[i]
        if isinstance(x, Tensor) and x.requires_grad:
            assert g is not None
            slope = central_difference(found, i)
            np.testing.assert_allclose(g, slope, rtol=1e-4, atol=1e-4 * (1 + np.abs(recomputed(found, i, x.data))))
        else:
            assert g is None
            assert found.norm(i) is None


def test_gradient_at_every_tensor_of_a_gru_is_the_slope() -> None:
    found = flow(layer_loss(nn.GRU(3, 2, reset="before", rng=0, dtype=float), T=2))
    for i, g in enumerate(found.gradients):
        if g is not None:
            np.testing.assert_allclose(g, central_difference(found, i), rtol=1e-6, atol=1e-7)


def test_norms_along_an_rnn_are_those_of_a_loop_by_hand() -> None:
    T, B, F, H = 6, 2, 3, 5
    rnn = nn.RNN(F, H, rng=1, dtype=float)
    x = np.random.default_rng(2).standard_normal((T, B, F))
    _, last = rnn(Tensor(x))
    found = flow(last.sum())
    (track,) = tracks(found.graph)
    w, u = rnn.weight_ih_l0.data, rnn.weight_hh_l0.data
    hs, h = [], np.zeros((B, H))
    for t in range(T):
        h = np.tanh(x[t] @ w.T + rnn.bias_ih_l0.data + h @ u.T + rnn.bias_hh_l0.data)
        hs.append(h)
    g, norms = np.ones((B, H)), []
    for t in reversed(range(T)):
        norms.append(math.sqrt((g**2).sum()))
        g = (g * (1 - hs[t] ** 2)) @ u
    assert list(track.positions) == list(range(T))
    assert [found.norm(i) for i in track.positions.values()] == pytest.approx(norms[::-1], rel=1e-12)


def test_norms_along_an_lstm_are_those_of_a_loop_by_hand() -> None:
    T, F, H = 5, 3, 4
    layer = nn.LSTM(F, H, rng=1, dtype=float)
    x = np.random.default_rng(2).standard_normal((T, 1, F))
    outputs, _ = layer(Tensor(x))
    found = flow(outputs[T - 1].sum())
    w, u = layer.weight_ih_l0.data, layer.weight_hh_l0.data
    b = layer.bias_ih_l0.data + layer.bias_hh_l0.data
    gates, cs, h, c = [], [np.zeros((1, H))], np.zeros((1, H)), np.zeros((1, H))
    for t in range(T):
        a = x[t] @ w.T + h @ u.T + b
        i, f, o = (1 / (1 + np.exp(-a[:, k * H : (k + 1) * H])) for k in (0, 1, 3))
        g = np.tanh(a[:, 2 * H : 3 * H])
        c = f * c + i * g
        h = o * np.tanh(c)
        gates.append((i, f, g, o))
        cs.append(c)
    dh, dc, expected = np.ones((1, H)), np.zeros((1, H)), {}
    for t in reversed(range(T)):
        i, f, g, o = gates[t]
        dc = dc + dh * o * (1 - np.tanh(cs[t + 1]) ** 2)
        expected[t] = norm(dh), norm(dc)
        do = dh * np.tanh(cs[t + 1]) * o * (1 - o)
        da = np.concatenate([dc * g * i * (1 - i), dc * cs[t] * f * (1 - f), dc * i * (1 - g**2), do], axis=1)
        dh, dc = da @ u, dc * f
    named = {track.name: track.positions for track in tracks(found.graph)}
    for t in range(T):
        assert tuple(found.norm(named[name][t]) for name in "hc") == pytest.approx(expected[t], rel=1e-11)


def test_rnn_forgets_and_lstm_keeps() -> None:
    """‖∂L/∂h₀‖ for the loss Σ h₂₃: T = 24, F = 8, H = 16, standard normal inputs, initial weights of seed 0."""
    x = np.random.default_rng(0).standard_normal((24, 1, 8))
    first = []
    for layer in (
        nn.RNN(8, 16, rng=0, dtype=float),
        nn.LSTM(8, 16, rng=0, dtype=float, forget_bias=2.0),
        nn.LSTM(8, 16, rng=0, dtype=float),
        nn.GRU(8, 16, rng=0, dtype=float),
    ):
        outputs, _ = layer(Tensor(x))
        found = flow(outputs[23].sum())
        h = next(track.positions for track in tracks(found.graph) if track.name == "h")
        assert found.norm(h[23]) == pytest.approx(4)
        first.append(found.norm(h[0]))
    assert first == pytest.approx([2.7e-8, 4.8e-2, 2.4e-6, 4.5e-5], rel=0.05)


CELLS: list[Any] = [
    nn.RNN(3, 4, rng=0, dtype=float),
    nn.RNN(3, 4, rng=0, dtype=float, nonlinearity="relu", layer_norm=True),
    nn.LSTM(3, 4, rng=0, dtype=float),
    nn.LSTM(3, 4, rng=0, dtype=float, peephole=True, proj_size=2),
    nn.LSTM(3, 4, rng=0, dtype=float, coupled=True, layer_norm=True, num_layers=2),
    nn.LSTM(3, 4, rng=0, dtype=float, bidirectional=True),
    nn.Recurrent([nn.LSTM1997Cell(3, 4, rng=0, dtype=float)]),
    nn.GRU(3, 4, rng=0, dtype=float, num_layers=2, bidirectional=True),
    nn.GRU(3, 4, rng=0, dtype=float, reset="before", update="replace", layer_norm=True),
]


@pytest.mark.parametrize("layer", CELLS, ids=range(len(CELLS)))
@pytest.mark.parametrize("lengths", [None, [4, 2]])
def test_tracks_are_what_the_cells_return(
    layer: Any, lengths: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: dict[tuple[Any, ...], list[Tensor]] = {}
    for cell in layer.cells:

        def step(state: Any, *args: Any, inner: Any = cell.step) -> Any:
            new = inner(state, *args)
            returned[thread.recorder.scope] = list(new) if isinstance(new, tuple) else [new]
            return new

        monkeypatch.setattr(cell, "step", step)
    monkeypatch.setattr(layer, "steps", {})
    outputs, _ = layer(Tensor(np.random.default_rng(5).standard_normal((4, 2, 3))), lengths=lengths)
    found = flow((outputs * outputs).sum())
    rows = tracks(found.graph)
    assert {(*track.scope, t) for track in rows for t in track.positions if track.name == "h"} == set(returned)
    for track in rows:
        for t, i in track.positions.items():
            state = dict(zip("hc", returned[*track.scope, t], strict=False))[track.name]
            if lengths is None:
                assert found.things[i] is state
            else:  # the state goes on where the sequence does
                assert found.things[i].node.op.name == "where"
                assert found.things[i].node.inputs[1] is state
    assert [track.name for track in rows].count("h") == len(layer.cells)


def test_zoneout_has_tracks_but_for_a_last_step_that_differs_from_the_one_before() -> None:
    for T, of_h, of_c in ((2, [0], [0]), (3, [0, 1, 2], [0, 1])):  # the loss does not depend on the last c
        layer = nn.LSTM(3, 4, rng=0, dtype=float, zoneout=0.5)
        rows = tracks(flow(layer_loss(layer, T)).graph)
        assert [(track.name, list(track.positions)) for track in rows] == [("h", of_h), ("c", of_c)]


def test_one_step_has_a_state() -> None:
    (track,) = tracks(flow(layer_loss(nn.GRU(3, 4, rng=0, dtype=float), T=1)).graph)
    assert (track.title, list(track.positions)) == ("gru.layer0 h", [0])


def test_a_loop_of_ones_own_has_tracks() -> None:
    h = Tensor([0.5, 0.1], requires_grad=True)
    w = Tensor(2.0, requires_grad=True)
    for t in range(3):
        with scope(t):
            h = tanh(h * w)
    loss = h.sum()
    found = flow(loss)
    (track,) = tracks(found.graph)
    assert (track.title, list(track.positions)) == ("h", [0, 1, 2])
    assert found.things[track.positions[2]] is h


def test_a_reversed_layer_is_followed_in_its_own_order() -> None:
    named = {track.name: list(track.positions) for track in tracks(flow(lstm(3, reverse=True)).graph)}
    assert named == {"h": [2, 1, 0], "c": [2, 1, 0]}


def test_states_without_names_are_numbered() -> None:
    a, b = Tensor(0.5, requires_grad=True), Tensor(0.25)
    for t in range(3):
        with scope(t):
            a, b = a * b, a + b
    assert [track.name for track in tracks(flow(a + b).graph)] == ["state 0", "state 1"]
    for x in (a, b):
        x.name = "last"
    assert [track.name for track in tracks(flow(a + b).graph)] == ["state 0", "state 1"]


def test_nothing_is_freed_or_changed() -> None:
    layer = nn.LSTM(3, 4, rng=0, dtype=float)
    loss = layer_loss(layer)
    one, two = flow(loss), flow(loss)
    assert layer.weight_hh_l0.grad is None
    loss.backward()
    i = next(k for k, x in enumerate(one.things) if x is layer.weight_hh_l0)
    np.testing.assert_array_equal(one.gradients[i], layer.weight_hh_l0.grad)
    np.testing.assert_array_equal(one.gradients[i], two.gradients[i])


def test_a_planned_scan_has_no_norms_between_its_steps() -> None:
    found = flow(layer_loss(nn.LSTM(3, 4, rng=0, dtype=float, unroll=False)))
    with pytest.raises(ValueError, match=r"a planned scan is one node .* not recorded; set layer.unroll = True"):
        tracks(found.graph)


def test_without_time_steps_there_is_nothing_along_time() -> None:
    with pytest.raises(ValueError, match=r"draw: no time steps were recorded.*`with scope\(t\):`"):
        tracks(flow(doubled()).graph)


def test_only_one_number_has_gradients_to_draw() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"gradients are those of one number.*shape \(2,\); reduce it"):
        flow(x * x)


def test_norms_neither_underflow_nor_overflow() -> None:
    assert norm(np.array([3e-30, 4e-30], np.float32)) == pytest.approx(5e-30)
    assert norm(np.array([3e200, -4e200])) == pytest.approx(5e200)
    assert norm(np.array([3e-320, 4e-320])) == pytest.approx(5e-320, rel=1e-3)
    assert norm(np.zeros((0, 3))) == norm(np.zeros(3)) == 0
    assert norm(np.array([1.0, -np.inf])) == math.inf
    assert math.isnan(norm(np.array([1.0, np.nan])))


def test_values_are_those_that_were_recorded() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    found = flow((x * 3.0).sum())
    assert [node.op if isinstance(node, Operation) else node.kind for node in found.graph.nodes] == [
        "parameter",
        "constant",
        "mul",
        "sum",
    ]
    assert found.value(1) == 3.0
    assert found.value(2).tolist() == [3.0, 6.0]
