"""Running a cell along time as a Python loop: every operation of every step is recorded.

Backpropagation through time needs nothing of its own: it is ``backward`` on that graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_rnn.ops import stack
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Tensor


def scan(
    step: Callable[..., tuple[Any, Tensor]], state: Any, xs: tuple[Tensor, ...], *, reverse: bool = False
) -> tuple[Any, Tensor]:
    """Carry ``state`` along time: ``state, y = step(state, *xs at t)`` for t = 0..T-1, or from T-1 down to 0.

    Each of ``xs`` is [T, ...]. Returns the last state and the outputs y, stacked [T, ...] in the order of time. Step t
    is recorded in the scope of time step t. Raises ValueError if ``xs`` differ in T or have no step.

    >>> import numpy as np
    >>> from tinygrad_rnn import Tensor
    >>> add = lambda total, x: (total + x, total + x)
    >>> scan(add, Tensor(0.0), (Tensor([1.0, 2.0, 4.0]),))[1].data
    array([1., 3., 7.])
    """
    lengths = {len(x) for x in xs}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"scan: xs need one common number of steps T > 0, but have {[len(x) for x in xs]}")
    steps = range(lengths.pop())
    outputs: list[Tensor] = []
    for t in reversed(steps) if reverse else steps:
        with scope(t):
            state, y = step(state, *[x[t] for x in xs])
            outputs.append(y)
    return state, stack(*(reversed(outputs) if reverse else outputs))
