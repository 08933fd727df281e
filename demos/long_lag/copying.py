"""Echo: symbols are heard, then nothing for long; at a sign they are to be said again, in their order.

    python demos/long_lag/copying.py
    python demos/long_lag/copying.py --lag 50
    python demos/long_lag/copying.py --cells LSTM GRU

The copying problem in the form of Arjovsky, Shah, Bengio 2016 (arXiv:1511.06464), section 5.1: S symbols of 8 kinds,
T - 1 blanks, the sign, and blanks again; the answer is a blank at the first T + S steps, then the S symbols, each T + S
steps after it was heard. There S is 10 and T is 100 or more, an LSTM hardly gets below the baseline,
S ln 8 / (T + 2 S) nats a step, and other networks are made for it. Here, as a smaller instance, S is 2.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.task import Sequences, Task

KINDS, BLANK, SIGN = 8, 8, 9
S = 2  # symbols to be remembered
LAST, WORST = 2000, 0.5  # of so many sequences, the worst error is to be smaller


def draw(rng: np.random.Generator, B: int, T: int = 20) -> Sequences:
    """``B`` sequences of T + 2 S steps, and what is to be said at each."""
    heard = rng.integers(KINDS, size=(S, B))
    inputs = np.full((T + 2 * S, B), BLANK)
    inputs[:S], inputs[S + T - 1] = heard, SIGN
    said = np.full_like(inputs, BLANK)
    said[-S:] = heard
    times, columns = np.indices(inputs.shape).reshape(2, -1)
    return Sequences(inputs, times, columns, said.reshape(-1))


def task(T: int) -> Task:
    """The task with ``T`` - 1 blanks between the symbols and the sign: ``T`` + S steps to an echo."""
    return Task(
        name=f"copying {S} symbols, T = {T}",
        draw=lambda rng, B: draw(rng, B, T),
        inputs=KINDS + 2,
        outputs=KINDS + 1,
        symbols=True,
        lag=T + S,
        rule=f"in the last {LAST:,} every symbol is right within {WORST}",
        met=lambda errors: bool(errors.max() < WORST),
        window=LAST,
        blind=7 / 8,
        units=128,
        rate=0.005,
    )


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it echoes, and count."""
    report.main(__doc__, task, arguments, lags=(20, 50, 100), least=1)


if __name__ == "__main__":
    console.run(main)
