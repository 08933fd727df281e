"""The exercises of 08: `pytest tests/exercises/test_08_rnn_by_engine.py` says whether they are solved."""

from __future__ import annotations

from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array


def leaky_loss(w: dict[str, Tensor], ids: Array, targets: Array, h: Tensor, leak: float) -> Tensor:
    """The loss of file 8's network, in nats, if the state is h_t = (1 - leak) h_{t-1} + leak tanh(a_t).

    a_t = W_xh x_t + W_hh h_{t-1} + b_h as before. The weights are w["W_xh"] [H, V], w["W_hh"] [H, H], w["W_hy"] [V, H],
    w["b_h"] [H] and w["b_y"] [V]; ``h`` [H] is the state before the first of the letters ``ids`` [T].
    """
    raise NotImplementedError


def shares(w: dict[str, Array], ids: Array, targets: Array, h: Array) -> Array:
    """What each step alone adds to ∂loss/∂W_hh: [T, H, H], whose sum over T is the gradient. The network is file 8's.

    W_hh is one tensor with T uses, so backward adds its T contributions up. Give each step a tensor of its own.
    """
    raise NotImplementedError
