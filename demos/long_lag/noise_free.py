"""Two sequences without noise, and very much alike: only their first symbol says what their last one is.

    python demos/long_lag/noise_free.py

Hochreiter and Schmidhuber 1997, experiment 2a. There are two sequences of p + 1 symbols: x, a1, ..., a(p-1), x and
y, a1, ..., a(p-1), y. After each symbol the next one is to be predicted. A recurrent network of their time learned it
at p = 4, but for p = 100 not in 5,000,000 sequences.

All symbols but the last are a matter of one step, and while these are being learned, they fill the memory with what it
is not for. So, much as in the paper, outputs see the symbol of their step directly, for 512 sequences they learn from
it alone, and then memory is added. All sequences count.

The criterion is held against one batch of 32 before it is learned from. As there are but two sequences, and the weights
are those of one moment, more of them would show nothing new.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.task import Sequences, Task

WORST = 0.25  # the error of both sequences is to be smaller


def draw(rng: np.random.Generator, B: int, p: int = 100) -> Sequences:
    """``B`` times one of the two sequences. Symbols: a1, ..., a(p-1), x, y."""
    ends = p - 1 + rng.integers(2, size=B)
    between = np.repeat(np.arange(p - 1)[:, None], B, axis=1)
    whole = np.concatenate([ends[None], between, ends[None]])
    times, columns = np.indices((p, B)).reshape(2, -1)
    return Sequences(whole[:-1], times, columns, whole[1:].reshape(-1))


def task(p: int) -> Task:
    """The task with a lag of ``p`` steps."""
    return Task(
        name=f"noise-free, p = {p}",
        draw=lambda rng, B: draw(rng, B, p),
        inputs=p + 1,
        outputs=p + 1,
        symbols=True,
        lag=p,
        rule=f"both sequences are right within {WORST} at every step",
        met=lambda errors: bool(errors.max() < WORST),
        window=32,  # one batch, in which both occur
        blind=1 / 2,
        weights=10_504,
        count=5040 if p == 100 else None,
        alone=512,
    )


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it predicts both to the end, and count."""
    report.main(__doc__, task, arguments, lags=(100,), least=2)


if __name__ == "__main__":
    console.run(main)
