"""A cell of one's own against the library's GRU: the minimal gated unit of the README, planned, by its arithmetic.

From the root of the repository:

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python tests/benchmarks/own_cell.py

Prints, for each size, the CPU milliseconds of a forward and backward pass over T steps, interleaved, and the ratio
divided by that of the arithmetic: a minimal gated unit has two products of a GRU's three.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file can be run from anywhere

from tinygrad_rnn import Tensor, linear, nn, sigmoid, split, tanh

SIZES = [(128, 50, 50), (256, 64, 32), (16, 10, 1), (64, 25, 1)]  # H, T, B
ROUNDS = 40


class MinimalGatedUnit(nn.Cell):
    """Zhou et al. 2016 (arXiv:1603.09420), equations 5 to 7: one gate, which forgets and lets in."""

    gates = 2

    def step(self, h: Tensor, a: Tensor) -> Tensor:
        """``h`` [B, H] and ``a`` [B, 2H] to h' [B, H]."""
        f, n = split(a, 2, axis=-1)
        weight_f, weight_n = split(self.weight_hh, 2)
        f = sigmoid(linear(h, weight_f, f))
        return h + f * (tanh(linear(f * h, weight_n, n)) - h)


def passes(layer: nn.Recurrent, x: Tensor) -> Callable[[], None]:
    """Forward and backward."""

    def run() -> None:
        layer(x)[0].sum().backward()

    return run


def main() -> None:
    """Print the table."""
    for H, T, B in SIZES:
        x = Tensor(np.random.default_rng(0).normal(size=(T, B, H)), True, dtype=np.float32)
        layers = nn.GRU(H, H, unroll=False, rng=0), nn.Recurrent([MinimalGatedUnit(H, H, rng=0)], unroll=False)
        runs = [passes(layer, x) for layer in layers]
        times: list[list[float]] = [[], []]
        repeat = max(1, 20000 // (H * T * B))
        for i in range(ROUNDS + 3):
            for run, took in zip(runs, times, strict=True):
                start = time.process_time()
                for _ in range(repeat):
                    run()
                if i >= 3:
                    took.append((time.process_time() - start) / repeat)
        gru, own_cell = (sorted(took)[len(took) // 4] * 1e3 for took in times)
        print(
            f"H={H} T={T} B={B}: GRU {gru:.2f} ms, minimal gated unit {own_cell:.2f} ms, "
            f"per unit of arithmetic {own_cell / gru * 3 / 2:.2f}"
        )


if __name__ == "__main__":
    main()
