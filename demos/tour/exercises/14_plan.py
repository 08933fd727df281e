"""The exercises of 14: `pytest tests/exercises/test_14_plan.py` says whether they are solved."""

from __future__ import annotations

import numpy as np

from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array


def gated(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """One step, for `scan`: the next state and the output, both h' [B, H].

    For each unit by itself: h' = h + x where x is above 0, else h' = h / 2. In Python that would be

        if x > 0: h = h + x

    but `scan` can't plan an `if` on values. An operation can choose instead.
    """
    raise NotImplementedError


def noisy(h: Tensor, xs: Array, rng: np.random.Generator) -> Tensor:
    """The states [T, B, H] of h' = tanh(h + x_t + n_t), from the state ``h`` [B, H] on, by `scan` with unroll=False.

    n_t is noise, normal with standard deviation 1, drawn from ``rng`` for each step, sequence and unit, in this order.
    ``xs`` is [T, B, H]. A step that draws random numbers can't be planned; it can take them as an input.
    """
    raise NotImplementedError
