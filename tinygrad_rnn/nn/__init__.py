"""Layers: modules with parameters, the recurrent ones above all.

Reading order: `module`, `linear`, `cells`, `lstm`, `gru`, `steps`, `recurrent`, `truncated`; `embedding`,
`norm`, `dropout` and `init` stand by themselves. Losses are operations: ``cross_entropy``, ``mse_loss``.
"""

from tinygrad_rnn.nn import init
from tinygrad_rnn.nn.cells import Cell, RNNCell, Zoneout
from tinygrad_rnn.nn.dropout import Dropout
from tinygrad_rnn.nn.embedding import Embedding
from tinygrad_rnn.nn.gru import GRUCell
from tinygrad_rnn.nn.linear import Linear
from tinygrad_rnn.nn.lstm import LSTM1997Cell, LSTMCell
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.norm import LayerNorm
from tinygrad_rnn.nn.recurrent import GRU, LSTM, RNN, Recurrent
from tinygrad_rnn.nn.truncated import detach, truncated_bptt

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "Dropout",
    "Embedding",
    "GRUCell",
    "LSTM1997Cell",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "Module",
    "RNNCell",
    "Recurrent",
    "Zoneout",
    "detach",
    "init",
    "truncated_bptt",
]
