"""Solutions of 15."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_rnn.tensor import Array


def perplexity(pieces: Sequence[Array]) -> float:
    """All nats over all characters."""
    return float(np.exp(-np.log(np.concatenate(pieces)).mean()))


def drawn(logits: Array, temperature: float, rng: np.random.Generator) -> int:
    """Subtracting the largest logit leaves softmax as it is."""
    if temperature == 0:
        return int(logits.argmax())
    p = np.exp((logits - logits.max()) / temperature)
    return int(rng.choice(len(p), p=p / p.sum()))
