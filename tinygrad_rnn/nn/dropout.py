"""Dropout."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np

from tinygrad_rnn.nn.init import Seed, generator
from tinygrad_rnn.nn.module import Module, here
from tinygrad_rnn.tensor import Array, Tensor


class Dropout(Module):
    """In training each element is set to 0 with probability ``p``, and the others are divided by 1 - p.

    So the expected value stays; in evaluation, and with p = 0, x comes back as it is. The draws come from ``rng``,
    and the same seed gives the same ones. Srivastava et al. 2014.

    >>> dropout = Dropout(0.5, rng=0)
    >>> dropout(Tensor(np.ones(8))).data
    array([0., 0., 0., 2., 2., 2., 2., 2.])
    >>> dropout.eval()(Tensor(np.ones(8))).data
    array([1., 1., 1., 1., 1., 1., 1., 1.])

    >>> dropout
    Dropout(p=0.5)

    Raises ValueError if p is not in [0, 1].
    """

    _shown: ClassVar = {"p": None}

    def __init__(self, p: float = 0.5, *, rng: Seed = None) -> None:
        self.p = probability("Dropout: p", p)
        self.rng = generator(rng)

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape, with a new mask at every call."""
        if not isinstance(x, Tensor):
            raise TypeError(f"{here()}: takes a Tensor, not a {type(x).__name__}")
        if not self.training or not self.p:
            return x
        keep = bernoulli(x.shape, 1 - self.p, self.rng).astype(x.dtype)
        return x * (keep if self.p == 1 else keep / (1 - self.p))


def probability(name: str, p: float) -> float:
    """``p`` as a float; ValueError unless it is in [0, 1]."""
    if not isinstance(p, Real) or not 0 <= p <= 1:
        raise ValueError(f"{name} is a probability in [0, 1], not {p!r}")
    return float(p)


def bernoulli(shape: tuple[int, ...], p: float, rng: np.random.Generator) -> Array:
    """True with probability ``p``, to 24 bits, False otherwise."""
    return rng.random(shape, np.float32) < p
