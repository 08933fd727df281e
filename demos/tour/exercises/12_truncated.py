"""The exercises of 12: `pytest tests/exercises/test_12_truncated.py` says whether they are solved."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.tensor import Array


def reach(T: int, k1: int, k2: int) -> list[int]:
    """For each step 0..T-1, how many steps of input its loss reaches back to, its own included.

    Rounds begin at the steps 0, k1, 2 k1, ... A round is about the k1 steps from there, and its graph begins k2 steps
    before its end; or at step 0, if that is later. The end is where the round would end if T were large enough.
    """
    raise NotImplementedError


def by_windows(layer: nn.Recurrent, loss: Callable[[Tensor, slice], Tensor], x: Array, k: int) -> float:
    """Go along ``x`` [T, B, F] in windows of k steps (the last may be shorter), and call backward in each of them.

    ``outputs, state = layer(x, state)`` runs a window, where the state may be a tuple, and ``loss(outputs, steps)`` is
    its loss, a scalar; ``steps`` says which steps of ``x`` it is about. The gradients of the windows add up in `.grad`
    of the parameters. Returns the sum of all losses.
    """
    raise NotImplementedError
