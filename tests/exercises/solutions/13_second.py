"""Solutions of 13."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_rnn import Tensor, gradients, hvp
from tinygrad_rnn.tensor import Array


def sharpness(f: Callable[[Tensor], Tensor], x: Array, rounds: int = 200) -> float:
    """The power method."""
    v = np.array(np.random.default_rng(0).normal(size=x.shape))
    value = 0.0
    for _ in range(rounds):
        v /= np.linalg.norm(v)
        (product,) = hvp(f, (x,), (v,))
        value = float(np.vdot(v, product.data))
        v = product.data.copy()
    return value


def penalised(f: Callable[[Tensor], Tensor], x: Tensor, strength: float) -> Tensor:
    """`create_graph` records backward."""
    value = f(x)
    (slope,) = gradients(value, [x], create_graph=True)
    size: Tensor = (slope**2).sum()
    return value + strength * size
