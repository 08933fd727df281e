"""Temporal order: which of X and Y came first, and which second, when both were long ago.

    python demos/long_lag/temporal_order.py
    python demos/long_lag/temporal_order.py --forget-bias 0

Hochreiter and Schmidhuber 1997, experiment 6a. A sequence of 100 to 110 symbols starts with E and ends with B, and is
random in {a, b, c, d} between, but at one step of 10..20 and at one of 50..60 there is X or Y. After B the answer is
one of four classes: X X, X Y, Y X or Y Y.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.task import Sequences, Task

SYMBOLS = "abcdEBXY"
E, B_, X = map(SYMBOLS.index, "EBX")
LAST, WORST, MEAN = 2000, 0.3, 0.1  # of so many sequences, the worst and the mean error are to be smaller


def draw(rng: np.random.Generator, B: int) -> Sequences:
    """``B`` sequences and their classes 0..3."""
    every = np.arange(B)
    lengths = rng.integers(100, 111, B)
    inputs = rng.integers(4, size=(lengths.max(), B))
    inputs[0], inputs[lengths - 1, every] = E, B_
    first, second = rng.integers(2, size=(2, B))  # 0 for X, 1 for Y
    inputs[rng.integers(10, 21, B), every] = X + first
    inputs[rng.integers(50, 61, B), every] = X + second
    return Sequences(inputs, lengths - 1, every, 2 * first + second)


def task() -> Task:
    """Temporal order."""
    return Task(
        name="temporal order",
        draw=draw,
        inputs=len(SYMBOLS),
        outputs=4,
        symbols=True,
        lag=100,
        rule=f"the last {LAST:,} are right within {WORST}, and within {MEAN} on average",
        met=lambda errors: bool(errors.max() < WORST and errors.mean() < MEAN),
        window=LAST,
        blind=3 / 4,
        weights=156,
        count=31_390,
    )


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it knows the order, and count."""
    report.main(__doc__, task, arguments)


if __name__ == "__main__":
    console.run(main)
