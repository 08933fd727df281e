"""Initial values of parameters."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tinygrad_rnn.tensor import Array

Seed: TypeAlias = int | np.random.Generator | None


def generator(seed: Seed) -> np.random.Generator:
    """``seed`` itself if it is a generator, else a new one: from the number, or from the system's entropy if None."""
    return np.random.default_rng(seed)


def uniform(shape: tuple[int, ...], bound: float, rng: np.random.Generator) -> Array:
    """Uniform in [-bound, bound)."""
    return rng.uniform(-bound, bound, shape)
