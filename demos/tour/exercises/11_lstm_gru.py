"""The exercises of 11: `pytest tests/exercises/test_11_lstm_gru.py` says whether they are solved."""

from __future__ import annotations

from tinygrad_rnn import Tensor


def bias_for(T: int, share: float) -> float:
    """The bias b of the forget gate with which, after T steps, ``share`` of ∂loss/∂c is left.

    Count the belt alone, ∂c_{t-1} = f ∂c_t, where each f is σ(b). ``share`` lies between 0 and 1.
    """
    raise NotImplementedError


def lecture_gru(h: Tensor, a: Tensor, W: Tensor) -> Tensor:
    """One step of the GRU in the form of Chung et al. 2014: the next state [H].

    ``h`` [H] is the state, ``a`` [3H] what the input and the biases give to the blocks r, z, n, and ``W`` [3H, H] the
    weights of the state, in the same blocks:

        r = σ(a_r + W_r h)    z = σ(a_z + W_z h)    n = tanh(a_n + W_n (r h))    h' = (1 - z) h + z n
    """
    raise NotImplementedError
