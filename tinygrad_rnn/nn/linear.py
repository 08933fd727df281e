"""Affine maps: x Wᵀ + b."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.init import Seed, generator, uniform
from tinygrad_rnn.nn.module import Module, as_input, positive
from tinygrad_rnn.ops import linear
from tinygrad_rnn.tensor import Array, Tensor


class Linear(Module):
    """x Wᵀ + b: ``weight`` [out, in], ``bias`` [out] (None with ``bias=False``); x [..., in] gives [..., out].

    Both start uniform in ±1/√in, as in PyTorch.

    >>> layer = Linear(3, 2, rng=0)
    >>> layer(np.ones((5, 7, 3), np.float32)).shape
    (5, 7, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Seed = None,
    ) -> None:
        out_features = positive(out_features, "out_features", self, least=0)
        rng, bound = generator(rng), 1 / math.sqrt(positive(in_features, "in_features", self, least=0) or 1)
        self.weight = Tensor(uniform((out_features, in_features), rng, bound=bound), True, dtype=dtype)
        self.bias = Tensor(uniform((out_features,), rng, bound=bound), True, dtype=dtype) if bias else None

    def forward(self, x: Tensor | Array) -> Tensor:
        """x [..., in] to [..., out]. Raises ValueError for another number of features, TypeError for another dtype."""
        x = as_input(x, self.weight.shape[1], self.weight.dtype)
        return linear(x, self.weight, self.bias)
