"""Affine maps: x Wᵀ + b."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.init import Seed, generator, uniform
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.ops import linear, take
from tinygrad_rnn.tensor import Tensor


class Linear(Module):
    """x Wᵀ + b: ``weight`` [out, in], ``bias`` [out]; x [..., in] gives [..., out].

    Both start uniform in ±1/√in, as in PyTorch.
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
        rng, bound = generator(rng), 1 / np.sqrt(in_features)
        self.weight = Tensor(uniform((out_features, in_features), bound, rng), True, dtype=dtype)
        self.bias = Tensor(uniform((out_features,), bound, rng), True, dtype=dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out]. Raises ValueError for another number of features."""
        return linear(x, self.weight, self.bias)


def project(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x Wᵀ + b for the inputs x [T, B, F] of all time steps at once.

    A gather commutes with an affine map: if x was just taken from an embedding table of fewer rows than x has, the
    rows of the table are mapped instead of those of x, and then taken.
    """
    node = x.node
    if node is not None and node.op is take and not node.params and node.inputs[0].size < x.size:
        table, indices = node.inputs
        return take(linear(table, weight, bias), indices)
    return linear(x, weight, bias)
