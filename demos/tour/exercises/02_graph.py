"""The exercises of 02: `pytest tests/exercises/test_02_graph.py` says whether they are solved."""

from __future__ import annotations

from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array


def count(out: Tensor) -> int:
    """How many operations ``out`` was computed by, each counted once. Leaves are no operations."""
    raise NotImplementedError


def replay(out: Tensor, values: dict[Tensor, Array]) -> Array:
    """The value that ``out`` would have, were the leaves in ``values`` to have those values; others keep theirs.

    Run every recorded operation again, in the order in which they were made: ``node.op.forward`` is its NumPy function,
    which takes arrays and ``**node.params``. An input may be a Tensor, an array or a number.
    """
    raise NotImplementedError
