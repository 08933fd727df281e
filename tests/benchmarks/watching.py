"""What watching costs: nothing while nobody watches, and how much while somebody does.

Two things in the engine serve watchers. A recorded operation looks whether there are observers, and a backward pass
looks for one that takes the place of its loop. Both are compared with an engine that has neither, in turns, on one
training step. From the root of the repository:

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python tests/benchmarks/watching.py
"""

import sys
import time
import timeit
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file can be loaded from anywhere

from tests.benchmarks.steps import make_step
from tinygrad_rnn import Tensor, tanh
from tinygrad_rnn.backward import Sums, pull_back, reachable, walk
from tinygrad_rnn.debug import anomaly, profile, trace
from tinygrad_rnn.op import thread

CONFIGS = [(27, 16, 1, 10, 1), (87, 128, 1, 50, 50)]
ROUNDS = 60


def unwatched(outputs: Any, seeds: Any, wrt: Any, *, record: bool, free: bool, sums: Any = None) -> Any:
    """``walk`` without a look at the observers."""
    order, live = reachable(outputs, wrt)
    wanted = {id(w) for w in wrt or ()}
    sums = sums or Sums()
    for output, seed in zip(outputs, seeds, strict=True):
        sums.add(output, seed)
    return pull_back(order, live, wanted, sums, record=record, free=free)


def looking() -> AbstractContextManager[Any]:
    """The engine as it is, put in place in the same way as the other."""
    return mock.patch.object(sys.modules["tinygrad_rnn.backward"], "walk", walk)


def without() -> AbstractContextManager[Any]:
    """An engine whose backward looks for no observer."""
    return mock.patch.object(sys.modules["tinygrad_rnn.backward"], "walk", unwatched)


def in_turns(
    step: Callable[[], Any], ways: list[Callable[[], AbstractContextManager[Any]]], rounds: int
) -> list[float]:
    """For each way the lower quartile of the CPU time of ``step`` in milliseconds, measured in turns."""
    times: list[list[float]] = [[] for _ in ways]
    for i in range(rounds + 3):
        for k in range(len(ways)):
            k = (k + i) % len(ways)  # noqa: PLW2901  each begins as often
            with ways[k]():
                start = time.process_time()
                step()
                times[k] += [time.process_time() - start] * (i >= 3)
    return [sorted(t)[len(t) // 4] * 1e3 for t in times]


def main() -> None:
    """Print the ratios."""
    x = Tensor(2.0, True)

    def one_operation() -> None:
        x.grad = None
        tanh(x).backward()

    def many_times() -> None:
        for _ in range(500):
            one_operation()

    off, bare = in_turns(many_times, [looking, without], ROUNDS)
    both, look = off * 2, (off - bare) * 2  # microseconds of one
    print(f"one operation forward and backward: {both:.2f} µs, {look:+.2f} µs for the look, {off / bare:.3f}")
    recorder = thread.recorder
    look, nothing = (min(timeit.repeat(code, number=10**6, globals={"r": recorder})) for code in ("r.observers", "r"))
    print(f"the look of a recorded operation: {(look - nothing) * 1e3:.0f} ns")
    for config in CONFIGS:
        step = make_step("lstm", *config)
        off, bare = in_turns(step, [looking, without], ROUNDS)
        print(f"lstm V,H,L,T,B = {config}: {off:.2f} ms; off / without the look {off / bare:.3f}", end="")
        for way in (anomaly, profile, trace):
            (on,) = in_turns(step, [way], ROUNDS // 5)
            print(f"; {way.__name__} {on / off:.1f}", end="")
        print()


if __name__ == "__main__":
    main()
