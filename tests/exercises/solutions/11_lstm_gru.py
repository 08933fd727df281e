"""Solutions of 11."""

from __future__ import annotations

import math

from tinygrad_rnn import Tensor, sigmoid, split, tanh


def bias_for(T: int, share: float) -> float:
    """f^T = share, and σ(b) = f at b = ln(f / (1 - f))."""
    f = share ** (1 / T)
    return math.log(f / (1 - f))


def lecture_gru(h: Tensor, a: Tensor, W: Tensor) -> Tensor:
    """The formulas, block by block."""
    (a_r, a_z, a_n), (W_r, W_z, W_n) = split(a, 3), split(W, 3)
    r, z = sigmoid(a_r + W_r @ h), sigmoid(a_z + W_z @ h)
    n = tanh(a_n + W_n @ (r * h))
    return (1 - z) * h + z * n
