"""Print the plan of a cell: ``python -m tinygrad_rnn.scan lstm --batch 2 --features 3 --hidden 4``."""

from __future__ import annotations

import argparse

import numpy as np

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.scan.planned import planned_step
from tinygrad_rnn.scan.show import show
from tinygrad_rnn.scan.trace import flat

CELLS: dict[str, type[nn.Cell]] = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def text(cell: str, batch: int, features: int, hidden: int) -> str:
    """The plan of one of the library's cells, for a state [batch, hidden]."""
    made = CELLS[cell](features, hidden, rng=0)
    state = made.zero_state((batch,))
    projected = made.project(Tensor(np.zeros((1, batch, features), np.float32), requires_grad=True))

    def step(state: nn.cells.State, *projected: Tensor) -> tuple[nn.cells.State, Tensor]:
        state = made.step(state, *projected)
        return state, flat(state)[0]

    planned, _ = planned_step(step, state, flat(state), list(projected))
    return show(planned.plan)


def main(arguments: list[str] | None = None) -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tinygrad_rnn.scan", description="Print the plan of a cell.")
    parser.add_argument("cell", choices=sorted(CELLS))
    for name, size in (("batch", 2), ("features", 3), ("hidden", 4)):
        parser.add_argument(f"--{name}", type=int, default=size, metavar="N", help=f"size, {size} by default")
    options = parser.parse_args(arguments)
    print(text(options.cell, options.batch, options.features, options.hidden))  # noqa: T201  a program's output


if __name__ == "__main__":
    main()
