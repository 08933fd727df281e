"""Adding with ReLU: a plain recurrent network that starts by remembering everything.

    python demos/long_lag/irnn.py
    python demos/long_lag/irnn.py --full

Le, Jaitly, Hinton 2015 (arXiv:1504.00941), section 4.1: T values in [0, 1], two of which are marked by 1, all others by
0; the answer is the sum of the two. Their IRNN has 100 ReLU units, the identity as recurrent weights, and biases of 0,
so that at first it only adds up what comes in. Who always answers 1 has a mean squared error of 1/6; they show the IRNN
far below it at T = 150. Their input weights start at a standard deviation of 0.001, which takes very long to leave;
here it is 0.1, and 50 units.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.task import Sequences, Task

BLIND = 1 / 6  # the mean squared error of who always answers 1
LAST, MSE = 2000, BLIND / 10  # of so many sequences, the mean squared error is to be smaller


def draw(rng: np.random.Generator, B: int, T: int = 150) -> Sequences:
    """``B`` sequences of ``T`` steps, and their sums."""
    every = np.arange(B)
    inputs = np.zeros((T, B, 2), np.float32)
    inputs[:, :, 0] = rng.random((T, B))
    first, second = rng.integers(T, size=B), rng.integers(T - 1, size=B)
    second += second >= first
    both = np.stack([first, second])
    inputs[both, every, 1] = 1
    return Sequences(inputs, np.full(B, T - 1), every, inputs[both, every, 0].sum(axis=0))


def task(T: int) -> Task:
    """Adding over ``T`` steps."""
    return Task(
        name=f"adding values in [0, 1], T = {T}",
        draw=lambda rng, B: draw(rng, B, T),
        inputs=2,
        outputs=1,
        symbols=False,
        lag=T,
        rule=f"the mean squared error of the last {LAST:,} is below {MSE:.4f}",
        met=lambda errors: bool(np.square(errors).mean() < MSE),
        window=LAST,
        blind=BLIND,
        units=50,
        batch=16,
        rate=0.0005,
    )


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it adds, and count."""
    report.main(__doc__, task, arguments, lags=(150, 200, 300), least=2, cells=("IRNN", "RNN"))


if __name__ == "__main__":
    console.run(main)
