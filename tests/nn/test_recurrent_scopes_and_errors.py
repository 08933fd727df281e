"""Layers: the names of their parameters, what they record and where, and what their errors say."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.nn.recording import recorded
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.op import thread

# --------------------------------------------------------------------------------------------- names, scopes, recording


def test_parameters_are_attributes_under_pytorchs_names() -> None:
    lstm = nn.LSTM(3, 5, 2, bidirectional=True, rng=0)
    assert lstm.weight_ih_l0 is lstm.cells[0].weight_ih
    assert lstm.bias_hh_l1_reverse is lstm.cells[3].bias_hh
    assert lstm.weight_hh_l1.name == "weight_hh_l1"
    with pytest.raises(AttributeError, match=r"LSTM has no attribute 'weight_ih_0'; did you mean 'weight_ih_l0'\?"):
        _ = lstm.weight_ih_0
    with pytest.raises(
        AttributeError, match=r"LSTM.weight_ih_l0 belongs to one of .cells: assign to .weight_ih_l0.data"
    ):
        lstm.weight_ih_l0 = Tensor(np.zeros((20, 3)))
    lstm.h0 = Tensor(np.zeros((4, 1, 5)), requires_grad=True)
    assert "h0" in dict(lstm.named_parameters())


class Model(nn.Module):
    def __init__(self, **options: Any) -> None:
        self.lstm = nn.LSTM(3, 5, 2, rng=0, **options)
        self.head = nn.Linear(5, 4, rng=0)

    def forward(self, x: Any) -> Any:
        return self.head(self.lstm(x)[0])


def test_operations_carry_layer_and_time_step() -> None:
    seen = recorded(lambda: Model(bidirectional=False)(np.zeros((3, 2, 3), np.float32)))
    scopes = {made.node.scope for made in seen if made.node}
    steps = {("model", "lstm", f"layer{layer}", t) for layer in (0, 1) for t in range(3)}
    outside = {("model", "lstm", "layer0"), ("model", "lstm", "layer1"), ("model", "lstm"), ("model", "head")}
    assert scopes == steps | outside
    both = recorded(lambda: nn.GRU(3, 5, bidirectional=True)(np.zeros((2, 1, 3), np.float32)))
    assert {made.node.scope[1] for made in both if made.node and len(made.node.scope) > 1} == {
        "layer0",
        "layer0_reverse",
    }


@pytest.mark.parametrize(("layer", "expected"), [(nn.RNN(3, 5), 3), (nn.LSTM(3, 5), 15), (nn.GRU(3, 5), 16)])
def test_operations_recorded_a_step(layer: nn.Recurrent, expected: int) -> None:
    inputs = [np.zeros((T, 2, 3), np.float32) for T in (10, 11)]
    shorter, longer = (len(recorded(partial(layer, x))) for x in inputs)
    assert longer - shorter == expected


def test_rows_of_an_embedding_are_projected_once_each() -> None:
    embedding, lstm = nn.Embedding(4, 3, rng=0), nn.LSTM(3, 5, rng=0)
    ids = np.random.default_rng(0).integers(0, 4, (6, 2))
    products = [made for made in recorded(lambda: lstm(embedding(ids))) if made.node and made.node.op.name == "linear"]
    assert products[0].shape == (4, 20)
    x = Tensor(embedding(ids).data)
    assert_allclose(lstm(embedding(ids))[0].data, lstm(x)[0].data, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------- errors


X = np.zeros((7, 2, 3), np.float32)
LSTM = nn.LSTM(3, 5, 2, rng=0)


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: LSTM(X[0]), ValueError, r"lstm: takes inputs \[T, B, F\] of time steps, .* but got shape \(2, 3\)"),
        (lambda: nn.GRU(3, 5, batch_first=True)(X[0]), ValueError, r"gru: takes inputs \[B, T, F\] of time steps"),
        (lambda: LSTM(X[..., :2]), ValueError, r"lstm.layer0: takes inputs of 3 features .* got shape \(7, 2, 2\)"),
        (
            lambda: LSTM(X.astype(float)),
            TypeError,
            r"lstm.layer0: has parameters of float32, but got an input of float64",
        ),
        (lambda: LSTM(X.astype(int)), TypeError, r"got an input of int64; convert it with .astype\(np.float32\)$"),
        (lambda: LSTM(X[:0]), ValueError, r"lstm: an input \[T, B, F\] needs a time step, but this one has T = 0"),
        (
            lambda: LSTM(X, X),
            ValueError,
            r"lstm: the state is \(h, c\) of shape \(2, 2, 5\) and \(2, 2, 5\), but got \(7, 2, 3\)",
        ),
        (
            lambda: LSTM(X, (np.zeros((2, 2, 5)), np.zeros((2, 1, 5)))),
            ValueError,
            r"of shape \(2, 2, 5\) and \(2, 2, 5\), but got \(2, 2, 5\) and \(2, 1, 5\)",
        ),
        (
            lambda: LSTM(X, (np.zeros((2, 2, 5)), np.zeros((2, 2, 5)))),
            TypeError,
            r"lstm: the state is float64 and the input float32",
        ),
        (lambda: LSTM(X, lengths=[7, 8]), ValueError, r"lstm: the length of sequence 1 is 8, but must be in 0..7"),
        (lambda: LSTM(X, lengths=[-1, 3]), ValueError, r"lstm: the length of sequence 0 is -1, but must be in 0..7"),
        (lambda: LSTM(X, lengths=[7]), ValueError, r"lengths has one integer for each of the 2 sequences, .* \(1,\)"),
        (lambda: LSTM(X, lengths=[7.0, 3.0]), TypeError, r"lengths are integers, .* but these are float64"),
        (lambda: nn.LSTM(3, 5, peepholes=True), TypeError, r"LSTM: no option 'peepholes'; did you mean 'peephole'\?"),
        (lambda: nn.GRU(3, 5, bidirectinal=True), TypeError, r"GRU: no option .*; did you mean 'bidirectional'\?"),
        (lambda: nn.RNN(3, 5, num_layers=0), ValueError, r"RNN: num_layers is a whole number above 0, not 0"),
        (lambda: nn.RNN(3, 5, dropout=2.0), ValueError, r"Dropout: p is a probability in \[0, 1\], not 2.0"),
        (lambda: nn.Recurrent([]), ValueError, r"Recurrent: takes one cell a layer, two if bidirectional, but 0 were"),
        (lambda: nn.Recurrent([nn.GRUCell(3, 5)], bidirectional=True), ValueError, r"but 1 were given"),
    ],
)
def test_errors_say_where_and_what(run: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run()


class Failing(nn.GRUCell):
    calls = 0

    def step(self, h: Tensor, a: Tensor) -> Tensor:
        self.calls += 1
        return super().step(h[..., 1:] if self.calls == 4 else h, a)


def test_an_error_inside_a_cell_names_operation_shapes_layer_and_step() -> None:
    layer = nn.Recurrent([nn.GRUCell(3, 5, rng=0), Failing(5, 5, rng=0)])
    layer.scope_name = "lstm"
    with pytest.raises(ValueError, match=r"linear\(\(2, 4\), \(15, 5\), \(15,\)\): .* \[in lstm.layer1 / t=3\]"):
        layer(X)


def test_the_forward_pass_leaves_no_scope_behind_when_it_fails() -> None:
    layer = nn.Recurrent([Failing(3, 5, rng=0)])
    with pytest.raises(ValueError, match="t=3"):
        layer(X)
    assert thread.recorder.scope == ()
