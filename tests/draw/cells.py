"""Every cell of the library with its options, along T steps: to draw."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from tinygrad_rnn import Tensor, cross_entropy, mse_loss, nn, softmax
from tinygrad_rnn.scope import scope


def layer(make: Any, T: int, **options: Any) -> Tensor:
    """The loss of one layer, or more: B = 2, F = 3, H = 4."""
    module = make(3, 4, rng=0, **options)
    outputs, _ = module(Tensor(np.zeros((T, 2, 3), np.float32), name="x"))
    return mse_loss(outputs, Tensor(np.zeros(outputs.shape, np.float32), name="target"))


def lstm1997(T: int) -> Tensor:
    """The cell of 1997, as a layer."""
    outputs, _ = nn.Recurrent([nn.LSTM1997Cell(3, 4, rng=0)])(np.zeros((T, 2, 3), np.float32))
    return cast("Tensor", outputs.sum())


def masked(T: int) -> Tensor:
    """Sequences of different lengths, in two layers."""
    outputs, _ = nn.LSTM(3, 4, 2, rng=0)(np.zeros((T, 2, 3), np.float32), lengths=[T, max(T - 1, 0)])
    return cast("Tensor", outputs.sum())


def last_states(T: int) -> Tensor:
    """A loss of the last state of both layers only."""
    _, last = nn.GRU(3, 4, 2, rng=0)(np.zeros((T, 2, 3), np.float32))
    return cast("Tensor", last.sum())


def language_model(T: int) -> Tensor:
    """Embedding, two bidirectional layers with dropout between, linear, cross entropy."""
    embedding, network = nn.Embedding(7, 3, rng=0), nn.LSTM(3, 4, 2, bidirectional=True, dropout=0.5, rng=0)
    head, tokens = nn.Linear(8, 7, rng=0), np.zeros((T, 2), int)
    with scope("model"):
        outputs, _ = network(embedding(tokens))
        return cross_entropy(head(outputs), tokens)


def decoder(T: int) -> Tensor:
    """A loop of one's own: what it puts out at one step comes in at the next."""
    embedding, cell, head = nn.Embedding(7, 3, rng=0), nn.LSTMCell(3, 4, rng=0), nn.Linear(4, 7, rng=0)
    above = nn.GRUCell(4, 4, rng=0)
    x, total, lower, upper = embedding(np.zeros(2, int)), Tensor(0.0), None, None
    for t in range(T):
        with scope(t):
            with scope("cell"):
                lower = cell.forward(x, lower)
            with scope("above"):
                upper = above.forward(lower[0], upper)
            with scope("head"):
                logits = head.forward(upper)
            x = softmax(logits) @ embedding.weight
            total = total + cross_entropy(logits, np.zeros(2, int))
    return total / T


CELLS: dict[str, Callable[[int], Tensor]] = {
    "RNN": lambda T: layer(nn.RNN, T),
    "ReLU RNN": lambda T: layer(nn.RNN, T, nonlinearity="relu", identity_init=1.0),
    "RNN, layer norm": lambda T: layer(nn.RNN, T, layer_norm=True),
    "LSTM": lambda T: layer(nn.LSTM, T),
    "LSTM, forget bias": lambda T: layer(nn.LSTM, T, forget_bias=1.0),
    "LSTM, no biases": lambda T: layer(nn.LSTM, T, bias=False),
    "LSTM, peepholes": lambda T: layer(nn.LSTM, T, peephole=True),
    "LSTM, coupled": lambda T: layer(nn.LSTM, T, coupled=True),
    "LSTM, layer norm": lambda T: layer(nn.LSTM, T, layer_norm=True),
    "LSTM, projection": lambda T: layer(nn.LSTM, T, proj_size=2),
    "LSTM, all options": lambda T: layer(nn.LSTM, T, peephole=True, coupled=True, layer_norm=True, proj_size=2),
    "LSTM, two directions": lambda T: layer(nn.LSTM, T, bidirectional=True),
    "LSTM, zoneout": lambda T: layer(nn.LSTM, T, zoneout=0.3),
    "LSTM of 1997": lstm1997,
    "GRU": lambda T: layer(nn.GRU, T),
    "GRU, no biases": lambda T: layer(nn.GRU, T, bias=False),
    "GRU, reset before": lambda T: layer(nn.GRU, T, reset="before"),
    "GRU, update replaces": lambda T: layer(nn.GRU, T, reset="before", update="replace"),
    "GRU, layer norm": lambda T: layer(nn.GRU, T, layer_norm=True),
    "GRU, two layers, dropout": lambda T: layer(nn.GRU, T, num_layers=2, dropout=0.5),
    "lengths": masked,
    "last states": last_states,
    "language model": language_model,
    "decoder": decoder,
}
