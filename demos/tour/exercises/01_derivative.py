"""The exercises of 01: `pytest tests/exercises/test_01_derivative.py` says whether they are solved."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_rnn import Tensor


def by_hand(x: float) -> float:
    """The derivative of exp(sin(x²)) at x, by the chain rule: `math` is all you need."""
    raise NotImplementedError


def newton(f: Callable[[Tensor], Tensor], x: float, steps: int = 20) -> float:
    """A zero of f, from the start x: `steps` times x ← x - f(x) / f'(x).

    ``f`` takes a Tensor and returns one, so the engine can give f'(x).
    """
    raise NotImplementedError
