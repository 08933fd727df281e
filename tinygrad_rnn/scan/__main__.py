"""Print the plan of a cell: ``python -m tinygrad_rnn.scan lstm --batch 2 --features 3 --hidden 4``."""

from __future__ import annotations

import argparse

import numpy as np

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.scan.planned import samples_of
from tinygrad_rnn.scan.show import show
from tinygrad_rnn.scan.trace import record
from tinygrad_rnn.tree import flat, rebuilt

CELLS: dict[str, type[nn.Cell]] = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def text(cell: str, batch: int, features: int, hidden: int, *, passes: bool = False) -> str:
    """The plan of one of the library's cells, for a state [batch, hidden]."""
    made = CELLS[cell](features, hidden, rng=0)
    state = made.zero_state((batch,))
    xs = made.project(Tensor(np.zeros((1, batch, features), np.float32), requires_grad=True))

    def step(state: nn.cells.State, *projected: Tensor) -> tuple[nn.cells.State, Tensor]:
        state = made.step(state, *projected)
        return state, flat(state)[0]

    states = flat(state)
    tape, outside = record(step, states, xs, (), lambda parts: rebuilt(state, iter(parts)))
    return show(tape, samples_of(states, xs, outside.invariants(())), passes=passes)


def main(arguments: list[str] | None = None) -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tinygrad_rnn.scan", description="Print the plan of a cell.")
    parser.add_argument("cell", choices=sorted(CELLS))
    for name, size in (("batch", 2), ("features", 3), ("hidden", 4)):
        parser.add_argument(f"--{name}", type=int, default=size, metavar="N", help=f"size, {size} by default")
    parser.add_argument("--passes", action="store_true", help="show the calls of the step after each pass as well")
    options = parser.parse_args(arguments)
    print(text(options.cell, options.batch, options.features, options.hidden, passes=options.passes))  # noqa: T201  a program's output


if __name__ == "__main__":
    main()
