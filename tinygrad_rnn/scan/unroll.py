"""Running a step along time as a Python loop: every operation of every step is recorded.

Backpropagation through time needs nothing of its own: it is ``backward`` on that graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_rnn.ops import stack
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Tensor


def scan_unrolled(
    step: Callable[..., tuple[Any, Tensor]], state: Any, xs: Sequence[Any], shared: Sequence[Any], *, reverse: bool
) -> tuple[Any, Tensor]:
    """``scan`` as a loop; step t is recorded in the scope of time step t."""
    steps = range(len(xs[0]))
    outputs: list[Tensor] = []
    for t in reversed(steps) if reverse else steps:
        with scope(t):
            state, y = pair(step(state, *[x[t] for x in xs], *shared))
            outputs.append(y)
    return state, stack(*(reversed(outputs) if reverse else outputs))


def pair(result: Any) -> tuple[Any, Tensor]:
    """What a step returned, if it is a pair (state, output); TypeError if not."""
    if type(result) is not tuple or len(result) != 2:
        raise TypeError(f"scan: step returns a tuple (state, output), not a {type(result).__name__}")
    return result
