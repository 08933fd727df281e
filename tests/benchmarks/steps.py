"""One training step of a character model, the unit in which speed is measured.

`make_step(kind, V, H, L, T, B, mode)` is what a harness calls; from the root of the repository, this prints a table:

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python tests/benchmarks/steps.py
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file can be loaded from anywhere

from tinygrad_rnn import Tensor, cross_entropy, nn
from tinygrad_rnn.optim import Adam, clip_grad_norm
from tinygrad_rnn.tensor import Array

LAYERS: dict[str, Callable[..., nn.Recurrent]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
MODES = ["unroll", "scan"]  # every operation of every time step is a node of the graph, or layers run by their plan
CONFIGS = [(87, 128, 1, 50, 50), (87, 128, 2, 50, 50), (87, 256, 1, 64, 32), (27, 16, 1, 10, 1), (65, 64, 1, 25, 1)]


class CharModel(nn.Module):
    """Embedding, recurrent layers, and an affine map to logits."""

    def __init__(self, kind: str, V: int, H: int, L: int, rng: np.random.Generator, *, unroll: bool) -> None:
        self.embedding = nn.Embedding(V, H, rng=rng)
        self.recurrent = LAYERS[kind](H, H, L, unroll=unroll, rng=rng)
        self.head = nn.Linear(H, V, rng=rng)

    def forward(self, ids: Array) -> Tensor:
        """Character ids [T, B] to logits [T, B, V]."""
        outputs, _ = self.recurrent(self.embedding(ids))
        logits: Tensor = self.head(outputs)
        return logits


def make_step(  # noqa: PLR0917  a harness calls it with positions
    kind: str, V: int, H: int, L: int, T: int, B: int, mode: str = "unroll"
) -> Callable[[], float]:
    """A function of no arguments that does one step and returns the loss, in nats per character.

    The model has V characters and L layers of H units ("lstm", "gru", "rnn"), all float32; the inputs and targets
    [T, B] are random and stay the same. A step is forward from a zero state, mean cross-entropy, backward through T
    steps, clipping to a global norm of 5, and Adam.
    """
    if kind not in LAYERS or mode not in MODES:
        raise ValueError(
            f"make_step: kind is one of {sorted(LAYERS)} and mode one of {MODES}, not {kind!r} and {mode!r}"
        )
    rng = np.random.default_rng(0)
    model = CharModel(kind, V, H, L, rng, unroll=mode == "unroll")
    optimizer = Adam(model.parameters(), lr=2e-3)
    ids, targets = rng.integers(0, V, (T, B)), rng.integers(0, V, (T, B))

    def step() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(model(ids), targets)
        loss.backward()
        clip_grad_norm(optimizer, 5.0)
        optimizer.step()
        return loss.item()

    return step


def milliseconds(step: Callable[[], Any], rounds: int) -> float:
    """The lower quartile of the process CPU time of ``step``, after three runs to warm up."""
    times = []
    for i in range(rounds + 3):
        start = time.process_time()
        step()
        times += [time.process_time() - start] * (i >= 3)
    return sorted(times)[len(times) // 4] * 1e3


def main() -> None:
    """Print the time of a step for each kind and size."""
    for kind in LAYERS:
        for V, H, L, T, B in CONFIGS:
            rounds = max(8, min(200, int(2e9 / (H * H * L * T * B))))
            for mode in MODES:
                took = milliseconds(make_step(kind, V, H, L, T, B, mode), rounds)
                print(f"{kind:4} V={V} H={H} L={L} T={T} B={B} {mode:6}: {took:.2f} ms")


if __name__ == "__main__":
    main()
