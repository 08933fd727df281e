"""Memory: what a recurrent network knows of its past.

    python demos/memory.py --plot memory.svg

1. What an output is computed from, if the hidden units see their own last values, or the last input instead.
   (draw_unrolled.py --figure hidden and --figure input draw the two.)
2. What one input has changed in the state after more and more steps without any: the output is no function of the
   input alone.
3. How much of the past a state holds grows with its size.
4. How fast the gradient fades on its way back through an RNN, an LSTM and a GRU.
"""

from __future__ import annotations

from typing import Any

from demos import console  # isort: split

import numpy as np

from tinygrad_rnn import Tensor, gradients, linear, nn, no_grad, tanh
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Array

T, B, F, H = 200, 16, 8, 32  # steps, batch, features and hidden units
LAGS = [0, 1, 5, 10, 20, 50, 100]  # of the gradient; the steps before serve to forget the start


def four_steps(recurrence: str, rng: np.random.Generator) -> list[Tensor]:
    """The outputs y1 .. y4 of inputs x1 .. x4: at step t the hidden units see x_t, and h or x of the step before."""
    hidden = recurrence == "hidden"
    before = Tensor(np.zeros((1, 3)), name="h0") if hidden else Tensor(np.zeros((1, 2)), name="x0")
    W, U, V = (
        Tensor(rng.normal(size=shape), requires_grad=True, name=name)
        for name, shape in {"W": (3, 2), "U": (3, before.shape[1]), "V": (1, 3)}.items()
    )
    outputs = []
    for t in range(1, 5):
        x = Tensor(rng.normal(size=(1, 2)), name=f"x{t}")
        with scope(t):
            h = tanh(linear(x, W) + linear(before, U))
            outputs.append(linear(h, V))
        before = h if hidden else x
    return outputs


def ancestors(output: Tensor) -> set[str]:
    """The names of all leaves that ``output`` was computed from."""
    found = [output]
    for node in (x.node for x in found if x.node):  # `found` grows meanwhile
        found += [i for i in node.inputs if isinstance(i, Tensor) and all(i is not x for x in found)]
    return {x.name or "" for x in found if x.node is None}


def left_of_one_input(layer: nn.Recurrent, rng: np.random.Generator, steps: int = 8) -> Array:
    """|h_t with an input at the first step only - h_t without any| for each of the steps: biases move both alike."""
    x = np.zeros((steps, 2, F))
    x[0, 0] = rng.normal(size=F)
    with no_grad():
        h = layer(x)[0].data
    return np.linalg.norm(h[:, 0] - h[:, 1], axis=1)  # type: ignore[no-any-return]  # an array


def capacity(units: int, rng: np.random.Generator, steps: int = 3000) -> float:
    """The memory capacity of a tanh RNN with orthogonal weights: the sum over k of the r² with which h_t tells x_{t-k}.

    Jaeger 2002, "Short term memory in echo state networks", who proves that it is at most the number of units.
    """
    rnn = nn.RNN(1, units, dtype=np.float64, unroll=False, rng=rng)
    rnn.weight_hh_l0.data = nn.init.orthogonal((units, units), rng, gain=0.95)
    x = rng.uniform(-0.1, 0.1, (steps, 1, 1))
    with no_grad():
        columns = np.c_[rnn(x)[0].data[3 * units :, 0], np.ones(steps - 3 * units)]
    held = 0.0
    for k in range(2 * units):
        past = x[3 * units - k : steps - k, 0, 0]
        error = past - columns @ np.linalg.lstsq(columns, past)[0]
        held += max(0.0, 1 - (error @ error / (len(past) - columns.shape[1])) / past.var())
    return held


def layers(rng: np.random.Generator, forget_bias: float = 1.0) -> dict[str, nn.Recurrent]:
    """The layers to compare: as they start, and with the gates that keep the old state held open by a bias of 3."""
    every: Any = {"dtype": np.float64, "rng": rng}
    open_gru = nn.GRU(F, H, **every)  # the second of its three blocks is z, which keeps the state
    open_gru.bias_hh_l0.data = open_gru.bias_hh_l0.data + 3 * (np.arange(3 * H) // H == 1)
    return {
        "RNN": nn.RNN(F, H, **every),
        f"LSTM, forget bias {forget_bias:g}": nn.LSTM(F, H, forget_bias=forget_bias, **every),
        "GRU": nn.GRU(F, H, **every),
        "LSTM, forget bias 3": nn.LSTM(F, H, forget_bias=3.0, **every),
        "GRU, update bias 3": open_gru,
    }


def gradient_by_lag(layer: nn.Recurrent, rng: np.random.Generator) -> Array:
    """|d h_T / d x_{T-k}| for k = 0 .. 100 in a random direction of h, mean of the batch, over that of k = 0."""
    x = Tensor(rng.normal(size=(T, B, F)), requires_grad=True)
    (slope,) = gradients((layer(x)[0][-1] * rng.normal(size=(B, H))).sum(), [x])
    norms: Array = np.linalg.norm(slope, axis=2).mean(axis=1)[::-1]
    return norms[: LAGS[-1] + 1] / norms[0]  # type: ignore[no-any-return]  # an array


def main(arguments: list[str] | None = None) -> None:
    """All four measurements."""
    options = console.parser(__doc__, plot="the gradient by lag").parse_args(arguments)
    rng = np.random.default_rng(options.seed)

    print("1. What the fourth output was computed from")
    for recurrence in ("hidden", "input"):
        outputs = four_steps(recurrence, rng)
        print(f"   {recurrence} recurrence  {' '.join(sorted(n for n in ancestors(outputs[-1]) if n[0] == 'x'))}")

    print("\n2. What an input at step 1 changes in h at each step, when no other comes")
    rows = [[name, *(f"{d:.3f}" for d in left_of_one_input(layer, rng))] for name, layer in layers(rng).items()]
    console.table(["", *map(str, range(1, 9))], rows)

    print("3. Past inputs that a state holds (memory capacity; at most the number of units)")
    held = {units: f"{capacity(units, rng):.1f}" for units in (4, 8, 16, 32, 64)}
    console.table(["units", *map(str, held)], [["capacity", *held.values()]])

    print("4. The gradient that is left after k steps back, as a share of that at k = 0")
    curves = {name: gradient_by_lag(layer, rng) for name, layer in layers(rng).items()}
    rows = [[name, *(f"{curve[k]:.1g}" for k in LAGS)] for name, curve in curves.items()]
    console.table(["k", *map(str, LAGS)], rows)
    if options.plot:
        figure, axes = console.figure("The gradient on its way back", "steps back", "share that is left")
        for name, curve in curves.items():
            colour = console.COLOURS[name.partition(",")[0]]
            axes.semilogy(curve, "--" if name.endswith("3") else "-", color=colour, label=name)
        axes.legend(frameon=False)
        console.save(figure, options.plot)


if __name__ == "__main__":
    console.run(main)
