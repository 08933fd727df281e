"""Recurrent layers: cells run along time, stacked, in one or both directions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.cells import Cell, GRUCell, LSTMCell, RNNCell, State
from tinygrad_rnn.nn.init import Seed, generator
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.ops import concatenate, stack
from tinygrad_rnn.scan import scan
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Tensor


class Recurrent(Module):
    """Cells run along time: the common part of ``RNN``, ``LSTM`` and ``GRU``."""

    cell: type[Cell]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dtype: npt.DTypeLike = np.float32,
        rng: Seed = None,
    ) -> None:
        rng = generator(rng)
        self.directions = 2 if bidirectional else 1
        sizes = [input_size] + [hidden_size * self.directions] * (num_layers - 1)
        self.cells = [
            [self.cell(size, hidden_size, dtype=dtype, rng=rng) for _ in range(self.directions)] for size in sizes
        ]

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """PyTorch's names: ``weight_ih_l0``, and ``weight_ih_l0_reverse`` for the second direction."""
        for layer, cells in enumerate(self.cells):
            for cell, suffix in zip(cells, ("", "_reverse"), strict=False):
                yield from ((f"{name}_l{layer}{suffix}", value) for name, value in cell.named_parameters())

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """``x`` [T, B, F] to the outputs [T, B, D·H] of the last layer, and the last state of each layer."""
        finals: list[State] = []
        for layer, cells in enumerate(self.cells):
            outputs = []
            for direction, cell in enumerate(cells):
                with scope(f"layer{layer}" + ("_reverse" if direction else "")):
                    before = cell.zero_state(x.shape[1]) if state is None else tuple(s[len(finals)] for s in state)
                    final, output = scan(
                        lambda s, a, cell=cell: ((s := cell.step(s, a)), s[0]),
                        before,
                        (cell.project(x),),
                        reverse=bool(direction),
                    )
                finals.append(final)
                outputs.append(output)
            x = outputs[0] if len(outputs) == 1 else concatenate(*outputs, axis=-1)
        stacked = tuple(stack(*parts) for parts in zip(*finals, strict=True))
        return x, stacked if len(stacked) > 1 else stacked[0]


class RNN(Recurrent):
    """x"""

    cell = RNNCell


class LSTM(Recurrent):
    """x"""

    cell = LSTMCell


class GRU(Recurrent):
    """x"""

    cell = GRUCell
