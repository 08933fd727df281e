"""Layer normalisation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.module import Module, as_input, positive
from tinygrad_rnn.ops import mean, sqrt, var
from tinygrad_rnn.tensor import Array, Tensor


class LayerNorm(Module):
    """(x - μ) / √(σ² + eps) · weight + bias, with mean μ and variance σ² of each row over its ``features``.

    ``weight`` [features] starts at 1, ``bias`` [features] at 0 (None with ``bias=False``); x [..., features] gives
    the same shape. Ba, Kiros, Hinton 2016 (arXiv:1607.06450), section 3; names and eps as in PyTorch.

    >>> LayerNorm(3)(np.array([[1.0, 2.0, 3.0]], np.float32)).data.round(4)
    array([[-1.2247,  0.    ,  1.2247]], dtype=float32)
    >>> LayerNorm(3, eps=1e-3)
    LayerNorm(weight[3], bias[3], eps=0.001)
    """

    _shown: ClassVar = {"eps": 1e-5}

    def __init__(
        self, features: int, *, eps: float = 1e-5, bias: bool = True, dtype: npt.DTypeLike = np.float32
    ) -> None:
        features = positive(features, "features", self)
        self.eps = float(eps)
        self.weight = Tensor(np.ones(features), True, dtype=dtype)
        self.bias = Tensor(np.zeros(features), True, dtype=dtype) if bias else None

    def forward(self, x: Tensor | Array) -> Tensor:
        """x [..., features], normalised. Raises ValueError for another number of features."""
        x = as_input(x, self.weight.size, self.weight.dtype)
        out = (x - mean(x, axis=-1, keepdims=True)) / sqrt(var(x, axis=-1, keepdims=True) + self.eps) * self.weight
        return out if self.bias is None else out + self.bias
