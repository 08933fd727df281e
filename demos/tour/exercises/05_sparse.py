"""The exercises of 05: `pytest tests/exercises/test_05_sparse.py` says whether they are solved."""

from __future__ import annotations

from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array


def table_gradient(g: Array, ids: Array, V: int) -> Array:
    """The cotangent [V, E] of a table, where ``g`` [N, E] is that of the rows picked by ``ids`` [N] of 0..V-1.

    NumPy only, without a loop, `np.add.at` or `np.bincount`. Picking rows is a product with a matrix [N, V] of zeros
    and ones. (That is how one-hot vectors and embeddings are the same. For large V it is also a waste.)
    """
    raise NotImplementedError


def roughness(x: Tensor) -> Tensor:
    """The sum of (x[t+1] - x[t])² over t = 0..T-2 and all features of x [T, F].

    A loop over t would record T times as many operations. This takes at most five for any T.
    """
    raise NotImplementedError
