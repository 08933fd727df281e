"""The multiplication problem: like adding, but the answer is the product, which no sum of memories makes by itself.

    python demos/long_lag/multiplication.py
    python demos/long_lag/multiplication.py --cells LSTM GRU

Hochreiter and Schmidhuber 1997, experiment 5: the sequences of the adding problem (adding.py), with values in [0, 1], a
value of 1 where the first step is marked, and the answer X1 · X2.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.adding import marked
from demos.long_lag.task import Sequences, Task

LAST, NEAR, MISSES = 2000, 0.04, 140  # of so many sequences, fewer than MISSES are to have a larger error than NEAR


def draw(rng: np.random.Generator, B: int, T: int = 100) -> Sequences:
    """``B`` sequences and their products."""
    inputs, lengths, values = marked(rng, T, B, low=0, neutral=1)
    return Sequences(inputs, lengths - 1, np.arange(B), values.prod(axis=0))


def task(T: int) -> Task:
    """The multiplication problem with sequences of ``T`` steps or a tenth more."""
    return Task(
        name=f"multiplication, T = {T}",
        draw=lambda rng, B: draw(rng, B, T),
        inputs=2,
        outputs=1,
        symbols=False,
        lag=T,
        rule=f"fewer than {MISSES} of the last {LAST:,} miss by more than {NEAR}",
        met=lambda errors: bool((errors > NEAR).sum() < MISSES),
        window=LAST,
        blind=variance(T),
        weights=93,
        count=482_000 if T == 100 else None,
    )


def variance(T: int) -> float:
    """The variance of the answer: the product of two uniform values, or one of them where the first step is marked."""
    once = 1 / 10 + 9 / 10 / (T // 2 - 1)  # the share of the sequences whose first step is marked
    mean = once / 2 + (1 - once) / 4
    return once / 3 + (1 - once) / 9 - mean**2


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it multiplies, and count."""
    report.main(__doc__, task, arguments, lags=(100,), least=20)


if __name__ == "__main__":
    console.run(main)
