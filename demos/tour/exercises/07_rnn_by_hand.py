"""The exercises of 07: `pytest tests/exercises/test_07_rnn_by_hand.py` says whether they are solved. NumPy only."""

from __future__ import annotations

from tinygrad_rnn.tensor import Array


def to_first_state(W_hh: Array, to_h: Array, hs: Array) -> Array:
    """∂loss/∂h_0 [H] for h_t = tanh(W_hh h_{t-1} + what the input gives).

    ``to_h`` [T, H] holds, for t = 1..T, what the loss of step t alone sends to h_t, which is W_hyᵀ ∂y_t. ``hs``
    [T + 1, H] are the states h_0..h_T. If an encoder made h_0, this is what it learns from.
    """
    raise NotImplementedError


def leaky_backward(to_h: Array, h: Array, a: Array, W: Array, leak: float) -> tuple[Array, Array, Array]:
    """The cotangents of h [H], a [H] and W [H, H], where ``to_h`` [H] is that of the new state.

    The new state is (1 - leak) h + leak tanh(W h + a): h goes into it two ways.
    """
    raise NotImplementedError
