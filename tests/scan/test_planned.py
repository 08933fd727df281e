"""The plan against the loop: values, last states and all gradients, for every cell, option, and for random cells."""

from __future__ import annotations

import copy
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tests.scan.agreement import assert_agree, both_ways, cells, weighted
from tinygrad_rnn import Tensor, gradients, nn
from tinygrad_rnn.scan import Pure, passes, plan, planned, scan
from tinygrad_rnn.tensor import registry
from tinygrad_rnn.tree import flat, rebuilt

T, B, F, H = 5, 3, 4, 6
TOLERANCE: dict[Any, float] = {np.float64: 1e-12, np.float32: 2e-5}
OPTIONS: list[tuple[type[nn.Recurrent], dict[str, Any]]] = [
    (nn.RNN, {}),
    (nn.RNN, {"nonlinearity": "relu", "identity_init": 1.0}),
    (nn.RNN, {"layer_norm": True, "bias": False}),
    (nn.RNN, {"zoneout": 0.3}),
    (nn.LSTM, {}),
    (nn.LSTM, {"peephole": True, "forget_bias": 1.0}),
    (nn.LSTM, {"coupled": True}),
    (nn.LSTM, {"layer_norm": True}),
    (nn.LSTM, {"proj_size": 2}),
    (nn.LSTM, {"zoneout": (0.1, 0.5), "bias": False}),
    (nn.GRU, {}),
    (nn.GRU, {"reset": "before"}),
    (nn.GRU, {"layer_norm": True}),
    (nn.GRU, {"zoneout": 0.2, "bias": False}),
]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    choice=st.sampled_from(OPTIONS),
    layers=st.integers(1, 2),
    bidirectional=st.booleans(),
    with_state=st.booleans(),
    lengths=st.none() | st.lists(st.integers(0, T), min_size=B, max_size=B),
    dtype=st.sampled_from([np.float64, np.float32]),
    training=st.booleans(),
    steps=st.sampled_from([1, 2, T]),
)
def test_layers_agree(  # noqa: PLR0917  one for each thing that Hypothesis draws
    choice: tuple[Any, Any], layers: int, bidirectional: bool, with_state: bool, lengths: Any, dtype: Any,
    training: bool, steps: int,
) -> None:  # fmt: skip
    make, options = choice
    layer = make(F, H, layers, bidirectional=bidirectional, dtype=dtype, rng=3, **options).train(training)
    r = np.random.default_rng(7)
    x = Tensor(r.normal(size=(steps, B, F)), True, dtype=dtype)
    state = None
    if with_state:
        sizes = layer.cells[0].state_sizes
        tensors = [Tensor(r.normal(size=(len(layer.cells), B, n)), True, dtype=dtype) for n in sizes]
        state = tuple(tensors) if len(tensors) > 1 else tensors[0]
    lengths = None if lengths is None else np.minimum(lengths, steps)
    wrt = [x, *layer.parameters(), *(flat(state) if with_state else [])]
    zoneouts = [cell for cell in layer.cells if isinstance(cell, nn.Zoneout)]
    found = []
    for unroll in (True, False, False):
        for k, cell in enumerate(zoneouts):
            cell.rng = np.random.default_rng(k)
        layer.unroll = unroll
        outputs, last = layer(x, state, lengths=lengths)
        results = [outputs, *flat(last)]
        firsts = gradients(weighted(results), wrt)
        zeros = (np.zeros(w.shape, dtype) if g is None else g for g, w in zip(firsts, wrt, strict=True))
        found.append([*(t.data for t in results), *zeros])
    assert_agree(found, TOLERANCE[dtype])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    cell=cells(),
    steps=st.integers(1, 4),
    reverse=st.booleans(),
    small=st.sampled_from([0, passes.SMALL]),
    data=st.data(),
)
def test_random_cells_agree(cell: Any, steps: int, reverse: bool, small: int, data: st.DataObject) -> None:
    """Also with every value taken for large."""
    make, states, count = cell
    r = np.random.default_rng(data.draw(st.integers(0, 99)))
    weights = [Tensor(r.normal(size=(4, 4)) * 0.7, True) for _ in range(count)]
    state = tuple(Tensor(r.normal(size=(B, 4)), data.draw(st.booleans())) for _ in range(states))
    x, z = (Tensor(r.normal(size=(steps, B, 4)), data.draw(st.booleans())) for _ in range(2))
    mask = Tensor(r.random((steps, B, 1)) < 0.5)
    wrt = [t for t in [x, z, *state, *weights] if t.requires_grad]
    with mock.patch.object(plan, "SMALL", small), mock.patch.object(passes, "SMALL", small):
        planned.PLANS.found.clear()
        assert_agree(both_ways(make(weights), state, (x, z, mask), wrt, reverse=reverse), 1e-12)
    planned.PLANS.found.clear()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_second_derivatives(make: Any, reverse: bool) -> None:
    cell = make(F, H, dtype=np.float64, rng=0)
    r = np.random.default_rng(1)
    x = Tensor(r.normal(size=(T, B, F)), True)
    h = cell.zero_state((B,), np.float64)

    def step(h: Any, x: Tensor) -> Any:
        h = cell(x, h)
        return h, flat(h)[0]

    assert_agree(both_ways(step, h, (x,), [x, *cell.parameters()], reverse=reverse, second=True), 1e-11)


def test_a_cell_without_the_library() -> None:
    """A minimal gated unit with weights closed over, one of them computed outside of the loop."""
    r = np.random.default_rng(0)
    x = Tensor(r.normal(size=(T, B, 2 * H)), True)
    W, raw = Tensor(r.normal(size=(H, H)), True), Tensor(r.normal(size=(H, H)), True)

    def run(unroll: bool) -> list[Any]:
        U = tg.tanh(raw)

        def step(h: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
            f = tg.sigmoid(a[:, :H] + h @ W)
            h = h + f * (tg.tanh(a[:, H:] + (f * h) @ U) - h)
            return h, h

        last, ys = scan(step, Tensor(np.zeros((B, H))), (x,), unroll=unroll)
        return [ys.data, last.data, *gradients(weighted([ys, last]), [x, W, raw])]

    assert_agree([run(True), run(False), run(False)], 1e-12)


def test_states_of_every_kind() -> None:
    """A counter of integers, a dictionary, a state passed through, a scalar, and one that plays no part."""
    r = np.random.default_rng(0)
    x = Tensor(r.normal(size=(T, B)), True)
    start = {"n": Tensor(np.zeros(3, np.int64)), "h": (Tensor(r.normal(size=B), True), Tensor(2.0, True)),
             "rest": [Tensor(r.normal(size=2), True), Tensor(np.ones(B), True)]}  # fmt: skip

    def step(s: Any, x: Tensor) -> Any:
        h, scalar = s["h"]
        new = tg.tanh(h * scalar + x)
        return {"n": s["n"] + 1, "h": (new, scalar * 0.9 + new.sum() * 0.1), "rest": [s["rest"][0], h]}, new * 2

    found = both_ways(step, start, (x,), [x, *start["h"], *start["rest"]])  # type: ignore[misc]
    assert_agree(found, 1e-12)
    assert found[1][1].tolist() == [5, 5, 5]


def test_states_are_told_apart_by_name() -> None:
    """A dictionary whose keys come in another order after a step, and a state of nothing."""
    h, c, x = np.random.default_rng(0).normal(size=(3, 4))

    def step(s: dict[str, Tensor], x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        c = s["c"] * 0.5 + x
        return {"c": c, "h": s["h"] - c}, s["h"]

    start, xs = {"h": Tensor(h), "c": Tensor(c)}, (np.stack([x] * 3),)
    (looped, ys), (planned, planned_ys) = (scan(step, start, xs, unroll=unroll) for unroll in (True, False))
    np.testing.assert_allclose(planned_ys.data, ys.data, rtol=1e-12)
    for name in ("h", "c"):
        np.testing.assert_allclose(planned[name].data, looped[name].data, rtol=1e-12)
    nothing, doubled = scan(lambda _, x: (None, x * 2), None, xs, unroll=False)
    assert nothing is None
    np.testing.assert_array_equal(doubled.data, 2 * xs[0])


def test_a_pure_step_is_looked_at_again_for_a_state_nested_otherwise() -> None:
    """The same tensors in another order, or under other names."""
    h, c, x = np.random.default_rng(0).normal(size=(3, 4))

    def step(s: Any, x: Tensor) -> tuple[Any, Tensor]:
        if type(s) is tuple:
            return s, (s[0] if s[1] is None else s[1] * 2) + x
        c = s["c"] * 0.5 + x
        return {"c": c, "h": s["h"] - c}, s["h"]

    pure, xs = Pure(step), (np.stack([x] * 3),)
    states: list[Any] = [{"h": h, "c": c}, {"c": c, "h": h}, (h, None), (None, h)]
    for start in (rebuilt(state, map(Tensor, flat(state))) for state in states):
        expected = scan(step, start, xs)[1].data
        np.testing.assert_allclose(scan(pure, start, xs, unroll=False)[1].data, expected, rtol=1e-12)


def test_tables_are_read_inside_the_loop() -> None:
    r = np.random.default_rng(0)
    table, slope = Tensor(r.normal(size=(7, B)), True), Tensor(r.normal(size=(4, B)), True)
    ids = Tensor(r.integers(0, 7, (T, 2)))

    def step(h: Tensor, i: Tensor) -> tuple[Tensor, Tensor]:
        h = tg.tanh(h * slope[1] + tg.take(table, i) + table[i].sum(axis=0) + (slope * slope).sum(axis=0))
        return h, h

    assert_agree(both_ways(step, Tensor(np.zeros((2, B))), (ids,), [table, slope]), 1e-12)


@pytest.mark.parametrize("steps", [1, T])
def test_products_whose_cotangents_are_slices(steps: int) -> None:
    r = np.random.default_rng(0)
    W, V = (Tensor(r.normal(size=(2, 4)), True) for _ in range(2))
    x, start = Tensor(r.normal(size=(steps, B, 4)), True), Tensor(r.normal(size=(B, 4)), True)

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = h + x[:, :2] @ W + tg.tanh(h[:, 1:3] @ V + x[:, 2:] @ V)
        return h, h

    assert_agree(both_ways(step, start, (x,), [x, start, W, V]), 1e-12)


def test_results_that_are_inputs() -> None:
    W, x = Tensor(np.ones(B), True), Tensor(np.ones((T, B)), True)
    for out in (lambda s, x: ((s[1], s[0]), x), lambda s, x: ((x, x), W), lambda s, x: ((s[0], s[0]), s[0])):
        start = (Tensor(np.arange(3.0), True), Tensor(np.arange(3.0) + 5, True))
        assert_agree(both_ways(out, start, (x,), [x, *start, W]), 1e-12)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_batch_of_nothing_gives_every_parameter_a_gradient_of_zeros(kind: Any) -> None:
    for unroll in (True, False):
        layer = kind(F, H, 2, unroll=unroll, rng=0)
        layer(np.zeros((T, 0, F), np.float32))[0].sum().backward()
        for p in layer.parameters():
            np.testing.assert_array_equal(p.grad, np.zeros(p.shape))


def test_no_gradient_wanted() -> None:
    layer = nn.LSTM(F, H, unroll=False, rng=0)
    x = np.random.default_rng(0).normal(size=(T, B, F)).astype(np.float32)
    with tg.no_grad():
        outputs, _ = layer(x)
    assert outputs.node is None
    layer.unroll = True
    np.testing.assert_allclose(outputs.data, layer(x)[0].data, atol=1e-6)


def test_one_node() -> None:
    outputs, _ = nn.GRU(F, H, unroll=False, rng=0)(np.zeros((T, B, F), np.float32))
    names, stack = set(), [outputs]
    while stack:
        node = stack.pop().node
        if node is not None:
            names.add(node.op.name)
            stack += [x for x in node.inputs if isinstance(x, Tensor)]
    assert "planned_scan" in names
    assert not {"tanh", "sigmoid"} & names


def test_replaced_parameters_and_frozen_ones() -> None:
    layer = nn.RNN(F, H, unroll=False, dtype=np.float64, rng=0)
    x = Tensor(np.random.default_rng(0).normal(size=(T, B, F)))
    layer.cells[0].weight_hh.requires_grad = False
    layer(x)[0].sum().backward()
    layer.cells[0].weight_hh.requires_grad = True
    layer(x)[0].sum().backward()
    assert layer.weight_hh_l0.grad is not None
    before = layer(x)[0].data
    layer.cells[0].weight_hh = Tensor(layer.weight_hh_l0.data * 2, True)
    planned = layer(x)[0].data
    layer.unroll = True
    np.testing.assert_allclose(planned, layer(x)[0].data, atol=1e-12)
    assert np.abs(planned - before).max() > 1e-3
    twin = copy.deepcopy(layer)
    twin.unroll = False
    np.testing.assert_allclose(twin(x)[0].data, planned, atol=1e-12)


PARAMETERS: dict[str, dict[str, Any]] = {
    "broadcast_to": {"shape": (5, 2, 3)},
    "clip": {"min": 0.3},
    "concatenate": {"axis": 0},
    "cumsum": {"axis": 0},
    "expand_dims": {"axis": 0},
    "flip": {"axis": 0},
    "getitem": {"key": (0,)},
    "pad": {"widths": ((1, 0), (0, 1))},
    "reshape": {"shape": (6,)},
    "roll": {"shift": 1, "axis": 0},
    "swapaxes": {"axis1": 0, "axis2": 1},
}


OTHERS = {  # which take other arguments than matrices of one shape
    *("where", "astype", "scatter_add", "take", "assemble", "matmul", "dot", "outer", "einsum"),
    *("softmax_error", "cross_entropy"),
}
OPS = [name for name, op in registry.items() if op.forward.__module__.startswith("tinygrad_rnn.ops")]


def step_with(name: str, arity: int) -> Any:
    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        y = registry[name](*[h + x, x * 0.5 + h * 0.3 + 0.1, h - x][:arity], **PARAMETERS.get(name, {}))
        h = tg.tanh(h * 0.5 + x + y.astype(float).sum() * 0.05)
        return h, h

    return step


@pytest.mark.parametrize("name", OPS)
def test_every_operation_on_matrices_has_a_plan(name: str) -> None:
    r = np.random.default_rng(0)
    start, x = Tensor(r.uniform(0.1, 0.9, (2, 3)), True), Tensor(r.uniform(0.1, 0.9, (2, 2, 3)), True)
    checked = False
    for step in (step_with(name, arity) for arity in (1, 2, 3)):
        try:
            gradients(step(start, x[0])[1].sum(), [start])
        except (TypeError, ValueError, IndexError, AttributeError):
            continue  # it takes something else
        assert_agree(both_ways(step, start, (x,), [start, x]), 1e-12)
        checked = True
    assert checked == (name not in OTHERS)
