"""Solutions of 05."""

from __future__ import annotations

import numpy as np

from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array


def table_gradient(g: Array, ids: Array, V: int) -> Array:
    """Forward is P table with P [N, V], so backward is Pᵀ g."""
    return np.eye(V)[ids].T @ g


def roughness(x: Tensor) -> Tensor:
    """Two slices, a difference, a square, a sum."""
    return ((x[1:] - x[:-1]) ** 2).sum()
