"""Recurrent cells: pure functions of (input at t, state) to the next state, written in ordinary operations.

Each cell works in two parts, so that a layer can do the first for all time steps at once:

* ``project(x)`` maps inputs [..., F] to what a step needs of them, W x + b [..., gates·H];
* ``step(state, a)`` is one step from ``state``, a tuple whose first entry is the output h, to the next state.

``cell(x, state)`` is both, for one step. A loop over time steps is then

    for x in xs:
        h = cell(x, h)

Names, shapes and gate order of the weights are PyTorch's, so that weights travel both ways.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.init import Seed, generator, uniform
from tinygrad_rnn.nn.linear import project
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.ops import linear, sigmoid, split, tanh
from tinygrad_rnn.tensor import Tensor

State: TypeAlias = tuple[Tensor, ...]


class Cell(Module):
    """What the cells share: their weights, all uniform in ±1/√H, and the start from a zero state.

    ``weight_ih`` [gates·H, F], ``weight_hh`` [gates·H, H], ``bias_ih`` and ``bias_hh`` [gates·H].
    """

    gates: int  # blocks of H rows in each weight
    states = 1  # tensors in the state

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Seed = None,
    ) -> None:
        rng, bound, rows = generator(rng), 1 / np.sqrt(hidden_size), self.gates * hidden_size
        self.hidden_size = hidden_size
        self.weight_ih = Tensor(uniform((rows, input_size), bound, rng), True, dtype=dtype)
        self.weight_hh = Tensor(uniform((rows, hidden_size), bound, rng), True, dtype=dtype)
        self.bias_ih = Tensor(uniform((rows,), bound, rng), True, dtype=dtype) if bias else None
        self.bias_hh = Tensor(uniform((rows,), bound, rng), True, dtype=dtype) if bias else None

    def project(self, x: Tensor) -> Tensor:
        """W_ih x + b_ih + b_hh for inputs [..., F]: what the steps need of them, [..., gates·H]."""
        bias = self.bias_ih + self.bias_hh if self.bias_ih is not None and self.bias_hh is not None else None
        return project(x, self.weight_ih, bias)

    def step(self, state: State, a: Tensor) -> State:
        """The next state, from ``state`` and the projected input ``a`` [B, gates·H]: written by each cell."""
        raise TypeError(f"{type(self).__name__} defines no step()")

    def zero_state(self, batch: int) -> State:
        """The state before the first step: zeros [B, H]."""
        return tuple(Tensor(np.zeros((batch, self.hidden_size), self.weight_hh.dtype)) for _ in range(self.states))

    def forward(self, x: Tensor, state: Any = None) -> Any:
        """One step: ``x`` [B, F] and the state, h [B, H] or (h, c), zero if None, to the next state, in that form."""
        before = self.zero_state(len(x)) if state is None else state if self.states > 1 else (state,)
        after = self.step(before, self.project(x))
        return after if self.states > 1 else after[0]


class RNNCell(Cell):
    """The simple recurrent cell of Elman (1990): h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    gates = 1

    def step(self, state: State, a: Tensor) -> State:
        """``a`` [B, H] and (h,) to (h',)."""
        (h,) = state
        return (tanh(linear(h, self.weight_hh, a)),)


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i, f, g, o = the four blocks of W_ih x + b_ih + W_hh h + b_hh
    c' = σ(f) c + σ(i) tanh(g)
    h' = σ(o) tanh(c')
    """

    gates = 4
    states = 2

    def step(self, state: State, a: Tensor) -> State:
        """``a`` [B, 4H] and (h, c) to (h', c')."""
        h, c = state
        i, f, g, o = split(linear(h, self.weight_hh, a), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c


class GRUCell(Cell):
    """The gated recurrent unit of Cho et al. (2014), with the reset after the matrix product, as in PyTorch.

    r = σ(W_ir x + b_ir + W_hr h + b_hr)
    z = σ(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r (W_hn h + b_hn))
    h' = (1 - z) n + z h
    """

    gates = 3

    def project(self, x: Tensor) -> Tensor:
        """W_ih x + b_ih: the reset gate acts on b_hh, so that stays with the step."""
        return project(x, self.weight_ih, self.bias_ih)

    def step(self, state: State, a: Tensor) -> State:
        """``a`` [B, 3H] and (h,) to (h',)."""
        (h,) = state
        rz, n = split(a, [2 * self.hidden_size, self.hidden_size], axis=-1)
        hidden_rz, hidden_n = split(
            linear(h, self.weight_hh, self.bias_hh), [2 * self.hidden_size, self.hidden_size], axis=-1
        )
        r, z = split(sigmoid(rz + hidden_rz), 2, axis=-1)
        n = tanh(n + r * hidden_n)
        return (n + z * (h - n),)
