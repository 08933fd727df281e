"""Time and memory of a planned scan by the number of steps: both are linear in it.

From the root of the repository:

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python tests/benchmarks/length.py

Prints, for each cell and number of steps T, the CPU microseconds of a step of a forward and backward pass (lower
quartile), and the bytes that a step of one sequence keeps in the buffers of the plan, by unit of the state.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file can be run from anywhere

from tinygrad_rnn import Tensor, nn

LENGTHS = [10, 100, 1000, 10000]
SIZES = [(16, 2), (128, 8)]  # H, B
LAYERS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def buffers(run: Any) -> int:
    """The bytes of all buffers that have a slot for each step."""
    stacks = [*run.state, *run.x, run.y, run.d_y, *run.stack.values(), *(d for d in run.d_x if d is not None)]
    own = {id(a): a for a in (a if a.base is None else a.base for a in stacks)}
    return sum(a.nbytes for a in own.values())


def measure(kind: str, H: int, B: int, T: int) -> tuple[float, float]:
    """Microseconds a step, and bytes a step, sequence and unit."""
    layer = LAYERS[kind](H, H, unroll=False, rng=0)
    x = Tensor(np.random.default_rng(0).normal(size=(T, B, H)), True, dtype=np.float32)
    times = []
    for i in range(8):
        start = time.process_time()
        outputs, _ = layer(x)
        outputs.sum().backward()
        times += [time.process_time() - start] * (i >= 2)
        x.grad = None
        del outputs
    (plan,) = {id(found[0]): found[0] for _, pure in layer.steps.values() for found in pure.known.values()}.values()
    return sorted(times)[1] / T * 1e6, buffers(plan.idle[T][0]) / (T * B * H)


def main() -> None:
    """Print the table."""
    for kind in LAYERS:
        for H, B in SIZES:
            found = [measure(kind, H, B, T) for T in LENGTHS]
            times = "  ".join(f"T={T}: {us:.1f}" for T, (us, _) in zip(LENGTHS, found, strict=True))
            print(f"{kind:4} H={H} B={B}: {times} µs a step; {found[-1][1]:.0f} bytes a step, sequence and unit")


if __name__ == "__main__":
    main()
