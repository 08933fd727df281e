"""The network."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_rnn import nn, text
from tinygrad_rnn.tensor import Tensor
from tinygrad_rnn.text.vocabulary import Ids

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class CharLM(nn.Module):
    """Predicts each next character of a text: an embedding, recurrent layers, and a linear map to V logits.

    ``cell`` is a name in CELLS; ``dropout`` the probability after each layer, with draws from ``rng``; ``dtype`` that
    of the parameters, and of all that is computed.

    >>> model = CharLM(text.Vocabulary("helo"), "gru", layers=2, units=3, dropout=0.0, rng=0)
    >>> logits, state = model(model.vocabulary.encode("hell")[:, None])
    >>> logits.shape, state.shape
    ((4, 1, 4), (2, 1, 3))
    """

    def __init__(
        self,
        vocabulary: text.Vocabulary,
        cell: str,
        layers: int,
        units: int,
        *,
        dropout: float,
        dtype: npt.DTypeLike = np.float32,
        rng: nn.init.Seed,
    ) -> None:
        more: dict[str, Any] = {"dtype": dtype, "rng": rng}
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(len(vocabulary), units, **more)
        own: dict[str, Any] = {"forget_bias": 1.0} if cell == "lstm" else {}  # an LSTM starts by keeping what it has
        self.recurrent = CELLS[cell](units, units, layers, dropout=dropout, **more, **own)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.head = nn.Linear(units, len(vocabulary), **more)

    def forward(self, ids: Ids, state: Any = None) -> tuple[Tensor, Any]:
        """From ``ids`` [T, B], and the state before them, to the logits [T, B, V] of what follows each, and the state.

        A ``state`` is what the call before returned, h [L, B, H] or (h, c); None is a fresh start.
        """
        outputs, state = self.recurrent(self.embedding(ids), state)
        return self.head(self.dropout(outputs)), state

    def zero_state(self, batch: int = 1) -> Any:
        """A fresh start of ``batch`` texts: zeros h [L, batch, H], or (h, c)."""
        cells, dtype = self.recurrent.cells, self.embedding.weight.dtype
        tensors = [Tensor(np.zeros((len(cells), batch, size), dtype)) for size in cells[0].state_sizes]
        return tuple(tensors) if len(tensors) > 1 else tensors[0]
