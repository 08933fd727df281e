"""Solutions of 06."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_rnn import ops


def slope(f: Callable[[float], float], x: float) -> float:
    """For a power of x, f''' h² / f' is about (h / x)²: the step must grow and shrink with x."""
    h = 1e-5 * x
    return (f(x + h) - f(x - h)) / (2 * h)


def softsign_rule(g: Any, out: Any, x: Any) -> Any:
    """The derivative is 1 / (1 + |x|)² on both sides of 0, and at 0."""
    return g / (1 + ops.abs(x)) ** 2
