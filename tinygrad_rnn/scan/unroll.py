"""Running a step along time as a Python loop: every operation of every step is recorded.

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

    ``state`` is anything that ``step`` takes and returns, such as a Tensor or a tuple of them. Each of ``xs`` is
    [T, ...]. Returns the last state and the outputs y, stacked [T, ...] in the order of time. Step t is recorded in
    the scope of time step t. Raises ValueError if ``xs`` differ in T or have no step, and TypeError if ``xs`` is no
    tuple or ``step`` returns no pair.

    >>> import numpy as np
    >>> from tinygrad_rnn import Tensor
    >>> add = lambda total, x: (total + x, total + x)
    >>> scan(add, Tensor(0.0), (Tensor([1.0, 2.0, 4.0]),))[1].data
    array([1., 3., 7.])

    A cell is a function of (x, state), so a step of it reads

    >>> from tinygrad_rnn import nn
    >>> cell = nn.RNNCell(3, 5, rng=0)
    >>> def step(h, x):
    ...     h = cell(x, h)
    ...     return h, h
    >>> h, outputs = scan(step, Tensor(np.zeros((2, 5), np.float32)), (Tensor(np.ones((7, 2, 3), np.float32)),))
    >>> outputs.shape
    (7, 2, 5)
    """
    if not isinstance(xs, (tuple, list)):
        raise TypeError(f"scan: xs is a tuple of what each step takes, not a {type(xs).__name__}; write (x,)")
    lengths = {len(x) for x in xs}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"scan: xs need one common number of steps T > 0, but have {[len(x) for x in xs]}")
    steps = range(lengths.pop())
    outputs: list[Tensor] = []
    for t in reversed(steps) if reverse else steps:
        with scope(t):
            result = step(state, *[x[t] for x in xs])
            if type(result) is not tuple or len(result) != 2:
                raise TypeError(f"scan: step returns a tuple (state, output), not a {type(result).__name__}")
            state, y = result
            outputs.append(y)
    return state, stack(*(reversed(outputs) if reverse else outputs))
