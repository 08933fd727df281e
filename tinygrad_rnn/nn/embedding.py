"""A table with a row for each token."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.init import Seed, generator, normal
from tinygrad_rnn.nn.module import Module, here, positive
from tinygrad_rnn.ops import take
from tinygrad_rnn.tensor import Array, Tensor, plain


class Embedding(Module):
    """Row ``weight[i]`` for each index i: ``weight`` [V, E], indices [...] give [..., E].

    The rows start normal with mean 0 and standard deviation 1, as in PyTorch.

    >>> embedding = Embedding(65, 8, rng=0)
    >>> embedding(np.array([[3, 1], [4, 1], [5, 9]])).shape
    (3, 2, 8)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, dtype: npt.DTypeLike = np.float32, rng: Seed = None
    ) -> None:
        sizes = positive(num_embeddings, "num_embeddings", self), positive(embedding_dim, "embedding_dim", self)
        self.weight = Tensor(normal(sizes, generator(rng)), True, dtype=dtype)

    def forward(self, indices: Tensor | Array) -> Tensor:
        """Indices [...] to rows [..., E]. Raises TypeError unless they are integers, IndexError outside 0..V-1."""
        array, V = np.asarray(plain(indices)), len(self.weight)
        if array.dtype.kind not in "iu":
            raise TypeError(f"{here()}: indices are integers, but these are {array.dtype}")
        if array.size and not (array.min() >= 0 and array.max() < V):
            first = tuple(np.argwhere((array < 0) | (array >= V))[0].tolist())
            raise IndexError(f"{here()}: index {array[first]} at {first} is outside 0..{V - 1}")
        return take(self.weight, indices if isinstance(indices, Tensor) else array)
