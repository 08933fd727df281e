"""Training a network on a long-lag task until it meets the criterion, and counting the sequences.

Sequences are drawn as they are needed. Training goes on in small batches, each of which is judged before it is learned
from; what is counted is sequences, as in the literature. A network is a layer of some cell and a linear map of its
outputs, with Adam and clipping.

The LSTM starts with input gates that are nearly closed and forget gates that are nearly open, each unit with a time
scale of its own, up to the lag: Tallec and Ollivier 2018 (arXiv:1804.11188), section 3. The cell of 1997 starts with
input gates at -3 to -6, as its authors had them for adding.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from demos import console  # isort: split

import numpy as np

from demos.long_lag.task import Sequences, Task, judged
from tinygrad_rnn import Tensor, cross_entropy, mse_loss, nn, no_grad, optim
from tinygrad_rnn.tensor import Array

CELLS = ("LSTM", "GRU", "RNN", "IRNN", "1997")


class Network(nn.Module):
    """A recurrent layer, and a linear map of its outputs where an answer is due."""

    def __init__(self, task: Task, cell: str, rng: np.random.Generator, forget_bias: float | None = None) -> None:
        features = task.units if task.symbols else task.inputs
        self.embedding = nn.Embedding(task.inputs, features, rng=rng) if task.symbols else None
        self.recurrent = layer(cell, features, task.units, rng)
        self.head = nn.Linear(task.units, task.outputs, rng=rng)
        self.direct = nn.Embedding(task.inputs, task.outputs, rng=rng) if task.alone else None
        start(self.recurrent.cells[0], task.lag, rng, forget_bias)

    def forward(self, sequences: Sequences) -> Tensor:
        """The outputs [N, V] at the places where answers are due: logits, or values [N, 1]."""
        x = sequences.inputs if self.embedding is None else self.embedding(sequences.inputs)
        outputs, _ = self.recurrent(x)
        at = sequences.times, sequences.columns
        answers: Tensor = self.head(outputs[at])
        return answers if self.direct is None else answers + self.direct(sequences.inputs[at])


def layer(cell: str, features: int, units: int, rng: np.random.Generator) -> nn.Recurrent:
    """A recurrent layer of ``units`` units."""
    if cell == "1997":
        return nn.Recurrent([nn.LSTM1997Cell(features, units, rng=rng)], unroll=False)
    if cell == "IRNN":
        irnn = nn.RNN(features, units, nonlinearity="relu", identity_init=1.0, unroll=False, rng=rng)
        irnn.weight_ih_l0.data = nn.init.normal((units, features), rng, std=0.1)  # at 0.001 nothing happens for long
        return irnn
    return {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}[cell](features, units, unroll=False, rng=rng)


def start(cell: nn.Cell, lag: int, rng: np.random.Generator, forget_bias: float | None) -> None:
    """Set the biases that the gates of an LSTM start with; those of other cells stay as they are."""
    if isinstance(cell, nn.LSTM1997Cell):
        set_gates(cell, np.linspace(-3, -6, cell.hidden_size))
    elif isinstance(cell, nn.LSTMCell) and forget_bias is not None:
        cell.set_forget_bias(forget_bias)
    elif isinstance(cell, nn.LSTMCell):
        scales = np.log(rng.uniform(1, lag - 1, cell.hidden_size))
        set_gates(cell, np.concatenate([-scales, scales]))


def set_gates(cell: nn.Cell, values: Array) -> None:
    """Let the biases of the first gates, which are the input and the forget gate, be ``values``."""
    for bias, new in ((cell.bias_ih, values), (cell.bias_hh, np.zeros(len(values)))):
        if bias is not None:
            bias.data = np.concatenate([new, bias.data[len(new) :]])


@dataclass(frozen=True)
class Trial:
    """How one network fared."""

    cell: str
    parameters: int
    sequences: int  # learned from
    seconds: float
    met: bool  # whether the criterion was met
    error: float  # of the latest sequences
    curve: list[tuple[int, float]]  # sequences learned from, and the error of the latest


def trial(task: Task, cell: str, seed: int, *, limit: int, forget_bias: float | None = None) -> Trial:
    """Train one network until the criterion is met, or on ``limit`` sequences."""
    rng = np.random.default_rng(seed)
    model = Network(task, cell, rng, forget_bias)
    late = optim.Adam(model.parameters(), task.rate)
    early = late if model.direct is None else optim.Adam(model.direct.parameters(), 1.0)
    latest: deque[float] = deque(maxlen=task.window)
    curve: list[tuple[int, float]] = []
    met, count, started = False, 0, time.perf_counter()
    for _ in console.progress(range(limit // task.batch), f"{task.name}, {cell}, at most"):
        errors = learn(model, task.draw(rng, task.batch), early if count < task.alone else late)
        before, count = count, count + task.batch
        if task.exam is None:
            latest.extend(errors)
        elif count // task.window > before // task.window:
            latest.extend(examined(model, task.exam(rng)))
        if latest and count // 256 > before // 256:
            curve.append((count, task.error(np.array(latest))))
        met = len(latest) == task.window and task.met(np.array(latest))
        if met:
            break
    seconds = time.perf_counter() - started
    parameters = sum(p.size for p in model.parameters())
    return Trial(cell, parameters, count, seconds, met, task.error(np.array(latest)), curve)


def learn(model: Network, sequences: Sequences, optimizer: optim.Optimizer) -> Array:
    """One update; the errors [B] before it."""
    optimizer.zero_grad()
    outputs = model(sequences)
    if sequences.targets.dtype.kind == "f":
        loss = mse_loss(outputs, sequences.targets[:, None])
    else:
        loss = cross_entropy(outputs, sequences.targets)
    loss.backward()
    optim.clip_grad_norm(optimizer, 1.0)
    optimizer.step()
    return judged(outputs.data, sequences)


def examined(model: Network, sequences: Sequences) -> Array:
    """The errors [B], without learning from them."""
    with no_grad():
        return judged(model(sequences).data, sequences)
