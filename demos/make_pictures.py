"""All pictures in the READMEs that take seconds, written anew: recorded graphs, and what the demos plot.

    python demos/make_pictures.py [DIR]

Without DIR they are written where the READMEs have them. Needs a layout program: see tinygrad_rnn.draw.doctor().
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from demos import console  # isort: split

import numpy as np

from demos import airline, hello, memory, names, sampling, three_sentences
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


def figure(name: str) -> graphviz.Digraph:
    """One of the figures that draw_unrolled.py draws."""
    chosen = figures.FIGURES[name]
    return draw(*chosen.make(np.random.default_rng(0)), **chosen.how)


GRAPHS: dict[str, Callable[[], graphviz.Digraph]] = {
    "lstm_graph.svg": lstm,
    "gradient_strip.svg": strip,
    "backward_graph.svg": partial(figure, "backward"),
    "bptt.svg": partial(figure, "bptt"),
    "lstm.svg": partial(figure, "lstm"),
    "truncated.svg": partial(figure, "truncated"),
}
DEMOS: dict[str, Callable[[list[str]], None]] = {
    "airline.svg": airline.main,
    "hello.svg": hello.main,
    "memory.svg": memory.main,
    "names.svg": names.main,
    "sampling.svg": sampling.main,
    "three_sentences.svg": three_sentences.main,
}


def main(arguments: list[str] | None = None) -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=IMAGES, metavar="DIR", help="where to write them")
    directory = parser.parse_args(arguments).directory
    directory.mkdir(parents=True, exist_ok=True)
    for name, graph in GRAPHS.items():
        console.save(graph(), directory / name)
    for name, demo in DEMOS.items():
        with contextlib.redirect_stdout(io.StringIO()):
            demo(["--plot", str(directory / name)])
        print(f"wrote {directory / name}")


if __name__ == "__main__":
    console.run(main)
