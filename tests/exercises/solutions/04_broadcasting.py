"""Solutions of 04."""

from __future__ import annotations

from tinygrad_rnn.tensor import Array


def scale_and_shift(g: Array, x: Array, gain: Array, bias: Array) -> tuple[Array, Array, Array]:
    """gain is repeated along T and B, bias along T and H."""
    return g * gain, (g * x).sum(axis=(0, 1)), g.sum(axis=(0, 2)).reshape(bias.shape)


def centred(g: Array) -> Array:
    """The mean passes 1/H of the sum of -g to each of the H numbers, which is the mean of -g."""
    return g - g.mean(axis=-1, keepdims=True)  # type: ignore[no-any-return]
