"""The exercises of 15: `pytest tests/exercises/test_15_char_lm.py` says whether they are solved. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_rnn.tensor import Array


def perplexity(pieces: Sequence[Array]) -> float:
    """The perplexity per character of a text that was scored in ``pieces``.

    A piece [N] holds the probabilities that a model gave to the N characters that really came; N differs from piece to
    piece. The mean of the pieces' means is not the mean of the text. And a text may have a million characters, the
    product of whose probabilities is 0 in floating point.
    """
    raise NotImplementedError


def drawn(logits: Array, temperature: float, rng: np.random.Generator) -> int:
    """An index 0..V-1, drawn by the probabilities softmax(``logits`` / ``temperature``); ``logits`` are [V].

    At temperature 0 it is that of the largest. Logits may be as large as 10,000, so exp must not be taken of them as
    they are. ``rng.random()`` or ``rng.choice`` draws.
    """
    raise NotImplementedError
