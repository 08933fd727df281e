"""Learning rates as functions of the step number.

A schedule is any function from a step number (0 for the first step) to a learning rate. Those here are plain values
without state: to resume at step 1000 is to call them with 1000.

    optimizer.lr = schedule(step)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

Schedule: TypeAlias = Callable[[int], float]


@dataclass(frozen=True)
class StepDecay:
    """``lr`` multiplied by ``gamma`` after every ``step_size`` steps: lr γ^⌊step / step_size⌋.

    >>> schedule = StepDecay(0.8, step_size=10, gamma=0.5)
    >>> schedule(0), schedule(9), schedule(10), schedule(20)
    (0.8, 0.8, 0.4, 0.2)
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        require(self, "step_size", self.step_size, least=1)

    def __call__(self, step: int) -> float:
        """The learning rate of step number ``step``."""
        return self.lr * self.gamma ** (step // self.step_size)


@dataclass(frozen=True)
class ExponentialDecay:
    """``lr`` multiplied by ``gamma`` after every step: lr γ^step.

    >>> schedule = ExponentialDecay(0.8, gamma=0.5)
    >>> schedule(0), schedule(1), schedule(3)
    (0.8, 0.4, 0.1)
    """

    lr: float
    gamma: float

    def __call__(self, step: int) -> float:
        """The learning rate of step number ``step``."""
        return self.lr * self.gamma**step


@dataclass(frozen=True)
class CosineDecay:
    """Half a cosine from ``lr`` at step 0 down to ``lr_min`` at step ``steps``, where it stays.

    lr_min + (lr - lr_min) (1 + cos(π step / steps)) / 2: Loshchilov and Hutter 2017 (arXiv:1608.03983), equation 5.

    >>> schedule = CosineDecay(0.8, steps=100, lr_min=0.2)
    >>> [round(schedule(step), 6) for step in (0, 50, 100, 1000)]
    [0.8, 0.5, 0.2, 0.2]
    """

    lr: float
    steps: int
    lr_min: float = 0.0

    def __post_init__(self) -> None:
        require(self, "steps", self.steps, least=1)

    def __call__(self, step: int) -> float:
        """The learning rate of step number ``step``."""
        progress = min(step / self.steps, 1.0)
        return self.lr_min + (self.lr - self.lr_min) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class WarmUp:
    """A linear rise over the first ``steps`` steps, from ``start_factor`` times the full rate, then ``schedule``.

    ``schedule`` is a rate that stays constant, or a schedule, which begins with its step 0 at full rate when the
    warm-up ends. Goyal et al. 2017 (arXiv:1706.02677), section 2.2.

    >>> schedule = WarmUp(ExponentialDecay(0.8, gamma=0.5), steps=4, start_factor=0.25)
    >>> [round(schedule(step), 6) for step in range(7)]
    [0.2, 0.35, 0.5, 0.65, 0.8, 0.4, 0.2]
    """

    schedule: Schedule | float
    steps: int
    start_factor: float = 1 / 3

    def __post_init__(self) -> None:
        require(self, "steps", self.steps, least=0)

    def __call__(self, step: int) -> float:
        """The learning rate of step number ``step``."""
        after = max(step - self.steps, 0)
        full = self.schedule(after) if callable(self.schedule) else self.schedule
        if step >= self.steps:
            return full
        return full * (self.start_factor + (1 - self.start_factor) * step / self.steps)


def require(schedule: object, name: str, value: float, least: int) -> None:
    """Raise ValueError unless ``value`` is at least ``least``."""
    if not isinstance(value, Real) or not value >= least:
        raise ValueError(f"{type(schedule).__name__}: {name} must be at least {least}, got {value!r}")
