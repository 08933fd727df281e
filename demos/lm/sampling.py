"""New characters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from demos.lm.model import CharLM
from tinygrad_rnn import text
from tinygrad_rnn.scan import Stepper
from tinygrad_rnn.tensor import Array, Tensor


def continuation(model: CharLM, **settings: Any) -> Iterator[str]:
    """Characters drawn from ``model`` one by one; ``settings`` are those of ``text.generate``: prompt, length, rng, ...

    The state is its own. A model in training mode would drop out here as well: call ``model.eval()`` before.
    """

    def step(state: Any, ids: Tensor) -> tuple[Any, Tensor]:
        logits, state = model(ids, state)
        return state, logits

    def next_logits(index: int, _: None) -> tuple[Array, None]:
        return stepper(np.array([[index]]))[0, 0], None

    stepper = Stepper(step, model.zero_state(), np.zeros((1, 1), int))
    return text.generate(next_logits, None, model.vocabulary, **settings)
