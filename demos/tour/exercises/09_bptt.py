"""The exercises of 09: `pytest tests/exercises/test_09_bptt.py` says whether they are solved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array


def through_time(step: Callable[[Any, Any], Tensor], h: Array, xs: Array, g: Array) -> tuple[Array, Array]:
    """The cotangents of the first state ``h`` and of the inputs ``xs`` [T, ...], where ``g`` is that of the last state.

    ``h = step(h, x)`` is one step, a function of arrays or Tensors that returns a Tensor. Run it along ``xs`` and keep
    the states as arrays. Then go back, with a graph of one step at a time: `tinygrad_rnn.derivatives.vjp` makes it.
    """
    raise NotImplementedError


def visited(loss: Tensor) -> list[int]:
    """The time steps in the order in which backward comes to them, with no step listed twice in a row.

    For a layer it is T-1, ..., 0, and for two layers the same twice. Backward from ``loss`` is
    `tinygrad_rnn.debug.pullbacks`; a time step is the whole number in a node's scope, such as 7 in ("layer0", 7).
    Leaves have no node, and nodes outside of the loop over time no such number.
    """
    raise NotImplementedError
