"""What pictures cost: seconds of CPU for DOT text, and for SVG by each layout program that is there.

python -m tests.benchmarks.pictures
"""

import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, cross_entropy, nn
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.engine import find_pure
from tinygrad_rnn.scope import scope


def language_model(T: int) -> Tensor:
    """Embedding, LSTM of two layers, linear, cross entropy, unrolled over T steps."""
    embedding, network, head = nn.Embedding(7, 3, rng=0), nn.LSTM(3, 4, 2, rng=0), nn.Linear(4, 7, rng=0)
    tokens = np.zeros((T, 2), int)
    with scope("model"):
        outputs, _ = network(embedding(tokens))
        return cross_entropy(head(outputs), tokens)


def diamonds(number: int) -> Tensor:
    """Each a sum of the one before with itself."""
    x = Tensor(1.0, requires_grad=True)
    for _ in range(number):
        x = x + x
    return x


def seconds(run: Callable[[], Any], times: int = 5) -> tuple[float, Any]:
    """The least CPU time of a few runs, and what the last one gave."""
    best, result = float("inf"), None
    for _ in range(times):
        start = time.process_time()
        result = run()
        best = min(best, time.process_time() - start)
    return best, result


def main() -> None:
    """Print the table."""
    loss, sums = language_model(1000), diamonds(60)
    spent, source = seconds(lambda: draw(loss, level="op").source)
    print(f"LSTM of 2 layers, T = 1000, level op: DOT {spent:.2f} s, {len(source) / 1e6:.1f} MB")
    for program in filter(None, (shutil.which("dot"), find_pure())):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run([str(program), "-Tsvg"], input=source.encode(), capture_output=True, check=True)  # noqa: S603
        print(f"  SVG by {program}: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before:.2f} s")
    print(f"  level cell, folded: DOT {seconds(lambda: draw(loss, level='cell').source)[0]:.2f} s")
    print(f"60 diamonds: DOT {seconds(lambda: draw(sums).source)[0]:.3f} s")


if __name__ == "__main__":
    main()
