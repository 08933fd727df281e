"""Solutions of 12."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.tensor import Array


def reach(T: int, k1: int, k2: int) -> list[int]:
    """Step t is in the round that begins at t - t % k1."""
    return [t + 1 - max(0, t - t % k1 + k1 - k2) for t in range(T)]


def by_windows(layer: nn.Recurrent, loss: Callable[[Tensor, slice], Tensor], x: Array, k: int) -> float:
    """Without `detach`, the second backward would meet the graph of the first window, which is freed."""
    total, state = 0.0, None
    for start in range(0, len(x), k):
        steps = slice(start, min(start + k, len(x)))
        outputs, state = layer(x[steps], nn.detach(state))
        part = loss(outputs, steps)
        part.backward()
        total += part.item()
    return total
