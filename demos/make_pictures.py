"""The pictures in the README, written anew: an LSTM, the gradient along time, and a backward graph.

    python demos/make_pictures.py [DIR]

Without DIR they are written where the README has them. Needs a layout program: see tinygrad_rnn.draw.doctor().
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from demos import console  # isort: split

import numpy as np

from demos import lecture_figures as figures
from tinygrad_rnn.draw import draw, gradient_strip

if TYPE_CHECKING:
    import graphviz

IMAGES = Path(__file__).parent / "images"


def lstm() -> graphviz.Digraph:
    """Three steps of an LSTM, operation by operation, and the loss."""
    return draw(*figures.unrolled(np.random.default_rng(0), cell="lstm", steps=3))


def strip() -> graphviz.Digraph:
    """The norm of the gradient at 24 states of an RNN, an LSTM and a GRU."""
    return gradient_strip(figures.vanishing(np.random.default_rng(0)))


def backward() -> graphviz.Digraph:
    """One step of an RNN, its rules, and what they keep."""
    return draw(*figures.one_step(np.random.default_rng(0)), backward=True)


PICTURES: dict[str, Callable[[], graphviz.Digraph]] = {
    "lstm_graph.svg": lstm,
    "gradient_strip.svg": strip,
    "backward_graph.svg": backward,
}


def main(arguments: list[str] | None = None) -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=IMAGES, metavar="DIR", help="where to write them")
    directory = parser.parse_args(arguments).directory
    for name, picture in PICTURES.items():
        console.save(picture(), directory / name)


if __name__ == "__main__":
    console.run(main)
