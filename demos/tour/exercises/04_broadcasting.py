"""The exercises of 04: `pytest tests/exercises/test_04_broadcasting.py` says whether they are solved."""

from __future__ import annotations

from tinygrad_rnn.tensor import Array


def scale_and_shift(g: Array, x: Array, gain: Array, bias: Array) -> tuple[Array, Array, Array]:
    """The cotangents of x [T, B, H], gain [H] and bias [B, 1], where ``g`` [T, B, H] is that of x * gain + bias.

    NumPy only. Each has the shape of what it belongs to.
    """
    raise NotImplementedError


def centred(g: Array) -> Array:
    """The cotangent of x [..., H], where ``g`` [..., H] is that of x - x.mean(axis=-1, keepdims=True).

    NumPy only. Write down what the mean does to g on the way back, and subtract.
    """
    raise NotImplementedError
