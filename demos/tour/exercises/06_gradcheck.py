"""The exercises of 06: `pytest tests/exercises/test_06_gradcheck.py` says whether they are solved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def slope(f: Callable[[float], float], x: float) -> float:
    """f'(x) by a central difference, with an error below 1e-8 of it.

    x lies between 0.001 and 1,000,000, and f is a power, a root or a logarithm. No one step is right for all of them.
    """
    raise NotImplementedError


def softsign_rule(g: Any, out: Any, x: Any) -> Any:
    """The rule of softsign(x) = x / (1 + |x|): from the cotangent ``g`` of the result ``out`` that of ``x``.

    Use operators and operations of tinygrad_rnn only. They take arrays and Tensors, so that backward can record the
    rule and differentiate it once more.
    """
    raise NotImplementedError
