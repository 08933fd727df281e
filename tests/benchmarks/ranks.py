"""What several ranks gain, and what their all-reduce costs.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 mpiexec -n 2 python tests/benchmarks/ranks.py

prints, for the all-reduce of arrays of several sizes and for a training step of the char-LM (two LSTM layers of 128
units, 82 characters, T = 50, float32) of several batches, milliseconds: the least of many, on rank 0. A step by all
ranks and one by rank 0 alone take turns, so that what else the machine does hits both.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file can be run from anywhere

from mpi4py import MPI

from demos.lm.model import CharLM
from demos.lm.ranks import Ranks, launched
from demos.lm.training import update
from tinygrad_rnn import optim, text

V, LAYERS, UNITS, T = 82, 2, 128, 50
ROUNDS = 60


def timed(function: Callable[[], Any]) -> float:
    """Seconds, of one call that all ranks begin together."""
    MPI.COMM_WORLD.Barrier()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def all_reduce(size: int) -> float:
    """Milliseconds of an all-reduce of ``size`` floats."""
    buffer = np.zeros(size, np.float32)
    return 1000 * min(timed(lambda: MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, buffer)) for _ in range(200))


def wait_idly() -> None:
    """Wait for rank 0 without using a processor."""
    while not MPI.COMM_WORLD.Iprobe(0):
        time.sleep(0.001)
    MPI.COMM_WORLD.Recv(np.empty(1), 0)


def stepper(batch: int, ranks: Ranks) -> Callable[[], Any]:
    """One step of training on this rank's part of a batch."""
    rng = np.random.default_rng(0)
    model = CharLM(text.Vocabulary("".join(map(chr, range(32, 32 + V)))), "lstm", LAYERS, UNITS, dropout=0.0, rng=rng)
    model.recurrent.unroll = False
    optimizer = optim.Adam(model.parameters(), 1e-3)
    own = ranks.own(batch)
    window = tuple(rng.integers(0, V, (T, batch))[:, own] for _ in range(2))

    def average(gradient: Any, loss: float) -> float:
        return ranks.average(gradient, loss, batch)

    return lambda: update(model, optimizer, window, None, clip=1.0, average=average)  # type: ignore[arg-type]


def steps(batch: int, ranks: Ranks) -> tuple[float, float]:
    """Milliseconds of a step by rank 0 alone, and of one by all ranks."""
    alone, together = stepper(batch, Ranks()), stepper(batch, ranks)
    singles, shared = [], []
    for _ in range(ROUNDS):
        MPI.COMM_WORLD.Barrier()
        if ranks.first:
            start = time.perf_counter()
            alone()
            singles.append(time.perf_counter() - start)
            for other in range(1, ranks.size):
                MPI.COMM_WORLD.Send(np.zeros(1), other)
        else:
            wait_idly()
        shared.append(timed(together))
    return 1000 * min(singles, default=0.0), 1000 * min(shared)


def main() -> None:
    """Print both tables."""
    ranks = launched()
    speak: Callable[..., None] = print if ranks.first else lambda *_: None
    speak(f"{ranks.size} ranks\n\n{'all-reduce of':>14} {'ms':>8}")
    for size in (1, 1_000, 10_000, 100_000, 285_000, 1_000_000, 4_000_000):
        found = all_reduce(size)
        speak(f"{4 * size / 1e6:>11.3f} MB {found:8.3f}")
    speak(f"\n{'B':>4} {'1 rank, ms':>12} {'all, ms':>9} {'gain':>6}")
    for batch in (2, 10, 50, 100, 200):
        single, shared = steps(batch, ranks)
        speak(f"{batch:>4} {single:12.1f} {shared:9.1f} {single / shared:6.2f}")


if __name__ == "__main__":
    main()
