"""What several ranks gain, and what their all-reduce costs.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 mpiexec -n 2 python tests/benchmarks/ranks.py

prints milliseconds, the least of many, on rank 0: of the all-reduce of arrays of several sizes; and of a training step
of the char-LM (two LSTM layers of 128 units, 82 characters, T = 50, float32) of several batches, by rank 0 alone and by
all ranks. "CPU" is processor time but for the all-reduce, of the rank that takes longest; it can be had on a machine
that has other work, where the time by the clock says little.
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
from tinygrad_rnn.tensor import Array

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


class Stepper:
    """A step of training on this rank's part of a batch."""

    def __init__(self, batch: int, ranks: Ranks) -> None:
        rng, own = np.random.default_rng(0), ranks.own(batch)
        vocabulary = text.Vocabulary("".join(map(chr, range(32, 32 + V))))
        self.model = CharLM(vocabulary, "lstm", LAYERS, UNITS, dropout=0.0, rng=rng)
        self.model.recurrent.unroll = False
        self.optimizer = optim.Adam(self.model.parameters(), 1e-3)
        self.window = rng.integers(0, V, (T, batch))[:, own], rng.integers(0, V, (T, batch))[:, own]
        self.batch, self.ranks, self.waited = batch, ranks, 0.0

    def __call__(self) -> tuple[float, float]:
        """Make one: seconds of the processor but for the all-reduce, and seconds by the clock."""
        clock, processor, self.waited = time.perf_counter(), time.process_time(), 0.0
        update(self.model, self.optimizer, self.window, None, clip=1.0, average=self.average)
        return time.process_time() - processor - self.waited, time.perf_counter() - clock

    def average(self, gradient: Array, loss: float) -> float:
        """The all-reduce; its processor time is noted."""
        start = time.process_time()
        mean = self.ranks.average(gradient, loss, self.batch)
        self.waited = time.process_time() - start
        return mean


def steps(batch: int, ranks: Ranks) -> tuple[float, float, float, float]:
    """Milliseconds of a step by rank 0 alone, and of one by all ranks, each of the processor and by the clock."""
    alone, together = Stepper(batch, Ranks()), Stepper(batch, ranks)
    singles, shared = [], []
    for _ in range(ROUNDS):
        MPI.COMM_WORLD.Barrier()
        if ranks.first:
            singles.append(alone())
            for other in range(1, ranks.size):
                MPI.COMM_WORLD.Send(np.zeros(1), other)
        else:
            wait_idly()
        MPI.COMM_WORLD.Barrier()
        shared.append(together())
    least = np.array([*np.min(singles or [(0.0, 0.0)], axis=0), *np.min(shared, axis=0)]) * 1000
    MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, least, MPI.MAX)
    single, single_clock, each, clock = map(float, least)
    return single, single_clock, each, clock


def main() -> None:
    """Print both tables."""
    ranks = launched()
    speak: Callable[..., None] = print if ranks.first else lambda *_: None
    speak(f"{ranks.size} ranks\n\n{'all-reduce of':>14} {'ms':>8}")
    for size in (1, 1_000, 10_000, 100_000, 285_000, 1_000_000, 4_000_000):
        found = all_reduce(size)
        speak(f"{4 * size / 1e6:>11.3f} MB {found:8.3f}")
    speak(f"\n{'B':>4} {'1 rank: CPU':>12} {'clock':>7} {'all: CPU':>9} {'clock':>7}")
    for batch in (2, 10, 50, 100, 200):
        single, single_clock, each, clock = steps(batch, ranks)
        speak(f"{batch:>4} {single:12.1f} {single_clock:7.1f} {each:9.1f} {clock:7.1f}")


if __name__ == "__main__":
    main()
