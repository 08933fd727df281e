"""Numbers: how well a model predicts a text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from demos.lm.model import CharLM
from tinygrad_rnn import cross_entropy, no_grad, text
from tinygrad_rnn.text.vocabulary import Ids


def score(model: CharLM, windows: Iterable[tuple[Ids, Ids]]) -> text.Score:
    """How well ``model`` predicts the text that was cut into ``windows``, by ``text.evaluation_batches``.

    Total nats and total characters, so that windows of unequal size are no matter; the state is carried from window
    to window, from a fresh start, and is its own.
    """
    total, state = text.Score(), None
    with no_grad():
        for inputs, targets in windows:
            logits, state = model(inputs, state)
            nats = cross_entropy(logits, targets, reduction="sum", ignore_index=text.IGNORE)
            total.add(nats.item(), int(np.count_nonzero(targets != text.IGNORE)))
    return total


def in_words(nats: float) -> str:
    """A cross-entropy in its three forms, for people.

    >>> in_words(1.5)
    '1.500 nats, 2.164 bits, perplexity 4.48'
    """
    return f"{nats:.3f} nats, {text.bits(nats):.3f} bits, perplexity {text.perplexity(nats):.2f}"
