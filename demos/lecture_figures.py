"""The networks that a lecture on recurrent networks draws, small enough to be seen whole. draw_unrolled.py draws them.

Each function takes a random generator and gives the tensors to draw. Sizes differ from each other, so that shapes tell
what is what: B = 2 sequences, F = 3 features, H = 4 hidden units, V = 5 classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from demos import hello, memory  # isort: split

import numpy as np

from tinygrad_rnn import Tensor, cross_entropy, linear, mse_loss, nn, stack, tanh
from tinygrad_rnn.scope import scope

B, F, H, V = 2, 3, 4, 5
CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}

Generator: TypeAlias = np.random.Generator


def inputs(rng: Generator, T: int) -> Tensor:
    """A sequence [T, B, F]."""
    return Tensor(rng.standard_normal((T, B, F)), name="x")


def classes(rng: Generator, *shape: int) -> Tensor:
    """Targets of this shape."""
    return Tensor(rng.integers(V, size=shape), name="targets")


def unrolled(rng: Generator, *, cell: str, steps: int, layers: int = 1) -> list[Tensor]:
    """A layer over some steps, and the loss of a class at each."""
    layer = CELLS[cell](F, H, layers, rng=rng, dtype=float)
    outputs, _ = layer(inputs(rng, steps))
    return [cross_entropy(nn.Linear(H, V, rng=rng, dtype=float)(outputs), classes(rng, steps, B))]


def cell_steps(rng: Generator, cell: str) -> list[Tensor]:
    """Two steps of one cell, operation by operation."""
    outputs, _ = CELLS[cell](F, H, rng=rng, dtype=float)(inputs(rng, 2))
    return [outputs]


def one_to_many(rng: Generator) -> list[Tensor]:
    """One input, such as a picture, and a sequence of outputs, such as its caption: each output is the next input."""
    cell, head = nn.RNNCell(F, H, rng=rng, dtype=float), nn.Linear(H, F, rng=rng, dtype=float)
    x, h, outputs = Tensor(rng.standard_normal((B, F)), name="x"), cell.zero_state((B,), float), []
    for t in range(4):
        with scope(t):
            h = cell(x, h)
            x = head(h)
            x.name = "y"
        outputs.append(x)
    return outputs


def many_to_one(rng: Generator) -> list[Tensor]:
    """A sequence of inputs, such as a sentence, and one output, such as whether it is a friendly one."""
    _, last = nn.RNN(F, H, rng=rng, dtype=float)(inputs(rng, 4))
    return [cross_entropy(nn.Linear(H, V, rng=rng, dtype=float)(last[0]), classes(rng, B))]


def bptt(rng: Generator) -> list[Tensor]:
    """One unit, three steps and a loss at each: every number of the forward and of the backward pass can be followed.

    h_t = tanh(w x_t + u h_{t-1}), and the loss is the sum of (h_t - y_t)².
    """
    w, u = (Tensor(rng.uniform(0.5, 1.5), requires_grad=True, name=name) for name in "wu")
    h: Any = Tensor(0.5, name="h₀")
    losses = []
    for t in range(1, 4):
        x, y = (Tensor(round(rng.normal(), 1), name=name) for name in "xy")
        with scope(t):
            h = tanh(w * x + u * h)
            losses.append(mse_loss(h, y))
    return [stack(*losses).sum()]


def truncated(rng: Generator) -> list[Tensor]:
    """Four steps in windows of two: the state goes on from the first to the second, the gradient does not go back."""
    cell, losses = nn.RNNCell(F, H, rng=rng, dtype=float), []
    h = cell.zero_state((B,), float)
    for t in range(4):
        x = Tensor(rng.standard_normal((B, F)), name="x")
        with scope(t):
            h = cell(x, nn.detach(h) if t == 2 else h)
            losses.append(h.sum())
    return losses


def one_step(rng: Generator) -> list[Tensor]:
    """One step of an RNN and its loss, without scopes."""
    x, h = Tensor(rng.normal(size=(B, F)), name="x"), Tensor(rng.normal(size=(B, H)), True, name="h₀")
    W, U, b = (Tensor(rng.normal(size=s), True, name=n) for n, s in {"W": (H, F), "U": (H, H), "b": (H,)}.items())
    return [cross_entropy(tanh(linear(x, W) + linear(h, U, b)), Tensor(rng.integers(H, size=B), name="targets"))]


def letters(rng: Generator) -> list[Tensor]:
    """Karpathy's four letters, before the network has learned them."""
    scores, _ = hello.Letters(rng)(hello.WORD[:-1])
    for y in scores:
        y.name = "y"
    return [cross_entropy(stack(*scores), hello.VOCABULARY.encode(hello.WORD[1:]))]


def vanishing(rng: Generator) -> dict[str, Tensor]:
    """Networks that read 24 steps, and the sum of the last output of each."""
    x = Tensor(rng.standard_normal((24, 1, 8)))
    layers = {
        "RNN": nn.RNN(8, 16, rng=rng, dtype=float),
        "LSTM, forget bias 2": nn.LSTM(8, 16, forget_bias=2.0, rng=rng, dtype=float),
        "GRU": nn.GRU(8, 16, rng=rng, dtype=float),
    }
    return {name: layer(x)[0][-1].sum() for name, layer in layers.items()}


@dataclass(frozen=True)
class Figure:
    """What to draw, and how."""

    make: Callable[[Generator], list[Tensor] | dict[str, Tensor]]
    how: dict[str, Any] = field(default_factory=dict)  # options of draw


NUMBERS = {"show": ("value", "grad")}
FIGURES = {
    "hidden": Figure(partial(memory.four_steps, "hidden")),
    "input": Figure(partial(memory.four_steps, "input")),
    **{name: Figure(partial(cell_steps, cell=name)) for name in CELLS},
    "one-to-many": Figure(one_to_many, {"level": "cell"}),
    "many-to-one": Figure(many_to_one, {"level": "cell"}),
    "many-to-many": Figure(partial(unrolled, cell="rnn", steps=4), {"level": "cell"}),
    "bptt": Figure(bptt, NUMBERS),
    "truncated": Figure(truncated, {"level": "cell"}),
    "backward": Figure(one_step, {"backward": True}),
    "hello": Figure(letters, {"level": "cell", **NUMBERS}),
    "vanishing": Figure(vanishing),
}
