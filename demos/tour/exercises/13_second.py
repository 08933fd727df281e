"""The exercises of 13: `pytest tests/exercises/test_13_second.py` says whether they are solved."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array


def sharpness(f: Callable[[Tensor], Tensor], x: Array, rounds: int = 200) -> float:
    """The eigenvalue of the Hessian of ``f`` at ``x`` that is largest in size, with its sign.

    Make no matrix: `hvp` multiplies by it. Multiply a random vector again and again, and give it length 1 each time. It
    turns into the eigenvector v, and then vᵀ H v is the eigenvalue. (Gradient descent diverges there if its learning
    rate is above 2 over that, for a positive one.)
    """
    raise NotImplementedError


def penalised(f: Callable[[Tensor], Tensor], x: Tensor, strength: float) -> Tensor:
    """f(x) + ``strength`` times the sum of the squares of its gradient: a loss that prefers flat places.

    ``x`` is a leaf that requires grad, and the result will be differentiated with respect to it: the gradient must be a
    recorded one.
    """
    raise NotImplementedError
