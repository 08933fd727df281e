"""Draw an unrolled network, or a figure of a lecture on recurrent networks, as it was recorded.

    python demos/draw_unrolled.py --cell lstm --layers 2 --steps 5 --level cell --output lstm.svg
    python demos/draw_unrolled.py --cell gru --steps 12 --heat --theme dark --format png
    python demos/draw_unrolled.py --cell rnn --steps 3 --backward
    python demos/draw_unrolled.py --cell lstm --steps 100 --format html
    python demos/draw_unrolled.py --figure hello

figures:
  hidden, input         four steps of a network whose hidden units see their last values, or the last input
  rnn, lstm, gru        two steps of a cell, operation by operation
  one-to-many, many-to-one, many-to-many    what is read and what is written
  bptt                  one unit over three steps: values, and behind ∂ gradients
  truncated             two windows, the state cut between them
  backward              one step, its rules, and what they keep
  hello                 the four letters of Karpathy 2015, with their numbers
  vanishing             the gradient on its way back through an RNN, an LSTM and a GRU
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from demos import console  # isort: split

import graphviz
import numpy as np

from demos.lecture_figures import CELLS, FIGURES, Figure, unrolled
from tinygrad_rnn.draw import draw, gradient_strip, summary, to_html

FORMATS = ("svg", "png", "pdf", "dot", "html")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument("--figure", choices=FIGURES, help="one of the figures above, instead of --cell", metavar="NAME")
    made.add_argument("--cell", choices=CELLS, default="lstm", help="rnn, lstm (the default) or gru")
    made.add_argument("--layers", type=count, default=1, metavar="L", help="on top of each other (default: 1)")
    made.add_argument("--steps", type=count, default=3, metavar="T", help="of time (default: 3)")
    made.add_argument("--level", choices=("op", "cell", "layer"), help="what one node is (default: by the size)")
    made.add_argument("--theme", choices=("light", "dark", "print"), help="colours (default: light)")
    made.add_argument("--heat", action="store_true", help="colour by the norm of the gradient of the loss")
    made.add_argument("--backward", action="store_true", help="draw the backward graph as well")
    made.add_argument("--format", choices=FORMATS, help="of the file (default: as the name of --output says, or svg)")
    made.add_argument("--output", type=Path, metavar="FILE", help="(default: the name of the figure or the cell)")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of all random numbers (default: 0)")
    return made


def count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def target(options: argparse.Namespace) -> tuple[Path, str]:
    """The file to be written and its format; ValueError for a name whose ending says another one."""
    ending = options.output.suffix.removeprefix(".") if options.output else ""
    form = options.format or ending or "svg"
    if form not in FORMATS or (ending and ending != form):
        raise ValueError(f"{options.output}: the name must end in .{options.format or ', .'.join(FORMATS)}")
    file = options.output or Path(options.figure or options.cell)
    return (file if ending else file.with_name(f"{file.name}.{form}")), form


def picture(options: argparse.Namespace, form: str) -> tuple[str, bytes]:
    """What is drawn in words, and the contents of the file; ValueError for options that don't go together."""
    size = {"cell": options.cell, "steps": options.steps, "layers": options.layers}
    figure = FIGURES.get(options.figure) or Figure(lambda rng: unrolled(rng, **size))
    tensors = figure.make(np.random.default_rng(options.seed))
    theme = {"theme": options.theme} if options.theme else {}
    if isinstance(tensors, dict):
        if form == "html":
            raise ValueError(f"--figure {options.figure} is a strip, which has no page; give another --format")
        words = f"{', '.join(tensors)}: the gradient of the loss at each state"
        return words, written(gradient_strip(tensors, **theme), form)
    how: dict[str, Any] = {**figure.how, "backward": options.backward or figure.how.get("backward", False)}
    how |= {"level": options.level} if options.level else {}
    how |= {"heat": "grad"} if options.heat else {}
    words = summary(*tensors)
    if form != "html":
        return words, written(draw(*tensors, **how, **theme), form)
    if theme:
        raise ValueError("--theme: a page shows light or dark as its reader's system does")
    return words, to_html(*tensors, **how).encode()


def written(graph: graphviz.Digraph, form: str) -> bytes:
    """A graph as the contents of a file."""
    source: str = graph.source
    return source.encode() if form == "dot" else graph.pipe(format=form)


def main(arguments: list[str] | None = None) -> None:
    """Draw what the command line asks for."""
    options = parser().parse_args(arguments)
    file, form = target(options)
    try:
        words, contents = picture(options, form)
    except graphviz.ExecutableNotFound as error:  # its text names what to install
        raise ImportError(error) from error
    print(words)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(contents)
    print(f"wrote {file}")


if __name__ == "__main__":
    console.run(main)
