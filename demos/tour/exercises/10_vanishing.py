"""The exercises of 10: `pytest tests/exercises/test_10_vanishing.py` says whether they are solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array


def growth(step: Callable[[Any], Tensor], h: Array, rounds: int = 400) -> float:
    """The spectral radius of the Jacobian of ``step`` at ``h`` [H], a state that the step maps to itself.

    Make no matrix. Pull a random vector back through the step again and again, and give it length 1 after each round.
    A round multiplies its length by some factor. If the largest eigenvalues are a pair of complex numbers, the factors
    swing for ever; their geometric mean over the second half of all rounds is the answer.
    """
    raise NotImplementedError


def clipped(gradients: Sequence[Array], largest: float) -> list[Array]:
    """The ``gradients`` of all weights, scaled by one factor so that their common length is at most ``largest``.

    The length is the root of the sum of all squares. If it is not above ``largest``, nothing changes; all may be 0.
    """
    raise NotImplementedError
