"""A two-layer LSTM in whose layer 1, at t=7, something goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.tensor import Array

T, B, F, H = 10, 3, 4, 5
AT = 7
Plant = Callable[[Tensor, Tensor], Tensor]  # of h' and a flag, which is 1 at t=7 and else 0, to another h'


class Planted(nn.LSTMCell):
    """An LSTM cell with ``plant`` behind it."""

    def __init__(self, input_size: int, hidden_size: int, plant: Plant, **options: Any) -> None:
        super().__init__(input_size, hidden_size, **options)
        self.plant = plant

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        (a,) = super().project(x)
        flag = np.zeros((*a.shape[:-1], 1), np.float32)
        flag[AT] = 1
        return a, Tensor(flag, name="flag")

    def step(self, state: Any, a: Tensor, flag: Tensor) -> Any:  # type: ignore[override]
        h, c = super().step(state, a)
        return self.plant(h, flag), c


class Model(nn.Module):
    def __init__(self, plant: Plant, *, unroll: bool) -> None:
        cells = [nn.LSTMCell(F, H, rng=0), Planted(H, H, plant, rng=1)]
        self.lstm = nn.Recurrent(cells, unroll=unroll)
        self.head = nn.Linear(H, 2, rng=2)

    def forward(self, x: Array) -> Tensor:
        outputs, _ = self.lstm(x)
        logits: Tensor = self.head(outputs)
        return logits


def inputs() -> Array:
    return np.random.default_rng(3).standard_normal((T, B, F)).astype(np.float32)


def forward_inf(h: Tensor, flag: Tensor) -> Tensor:
    return h / (1 - flag)


def forward_nan(h: Tensor, flag: Tensor) -> Tensor:
    return tg.sqrt(h * h * (1 - flag) - flag)


def backward_inf(h: Tensor, flag: Tensor) -> Tensor:
    return h + tg.sqrt(h * 0 + 1 - flag)


def backward_nan(h: Tensor, flag: Tensor) -> Tensor:
    return h + 0 * tg.sqrt(h * 0 + 1 - flag)
