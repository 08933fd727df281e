"""Initial values: functions of a shape and a random generator to a float64 array, to be given to a parameter.

    lstm.weight_hh_l0.data = np.concatenate([init.orthogonal((H, H), rng) for _ in range(4)])  # each gate its own

A weight [out, in] has a fan-in of ``in`` and a fan-out of ``out``: the number of terms in each sum of the forward
pass, and in each sum of the backward pass. Keeping the variance of such sums at that of their terms is what the
formulas named after Xavier Glorot and Kaiming He are made for.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from tinygrad_rnn.tensor import Array

Seed: TypeAlias = int | np.random.Generator | None
Shape: TypeAlias = tuple[int, ...]


def generator(seed: Seed) -> np.random.Generator:
    """``seed`` itself if it is a generator, else a new one: from the number, or from the system's entropy if None."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise TypeError(f"rng is a whole number, a numpy.random.Generator or None, not {seed!r}: {error}") from None


def uniform(shape: Shape, rng: np.random.Generator, *, bound: float = 1.0) -> Array:
    """Uniform in [-bound, bound): variance bound²/3."""
    return rng.uniform(-bound, bound, shape)


def normal(shape: Shape, rng: np.random.Generator, *, std: float = 1.0) -> Array:
    """Normal with mean 0 and standard deviation ``std``."""
    return rng.normal(0.0, std, shape)


def xavier_uniform(shape: Shape, rng: np.random.Generator, *, gain: float = 1.0) -> Array:
    """Uniform in ±gain √(6 / (fan_in + fan_out)). Glorot and Bengio 2010, equation 16.

    >>> bool(np.abs(xavier_uniform((2, 4), np.random.default_rng(0))).max() <= 1)
    True
    """
    return uniform(shape, rng, bound=gain * math.sqrt(6 / sum(fans("xavier_uniform", shape))))


def xavier_normal(shape: Shape, rng: np.random.Generator, *, gain: float = 1.0) -> Array:
    """Normal with variance gain² 2 / (fan_in + fan_out). Glorot and Bengio 2010, equation 12."""
    return normal(shape, rng, std=gain * math.sqrt(2 / sum(fans("xavier_normal", shape))))


def kaiming_uniform(
    shape: Shape, rng: np.random.Generator, *, slope: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in"
) -> Array:
    """Uniform, with the variance of ``kaiming_normal``."""
    return uniform(shape, rng, bound=math.sqrt(3) * kaiming_std("kaiming_uniform", shape, slope, mode))


def kaiming_normal(
    shape: Shape, rng: np.random.Generator, *, slope: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in"
) -> Array:
    """Normal with variance 2 / ((1 + slope²) fan): for layers before max(x, slope x), which is ReLU at slope 0.

    He, Zhang, Ren, Sun 2015 (arXiv:1502.01852), equations 10 (fan_in), 14 (fan_out) and 15 (slope).
    """
    return normal(shape, rng, std=kaiming_std("kaiming_normal", shape, slope, mode))


def orthogonal(shape: Shape, rng: np.random.Generator, *, gain: float = 1.0) -> Array:
    """A matrix with orthonormal columns (rows, if it has more columns than rows), times ``gain``.

    Every such matrix is equally likely: the QR decomposition of a normal one, with the signs that make R's diagonal
    positive. Saxe, McClelland, Ganguli 2014 (arXiv:1312.6120).

    >>> q = orthogonal((5, 3), np.random.default_rng(0))
    >>> bool(np.allclose(q.T @ q, np.eye(3)))
    True
    """
    rows, columns = matrix("orthogonal", shape)
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diagonal(r) < 0, -gain, gain)
    return q if rows >= columns else q.T


def identity(shape: Shape, rng: Seed = None, *, scale: float = 1.0) -> Array:  # noqa: ARG001  the same call for all
    """``scale`` on the diagonal, 0 elsewhere. Le, Jaitly, Hinton 2015 (arXiv:1504.00941); nothing is drawn."""
    rows, columns = matrix("identity", shape)
    return scale * np.eye(rows, columns)


def constant(shape: Shape, rng: Seed = None, *, value: float) -> Array:  # noqa: ARG001  the same call for all
    """``value`` everywhere; nothing is drawn."""
    return np.full(shape, float(value))


def zeros(shape: Shape, rng: Seed = None) -> Array:  # noqa: ARG001  the same call for all
    """0 everywhere; nothing is drawn."""
    return np.zeros(shape)


def kaiming_std(name: str, shape: Shape, slope: float, mode: str) -> float:
    """The standard deviation of ``kaiming_normal``."""
    if mode not in {"fan_in", "fan_out"}:
        raise ValueError(f"{name}: mode is 'fan_in' or 'fan_out', not {mode!r}")
    fan_in, fan_out = fans(name, shape)
    return math.sqrt(2 / ((1 + slope**2) * (fan_in if mode == "fan_in" else fan_out)))


def fans(name: str, shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out of a weight [out, in]."""
    fan_out, fan_in = matrix(name, shape)
    if not fan_in or not fan_out:
        raise ValueError(f"{name}: a weight of shape {shape} has no elements, so no variance to choose")
    return fan_in, fan_out


def matrix(name: str, shape: Shape) -> tuple[int, int]:
    """``shape`` as rows and columns."""
    if len(shape) != 2:
        raise ValueError(f"{name}: only a matrix [out, in] has such initial values, not the shape {shape}")
    return shape
