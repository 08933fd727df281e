"""What a long-lag task is: sequences drawn at random, and a criterion on the errors of their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygrad_rnn import ops
from tinygrad_rnn.tensor import Array


class Sequences(NamedTuple):
    """B sequences. At N places an answer is due: after step ``times[n]`` of sequence ``columns[n]``."""

    inputs: Array  # symbols [T, B], or values [T, B, F]; what stands after a sequence's last answer plays no part
    times: Array  # [N]
    columns: Array  # [N]
    targets: Array  # [N]: classes, or values
    legal: Array | None = None  # [N, V]: the symbols that may follow, where this is what counts


@dataclass(frozen=True)
class Task:
    """What is asked, when it counts as learned, what has been published, and how we train."""

    name: str
    draw: Callable[[np.random.Generator, int], Sequences]  # so many sequences
    inputs: int  # symbols, or features F where the inputs are values
    outputs: int  # classes V; 1 for a value
    symbols: bool  # whether the inputs are symbols
    lag: int  # steps from what matters to the answer
    rule: str  # the criterion in words
    met: Callable[[Array], bool]  # the criterion: a function of the errors of the latest sequences
    window: int  # how many of them
    blind: float  # the error of answers that know nothing of the sequence, as `error` has it
    weights: int | None = None  # of the network that has been published
    count: int | None = None  # sequences that it learned from
    exam: Callable[[np.random.Generator], Sequences] | None = None  # whose errors count, if not those of training
    units: int = 16
    batch: int = 32
    rate: float = 0.02
    limit: int = 300_000  # sequences after which to give up
    alone: int = 0  # if not 0, outputs see the symbol of their step too, and so many sequences teach them this alone

    def error(self, errors: Array) -> float:
        """The mean error; of values, the mean squared error."""
        return float(np.square(errors).mean() if self.outputs == 1 else errors.mean())


def judged(outputs: Array, sequences: Sequences) -> Array:
    """The error [B] of each sequence: the largest |target - output| of its answers, over all output units.

    ``outputs`` [N, V] are logits, for which their softmax is compared with 1 for the target and 0 for the others, or
    values [N, 1]. Where it counts what may follow, the error is 1 if a symbol that may is not ahead of all that may
    not, else 0.
    """
    if sequences.legal is not None:
        last = np.where(sequences.legal, outputs, np.inf).min(axis=1)
        errors = (last <= np.where(sequences.legal, -np.inf, outputs).max(axis=1)).astype(float)
    elif sequences.targets.dtype.kind == "f":
        errors = np.abs(outputs[:, 0] - sequences.targets)
    else:
        off = ops.softmax.forward(outputs)
        off[np.arange(len(off)), sequences.targets] -= 1
        errors = np.abs(off).max(axis=1)
    worst = np.zeros(sequences.inputs.shape[1])
    np.maximum.at(worst, sequences.columns, errors)
    return worst
