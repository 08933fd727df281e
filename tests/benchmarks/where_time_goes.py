"""Where the time of a planned training step goes, and what of it are matrix products, which no plan can shorten.

From the root of the repository:

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python tests/benchmarks/where_time_goes.py lstm 87,128,1,50,50

Every call of the plan is run over and over by itself, with its operands in the cache: the sum of these times is the
least that the program can take, and the difference to the measured step is the cost of memory and of what is around it.
"""

import gc
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file can be run from anywhere

from tests.benchmarks.steps import make_step, milliseconds
from tinygrad_rnn.scan.run import Run


def least(function: Callable[..., Any], *args: Any) -> float:
    """The least of some repeated times, in milliseconds."""
    best = np.inf
    for _ in range(7):
        start = time.perf_counter()
        function(*args)
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def product(rows: int, inner: int, columns: int) -> float:
    """Milliseconds of a product [rows, inner] @ [inner, columns] in float32."""
    a, b = np.ones((rows, inner), np.float32), np.ones((inner, columns), np.float32)
    return least(partial(np.dot, out=np.empty((rows, columns), np.float32)), a, b)


def add_calls(found: dict[str, float], run: Run) -> None:
    """Add the time of every call of a plan by itself to that of its kind."""
    for direction, program in (("forward", run.forward_pass), ("backward", run.backward_pass)):
        for function, args in program:
            kind = "products" if function in {np.dot, np.matmul} else "other calls"
            found[f"{direction}, {kind}"] += least(function, *args)
    for total in run.plan.draft.totals:
        took = least(run.total, total, run.invariant[total.invariant].shape)
        found["gradients of weights, products" if total.how == "rows" else "other sums over time"] += took


def main() -> None:
    """Print the table for the kind and size of the command line."""
    kind, size = sys.argv[1], tuple(map(int, sys.argv[2].split(",")))
    V, H, L, T, B = size
    step = make_step(kind, V, H, L, T, B, "scan")
    whole = milliseconds(step, 30)
    found: dict[str, float] = defaultdict(float)
    runs = [x for x in gc.get_objects() if isinstance(x, Run)]
    with np.errstate(all="ignore"):
        for run in runs:
            add_calls(found, run)
    rows = max(len(array) for array in runs[-1].invariant)
    found["logits and their gradients, products"] = product(T * B, H, V) + product(T * B, V, H) + product(V, T * B, H)
    between = 2 * product(T * B, H, rows) + product(rows, T * B, H)
    found["between the layers, products"] = (L - 1) * between
    for name, took in found.items():
        print(f"{name:40} {took:8.2f} ms")
    products = sum(took for name, took in found.items() if name.endswith("products"))
    print(f"{'all products':40} {products:8.2f} ms")
    print(f"{'everything above':40} {sum(found.values()):8.2f} ms")
    print(f"{'a step, measured':40} {whole:8.2f} ms")


if __name__ == "__main__":
    main()
