"""Solutions of 14."""

from __future__ import annotations

import numpy as np

from tinygrad_rnn import Tensor, tanh, where
from tinygrad_rnn.scan import scan
from tinygrad_rnn.tensor import Array


def gated(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Both are computed, and one is taken."""
    h = where(x > 0, h + x, h / 2)
    return h, h


def noisy(h: Tensor, xs: Array, rng: np.random.Generator) -> Tensor:
    """All noise is drawn before."""

    def step(h: Tensor, x: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        h = tanh(h + x + n)
        return h, h

    return scan(step, h, (xs, rng.normal(size=xs.shape)), unroll=False)[1]
