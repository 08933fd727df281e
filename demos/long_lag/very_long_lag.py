"""A very long lag: the second symbol of a sequence is also its last, after very many others that mean nothing.

    python demos/long_lag/very_long_lag.py
    python demos/long_lag/very_long_lag.py --lag 1000
    python demos/long_lag/very_long_lag.py --cells LSTM GRU

Hochreiter and Schmidhuber 1997, experiment 2c: b, then x or y, then q symbols drawn from q distractors, then more of
them, each with a probability of 9/10, then e; after it the answer is the x or y of the start. Every sequence bridges
q + 1 steps or more: there are no short ones to begin with.

The paper gives q + 14 as the mean length; of the generator that it describes, it is q + 13 (with the last symbol, which
is asked for and never seen).

The criterion must hold on 10,000 sequences in a row, each judged before it is learned from, while the weights go on
moving. These 10,000 are part of each count.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.task import Sequences, Task

COUNTS = {50: 30_000, 100: 31_000, 200: 33_000, 500: 38_000, 1000: 49_000}  # sequences, by q: their table 3
LAST, WORST = 10_000, 0.2  # of so many sequences, the worst error is to be smaller


def draw(rng: np.random.Generator, B: int, q: int = 50) -> Sequences:
    """``B`` sequences and their last symbols, 0 for x and 1 for y. Symbols: q distractors, then e, b, x, y."""
    every = np.arange(B)
    trigger = q + 1 + rng.geometric(0.1, B)  # where e stands
    inputs = rng.integers(q, size=(trigger.max() + 1, B))
    classes = rng.integers(2, size=B)
    inputs[trigger, every] = q
    inputs[0], inputs[1] = q + 1, q + 2 + classes
    return Sequences(inputs, trigger, every, classes)


def task(q: int) -> Task:
    """The task with a lag of ``q`` + 1 or more, and ``q`` kinds of distractors."""
    return Task(
        name=f"very long lag, q = {q}",
        draw=lambda rng, B: draw(rng, B, q),
        inputs=q + 4,
        outputs=2,
        symbols=True,
        lag=q,
        rule=f"the last {LAST:,} are right within {WORST}",
        met=lambda errors: bool(errors.max() < WORST),
        window=LAST,
        blind=1 / 2,
        weights=6 * q + 64,
        count=COUNTS.get(q),
        units=8,
        batch=64,
    )


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it remembers, and count."""
    report.main(__doc__, task, arguments, lags=(50, 100, 200, 500, 1000), least=2)


if __name__ == "__main__":
    console.run(main)
