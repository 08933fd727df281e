"""The adding problem: two numbers of a hundred are marked, and their sum is asked for at the end.

    python demos/long_lag/adding.py
    python demos/long_lag/adding.py --forget-bias 0        # break it: forget by half at each step

Hochreiter and Schmidhuber 1997, experiment 4. Each step has a value in [-1, 1] and a marker. One of the first ten steps
is marked by 1, then one of the first T/2 - 1 that are not marked yet; the markers of the first and the last step are -1
unless marked, all others 0. If the first step is marked, its value is 0. The length is drawn from T..T + T/10, and the
answer is 0.5 + (X1 + X2) / 4. What is marked lies at least T/2 steps before the end.

Their own cell, which has no forget gate, is tried as well, with their input gates, nearly closed, and our optimizer.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.task import Sequences, Task
from tinygrad_rnn.tensor import Array

COUNTS = {100: 74_000, 500: 209_000, 1000: 853_000}  # sequences, by T: their table 7
LAST, WORST, MEAN = 2000, 0.04, 0.01  # of so many sequences, the worst and the mean error are to be smaller


def marked(rng: np.random.Generator, T: int, B: int, *, low: float, neutral: float) -> tuple[Array, Array, Array]:
    """Inputs [T', B, 2] of values in [``low``, 1] and markers, the lengths [B], and the two marked values [2, B].

    ``neutral`` is the value of the first step where it is marked.
    """
    every = np.arange(B)
    lengths = rng.integers(T, T + T // 10 + 1, B)
    first = rng.integers(10, size=B)
    second = rng.integers(T // 2 - 1, size=B)
    second += second >= first  # the first T/2 - 1 steps, without the one that is marked already
    inputs = np.zeros((lengths.max(), B, 2), np.float32)
    inputs[:, :, 0] = rng.uniform(low, 1, inputs.shape[:2])
    inputs[0, :, 1] = inputs[lengths - 1, every, 1] = -1
    both = np.stack([first, second])
    inputs[both, every, 1] = 1
    inputs[0, (both == 0).any(axis=0), 0] = neutral
    return inputs, lengths, inputs[both, every, 0]


def draw(rng: np.random.Generator, B: int, T: int = 100) -> Sequences:
    """``B`` sequences and their sums."""
    inputs, lengths, values = marked(rng, T, B, low=-1, neutral=0)
    return Sequences(inputs, lengths - 1, np.arange(B), 0.5 + values.sum(axis=0) / 4)


def task(T: int) -> Task:
    """The adding problem with sequences of ``T`` steps or a tenth more."""
    return Task(
        name=f"adding, T = {T}",
        draw=lambda rng, B: draw(rng, B, T),
        inputs=2,
        outputs=1,
        symbols=False,
        lag=T,
        rule=f"the last {LAST:,} are right within {WORST}, and within {MEAN} on average",
        met=lambda errors: bool(errors.max() < WORST and errors.mean() < MEAN),
        window=LAST,
        blind=(2 - 1 / 10 - 9 / 10 / (T // 2 - 1)) / 3 / 16,  # the answer's variance: 1/3 a value, but 0 for step one's
        weights=93,
        count=COUNTS.get(T),
    )


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it adds, and count."""
    report.main(__doc__, task, arguments, lags=(100, 500, 1000), least=20, cells=("LSTM", "RNN", "1997"))


if __name__ == "__main__":
    console.run(main)
