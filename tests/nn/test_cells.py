"""Cells along time: their values and gradients against loops written by hand, and what each option does."""

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.nn.oracle import CELLS, assert_gradients, put, sequence, shaken
from tinygrad_rnn import Tensor, gradcheck, gradgradcheck, linear, nn, sigmoid, split, stack, tanh
from tinygrad_rnn.nn.cells import parts, whole
from tinygrad_rnn.scan import scan
from tinygrad_rnn.tensor import Array

SIZES = st.lists(st.integers(2, 6), min_size=4, max_size=4, unique=True)  # T, B, F, H, all different


def made(kind: str, F: int, H: int, rng: np.random.Generator) -> nn.Cell:
    cell, options = CELLS[kind]
    out = cell(F, H, dtype=np.float64, rng=rng, **options)
    shaken(out, rng)
    return out


def loop(cell: nn.Cell, x: Tensor, state: Any) -> tuple[Tensor, ...]:
    """One call of the cell after the other: the outputs and the last state."""
    outputs = []
    for t in range(len(x)):
        state = cell(x[t], state)
        outputs.append(parts(state)[0])
    return (stack(*outputs), *parts(state))


@pytest.mark.parametrize("kind", CELLS)
@settings(max_examples=8)
@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1))
def test_backpropagation_through_time_is_that_of_a_loop_by_hand(kind: str, sizes: list[int], seed: int) -> None:
    (T, B, F, H), rng = sizes, np.random.default_rng(seed)
    cell = made(kind, F, H, rng)
    leaves = {"x": Tensor(rng.uniform(-1, 1, (T, B, F)), requires_grad=True)}
    names = [f"s{i}" for i in range(len(cell.state_sizes))]
    for name, size in zip(names, cell.state_sizes, strict=True):
        leaves[name] = Tensor(rng.uniform(-1, 1, (B, size)), requires_grad=True)
    outputs = loop(cell, leaves["x"], whole([leaves[name] for name in names]))

    def by_hand(point: Any) -> tuple[Array, ...]:
        out, last = sequence(kind, point, point["x"], tuple(point[name] for name in names))
        return (out, *last)

    assert_gradients(by_hand, leaves | dict(cell.named_parameters()), outputs, rng)


@pytest.mark.parametrize("kind", CELLS)
def test_backpropagation_through_time_is_that_of_central_differences(kind: str) -> None:
    rng = np.random.default_rng(3)
    T, B, F, H = 3, 2, 1, 4
    cell = made(kind, F, H, rng)

    def run(x: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        put(cell, parameters)
        return loop(cell, x, None)

    gradcheck(run, [rng.uniform(-1, 1, (T, B, F)), *(p.data for p in cell.parameters())], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "lstm-peephole", "gru", "gru-before"])
def test_second_derivatives_through_time(kind: str) -> None:
    rng = np.random.default_rng(4)
    cell = made(kind, 1, 2, rng)

    def run(x: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        put(cell, parameters)
        return loop(cell, x, None)

    gradgradcheck(run, [rng.uniform(-1, 1, (3, 1, 1)), *(p.data for p in cell.parameters())])


@pytest.mark.parametrize("kind", CELLS)
def test_a_scan_over_projected_inputs_is_the_loop(kind: str) -> None:
    rng = np.random.default_rng(5)
    cell, x = made(kind, 3, 5, rng), Tensor(rng.uniform(-1, 1, (4, 2, 3)))

    def step(state: Any, *inputs: Tensor) -> tuple[Any, Tensor]:
        state = cell.step(state, *inputs)
        return state, parts(state)[0]

    last, outputs = scan(step, cell.zero_state((2,), np.float64), cell.project(x))
    for ours, theirs in zip((outputs, *parts(last)), loop(cell, x, None), strict=True):
        assert_allclose(ours.data, theirs.data, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", CELLS)
def test_float32_stays_float32_and_a_batch_is_not_needed(kind: str) -> None:
    cell_type, options = CELLS[kind]
    cell = cell_type(3, 5, rng=0, **options)
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    state = cell(Tensor(x, requires_grad=True))
    sum((s.sum() for s in parts(state)), start=Tensor(np.float32(0))).backward()
    assert {s.dtype for s in parts(state)} == {np.dtype(np.float32)}
    assert {p.grad.dtype for p in cell.parameters()} == {np.dtype(np.float32)}
    for alone, row in zip(parts(cell(x[1])), parts(state), strict=True):
        assert alone.shape == row.shape[1:]
        assert_allclose(alone.data, row.data[1], rtol=1e-5, atol=1e-6)


def test_the_forget_gate_starts_open() -> None:
    H = 5
    for cell in (nn.LSTMCell(3, H, forget_bias=1.5), nn.LSTM(3, H, forget_bias=1.5).cells[0]):
        assert cell.bias_ih is not None
        assert cell.bias_hh is not None
        assert_array_equal(cell.bias_ih.data[H : 2 * H], 1.5)
        assert_array_equal(cell.bias_hh.data[H : 2 * H], 0)
        assert np.ptp(cell.bias_ih.data[:H]) > 0
        assert np.ptp(cell.bias_hh.data[2 * H :]) > 0


def test_a_coupled_forget_gate_starts_open_as_well() -> None:
    cell = nn.LSTMCell(3, 5, forget_bias=2.0, coupled=True, dtype=np.float64)
    cell.weight_ih.data = np.zeros((15, 3))
    _, c = cell(np.zeros((1, 3)), (np.zeros((1, 5)), np.ones((1, 5))))
    kept = 1 / (1 + np.exp(-2.0))
    assert cell.bias_ih is not None
    g = np.tanh(cell.bias_ih.data[5:10] + cell.bias_hh.data[5:10])  # type: ignore[union-attr]
    assert_allclose(c.data[0], kept + (1 - kept) * g, rtol=1e-12)


def test_parameters_start_as_in_pytorch() -> None:
    cell = nn.LSTMCell(30, 50, rng=0)
    for value in cell.parameters():
        assert np.abs(value.data).max() <= 50**-0.5
        assert_allclose(value.data.std(), 50**-0.5 / 3**0.5, rtol=0.1)


def test_the_identity_initialised_rnn_adds_up_its_inputs() -> None:
    cell = nn.RNNCell(2, 4, nonlinearity="relu", identity_init=1.0, rng=0, dtype=np.float64)
    assert_array_equal(cell.weight_hh.data, np.eye(4))
    assert cell.bias is not None
    assert_array_equal(cell.bias.data, np.zeros(4))
    assert 0.0003 < np.abs(cell.weight_ih.data).mean() < 0.002
    cell.weight_ih.data = np.ones((4, 2))
    h: Any = None
    for _ in range(100):
        h = cell(np.array([[0.25, 0.5]]), h)
    assert_allclose(h.data, np.full((1, 4), 75.0))
    assert_array_equal(nn.RNNCell(2, 3, identity_init=0.01).weight_hh.data, np.float32(0.01) * np.eye(3, dtype="f4"))


def test_without_a_forget_gate_the_cell_of_1997_keeps_everything() -> None:
    cell = nn.LSTM1997Cell(2, 4, rng=0, dtype=np.float64)
    state = (np.zeros((1, 4)), np.full((1, 4), 3.0))
    cell.load_state_dict({name: np.zeros(p.shape) for name, p in cell.named_parameters()})
    for _ in range(50):
        state = cell(np.ones((1, 2)), state)
    assert_array_equal(state[1].data, np.full((1, 4), 3.0))


# ------------------------------------------------------------------------------------------------------------ zoneout


def test_zoneout_keeps_units_with_its_probability() -> None:
    rng = np.random.default_rng(0)
    inner = nn.LSTMCell(3, 400, rng=rng)
    cell = nn.Zoneout(inner, (0.1, 0.7), rng=rng)
    x, h, c = rng.normal(size=(50, 3)), rng.normal(size=(50, 400)), rng.normal(size=(50, 400))
    state = tuple(s.astype(np.float32) for s in (h, c))
    after, plain = cell(x.astype(np.float32), state), inner(x.astype(np.float32), state)
    for new, free, old, p in zip(after, plain, state, (0.1, 0.7), strict=True):
        kept = np.isclose(new.data, old, rtol=0, atol=1e-6)
        assert_allclose(new.data[~kept], free.data[~kept], atol=1e-6)
        assert abs(kept.mean() - p) < 4 * (p * (1 - p) / kept.size) ** 0.5 + 1e-4


def test_zoneout_in_evaluation_is_the_expectation() -> None:
    rng = np.random.default_rng(1)
    inner = nn.GRUCell(3, 5, rng=rng, dtype=np.float64)
    cell = nn.Zoneout(inner, 0.3, rng=0)
    x, h = rng.normal(size=(2, 3)), rng.normal(size=(2, 5))
    mean = np.mean([cell(x, h).data for _ in range(4000)], axis=0)
    expected = cell.eval()(x, h).data
    assert_allclose(expected, 0.3 * h + 0.7 * inner(x, h).data, rtol=1e-12)
    assert_allclose(mean, expected, atol=0.05)
    assert_array_equal(cell(x, h).data, expected)


def test_zoneout_draws_in_project_so_that_a_step_is_a_pure_function() -> None:
    rng = np.random.default_rng(2)
    cell = nn.Zoneout(nn.LSTMCell(3, 5, rng=rng, dtype=np.float64), 0.5, rng=7)
    x, state = Tensor(rng.normal(size=(4, 2, 3))), cell.zero_state((2,), np.float64)
    projected = cell.project(x)
    assert [p.shape for p in projected] == [(4, 2, 20), (4, 2, 5), (4, 2, 5)]
    first, again = (cell.step(state, *(p[1] for p in projected)) for _ in range(2))
    assert_array_equal(first[0].data, again[0].data)
    assert len({cell.project(x)[1].data.tobytes() for _ in range(5)}) == 5


def test_zoneout_gradients_are_those_of_central_differences() -> None:
    rng = np.random.default_rng(3)
    inner = nn.LSTMCell(1, 2, rng=rng, dtype=np.float64)

    def run(x: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        put(inner, parameters)
        outputs, (_, c) = nn.Recurrent([nn.Zoneout(inner, 0.5, rng=5)])(x)
        return outputs, c

    gradcheck(run, [rng.uniform(-1, 1, (4, 3, 1)), *(p.data for p in inner.parameters())])


# ----------------------------------------------------------------------------------------------------- cells of others


class MinimalGatedUnit(nn.Cell):
    gates = 2

    def step(self, h: Tensor, a: Tensor) -> Tensor:
        f, n = split(a, 2, axis=-1)
        weight_f, weight_n = split(self.weight_hh, 2)
        f = sigmoid(linear(h, weight_f, f))
        return h + f * (tanh(linear(f * h, weight_n, n)) - h)


class Leaky(nn.Cell):
    """Parameters of its own, and a state of three tensors."""

    def __init__(self, size: int) -> None:
        self.hidden_size = size
        self.rate = Tensor(0.5, requires_grad=True)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        return (self.hidden_size,) * 3

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x,)

    def step(self, state: Any, x: Tensor) -> Any:
        a, b, c = state
        return a + self.rate * (x - a), b + self.rate * (a - b), c + self.rate * (b - c)


def test_a_cell_of_ones_own_runs_in_layers_and_alone() -> None:
    rng = np.random.default_rng(0)
    cells = [MinimalGatedUnit(size, 5, rng=rng, dtype=np.float64) for size in (3, 3, 10, 10)]
    layer = nn.Recurrent(cells, bidirectional=True)
    x = Tensor(rng.normal(size=(6, 2, 3)), requires_grad=True)
    outputs, h = layer(x, lengths=[6, 4])
    assert (outputs.shape, h.shape) == ((6, 2, 10), (4, 2, 5))
    outputs.sum().backward()
    assert all(np.abs(p.grad).max() > 0 for p in layer.parameters())
    alone: Any = None
    for t in range(4):
        alone = cells[0](x[t], alone)
    assert_allclose(alone.data[1], h.data[0, 1], atol=1e-14)


def test_a_cell_may_have_its_own_parameters_and_any_state() -> None:
    layer = nn.Recurrent([Leaky(3)])
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    outputs, (a, b, c) = layer(x)
    assert [name for name, _ in layer.named_parameters()] == ["rate_l0"]
    assert a.shape == b.shape == c.shape == (1, 2, 3)
    assert_allclose(outputs.data[:2], [x[0] / 2, x[0] / 4 + x[1] / 2])


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.RNNCell(3, 5, nonlinearity="sigmoid"), r"RNNCell: nonlinearity is 'tanh' or 'relu', not 'sigmoid'"),
        (lambda: nn.GRUCell(3, 5, reset=cast("Any", "never")), r"GRUCell: reset is 'after' or 'before', not 'never'"),
        (lambda: nn.GRUCell(3, 5, update=cast("Any", "add")), r"GRUCell: update is 'keep' or 'replace', not 'add'"),
        (lambda: nn.LSTMCell(3, 5, proj_size=5), r"proj_size is in 0..hidden_size - 1 = 4, not 5"),
        (lambda: nn.LSTMCell(3, 5, forget_bias=1.0, bias=False), r"LSTMCell: forget_bias needs biases, but bias=False"),
        (lambda: nn.LSTMCell(0, 5), r"LSTMCell: input_size is a whole number above 0, not 0"),
        (lambda: nn.LSTMCell(3, cast("Any", 2.5)), r"LSTMCell: hidden_size is a whole number above 0, not 2.5"),
        (lambda: nn.Zoneout(nn.GRUCell(3, 5), 1.5), r"Zoneout: p is a probability in \[0, 1\], not 1.5"),
        (lambda: nn.Zoneout(nn.GRUCell(3, 5), (0.1, 0.2)), r"Zoneout: GRUCell has a state of 1, but p is \(0.1, 0.2\)"),
    ],
)
def test_settings_that_make_no_sense_say_so(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_inputs_that_do_not_fit_say_so() -> None:
    lstm, gru = nn.LSTMCell(3, 5), nn.GRUCell(3, 5)
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"lstmcell: takes inputs of 3 features \[..., 3\], but got shape \(2, 4\)"):
        lstm(np.zeros((2, 4), np.float32))
    with pytest.raises(TypeError, match=r"grucell: has parameters of float32, but got an input of float64; convert"):
        gru(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"the state is \(h, c\) of shape \(2, 5\) and \(2, 5\), but got \(2, 5\)$"):
        lstm(x, np.zeros((2, 5), np.float32))
    with pytest.raises(ValueError, match=r"grucell: the state is h of shape \(2, 5\), but got \(1, 5\)"):
        gru(x, np.zeros((1, 5), np.float32))
    with pytest.raises(TypeError, match=r"Cell defines no step\(\)"):
        nn.Cell(3, 5)(x)
