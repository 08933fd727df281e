"""Two sequences: the sign of the first three values is the class, and noise on the same line follows.

    python demos/long_lag/two_sequences.py

Hochreiter and Schmidhuber 1997, experiment 3a, after Bengio, Simard, Frasconi 1994. The first N = 3 values are all 1 or
all -1; those after them are normal with mean 0 and variance 0.2. The length is drawn from T..T + T/10; at the end the
answer is the class. (They found that guessing weights at random solves it sooner than any learning.)
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.task import Sequences, Task

N = 3  # values that tell the class
COUNTS = {100: 27_380, 1000: 446_850}  # sequences, by T: their table 4, criterion ST1
FRESH, WORST = 256, 0.2  # of so many sequences, the worst error is to be smaller


def draw(rng: np.random.Generator, B: int, T: int = 100) -> Sequences:
    """``B`` sequences and their classes, 0 for -1 and 1 for 1."""
    lengths = rng.integers(T, T + T // 10 + 1, B)
    inputs = rng.normal(0, 0.2**0.5, (lengths.max(), B, 1)).astype(np.float32)
    classes = rng.integers(2, size=B)
    inputs[:N, :, 0] = 2 * classes - 1
    return Sequences(inputs, lengths - 1, np.arange(B), classes)


def task(T: int) -> Task:
    """The task with sequences of ``T`` steps or a tenth more."""
    return Task(
        name=f"two sequences, T = {T}",
        draw=lambda rng, B: draw(rng, B, T),
        inputs=1,
        outputs=2,
        symbols=False,
        lag=T,
        rule=f"{FRESH} fresh sequences are all right within {WORST}",
        met=lambda errors: bool(errors.max() < WORST),
        window=FRESH,
        exam=lambda rng: draw(rng, FRESH, T),
        blind=1 / 2,
        weights=102,
        count=COUNTS.get(T),
        units=8,
    )


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it tells them apart, and count."""
    report.main(__doc__, task, arguments, lags=(100,), least=N + 1)


if __name__ == "__main__":
    console.run(main)
