"""Several processes that train one model together, each on streams of text of its own: MPI, through mpi4py.

    mpiexec -n 4 python demos/char_lm.py train

starts the program four times. Each process, a *rank*, has the whole model and B/4 of the B streams. After its backward
pass the gradients, which lie in one buffer, are averaged by one all-reduce. So every rank makes the same step: that of
one process with all streams, but for rounding. Rank 0 alone speaks, validates and writes files, and a checkpoint has
the state of all streams, so that any number of ranks can go on from it. Before the first step the ranks compare text,
options and checkpoint, for each reads its own.

What is wrong for all ranks, as a bad option or a loss that is no number, rank 0 tells, and each ends by itself. A rank
that fails alone says so and ends the others; one that is killed has them ended by mpiexec. Ctrl-C and SIGTERM, which
mpiexec passes on to all, end training after a step that all have made.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from demos.lm.settings import OptionError
from tinygrad_rnn.tensor import Array

RANKS = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")  # one of these is set where mpiexec or srun started us
ALL_FAIL = 5.0  # seconds, in which all ranks fail if what is wrong is wrong for all
FAILED = 1  # the tag of a message from a rank that has failed
PASSED_ON = 0.5  # seconds, in which mpiexec passes on what a rank has printed: it drops the rest when one aborts


class Ranks:
    """The processes that train together: this one alone."""

    rank, size = 0, 1

    def __init__(self) -> None:
        self.signals: list[int] = []  # that ask this process to stop

    @property
    def first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    @property
    def stop(self) -> bool:
        """Whether all are to stop after this step."""
        return bool(self.signals)

    def own(self, streams: int) -> slice:
        """Which of so many streams this rank has; ranks differ by one at most. Raises OptionError for too few."""
        if streams < self.size:
            raise OptionError(f"batch_size: {self.size} ranks need a stream of text each, but there are {streams}")
        return slice(*self.shares(streams)[self.rank : self.rank + 2])

    def shares(self, streams: int) -> list[int]:
        """Where the streams of each rank begin, and behind the last one end."""
        return [rank * streams // self.size for rank in range(self.size + 1)]

    def unite(self, known: Mapping[str, object], parameters: Array) -> None:
        """Have rank 0's ``parameters`` [N] on all ranks. Raises OptionError, on all, if what is ``known`` differs."""

    def average(self, gradient: Array, loss: float, streams: int) -> float:  # noqa: ARG002  alone it is the average
        """Average ``gradient`` [N], in place, and ``loss`` over all of so many streams; the loss is returned."""
        return loss

    def gathered(self, array: Array, streams: int) -> Array:  # noqa: ARG002  alone it is all
        """An array [L, own streams, H] of every rank as one [L, streams, H], for rank 0; others get what they gave."""
        return array

    def told(self, numbers: Sequence[float]) -> list[float]:
        """What rank 0 has for ``numbers``."""
        return list(numbers)

    def blamed(self, where: str) -> str:
        """After an ``average`` that is not finite: ``where`` numbers stopped being so, on a rank whose own were not."""
        return where

    def run(self, main: Callable[[], int]) -> int:
        """The exit code of the program ``main``."""
        return main()


class MPIRanks(Ranks):
    """The processes that mpiexec started."""

    def __init__(self) -> None:
        super().__init__()
        try:
            from mpi4py import MPI
        except ImportError as error:
            raise ImportError(
                "training by several processes needs the package mpi4py: pip install 'tinygrad-rnn[mpi]'"
            ) from error
        self.MPI, self.world = MPI, MPI.COMM_WORLD
        self.rank, self.size = self.world.rank, self.world.size
        self.agreed = False  # to stop
        self.finite = True  # are this rank's own loss and gradient of the last ``average``
        self.buffer: Array = np.empty(0)

    @property
    def stop(self) -> bool:
        """Whether all are to stop, as of the last ``average``, where a rank that was asked to told the others."""
        return self.agreed

    def unite(self, known: Mapping[str, object], parameters: Array) -> None:
        """See ``Ranks``. The broadcast evens out what processors differ in: the last bits of the same random draws."""
        first, *others = self.world.allgather(dict(known))
        for rank, other in enumerate(others, 1):
            for name in first:
                if other[name] != first[name]:
                    raise OptionError(
                        f"{name}: rank {rank} has {other[name]}, but rank 0 has {first[name]}; "
                        "text, options and checkpoint must be the same for all ranks"
                    )
        self.world.Bcast(parameters)

    def average(self, gradient: Array, loss: float, streams: int) -> float:
        """See ``Ranks``. All that ranks say to each other in a step is one sum: gradients, loss, wishes to stop."""
        if self.buffer.size != gradient.size + 2:
            self.buffer = np.empty(gradient.size + 2, gradient.dtype)
        share = np.diff(self.shares(streams))[self.rank] / streams
        np.multiply(gradient, share, out=self.buffer[:-2], casting="same_kind")
        self.buffer[-2:] = loss * share, bool(self.signals)
        self.finite = bool(np.isfinite(self.buffer).all())
        self.world.Allreduce(self.MPI.IN_PLACE, self.buffer)
        np.copyto(gradient, self.buffer[:-2])
        self.agreed = self.buffer[-1] != 0
        return float(self.buffer[-2])

    def gathered(self, array: Array, streams: int) -> Array:
        """See ``Ranks``."""
        layers, _, units = array.shape
        sizes = np.diff(self.shares(streams)) * layers * units
        whole = np.empty((streams, layers, units), array.dtype)
        self.world.Gatherv(np.ascontiguousarray(array.swapaxes(0, 1)), [whole, sizes])
        return whole.swapaxes(0, 1) if self.first else array

    def told(self, numbers: Sequence[float]) -> list[float]:
        """See ``Ranks``."""
        array = np.array(numbers, np.float64)
        self.world.Bcast(array)
        return [float(number) for number in array]

    def blamed(self, where: str) -> str:
        """See ``Ranks``. If all were finite and only their sum is not, it is what this rank found."""
        found = self.world.allgather("" if self.finite else where)
        return next((f"on rank {rank} {words}" for rank, words in enumerate(found) if words), where)

    def run(self, main: Callable[[], int]) -> int:
        """See ``Ranks``. Ranks but the first are silent, unless they fail alone; then all are ended."""
        errors = sys.stderr if self.first else io.StringIO()
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(sys.stdout if self.first else nowhere),
            contextlib.redirect_stderr(errors),
        ):
            code = guarded(main)
        stopped = self.agreed and code > 128  # signals, on which all agreed
        if code and not stopped and not self.all_fail():
            if isinstance(errors, io.StringIO):
                print(f"rank {self.rank}: {errors.getvalue()}", end="", file=sys.stderr)
            sys.stderr.flush()
            time.sleep(PASSED_ON)
            self.world.Abort(code)  # the others may wait for this rank for ever
        return code

    def all_fail(self) -> bool:
        """Whether all ranks come here, within ``ALL_FAIL``; each tells all others that it is here."""
        others, nothing = [rank for rank in range(self.size) if rank != self.rank], np.empty(0)
        told = [self.world.Isend(nothing, other, FAILED) for other in others]
        deadline = time.monotonic() + ALL_FAIL
        while not (met := all(self.world.Iprobe(other, FAILED) for other in others)) and time.monotonic() < deadline:
            time.sleep(0.01)
        if met:
            for other in others:
                self.world.Recv(nothing, other, FAILED)
            self.MPI.Request.Waitall(told)
        return met


def guarded(main: Callable[[], int]) -> int:
    """The exit code of ``main``, whatever it raises."""
    try:
        return main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except Exception:  # noqa: BLE001  the others wait for this rank, so it has to end them
        traceback.print_exc()
        return 1


def launched() -> Ranks:
    """The ranks that this process is one of. Under ``python -m mpi4py.futures``, which has the others, it is alone."""
    started = any(name in os.environ for name in RANKS) and "mpi4py.futures" not in sys.modules
    return MPIRanks() if started else Ranks()
