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
  truncated             two windows of two steps, the state cut between them
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

CELL, STRIP = "lstm", "vanishing"  # what is drawn unless another is named, and the figure that is no graph
FORMATS = ("svg", "png", "pdf", "dot", "html")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument("--figure", choices=FIGURES, help="one of the figures above, instead of --cell", metavar="NAME")
    made.add_argument("--cell", choices=CELLS, help="rnn, lstm (the default) or gru")
    made.add_argument("--layers", type=console.whole(1), metavar="L", help="on top of each other (default: 1)")
    made.add_argument("--steps", type=console.whole(1), metavar="T", help="of time (default: 3)")
    made.add_argument("--level", choices=("op", "cell", "layer"), help="what one node is (default: by the size)")
    made.add_argument("--theme", choices=("light", "dark", "print"), help="colours (default: light)")
    made.add_argument("--heat", action="store_true", help="colour by the norm of the gradient of the loss")
    made.add_argument("--backward", action="store_true", help="draw the backward graph as well")
    made.add_argument("--format", choices=FORMATS, help="of the file (default: as the name of --output says, or svg)")
    made.add_argument("--output", type=Path, metavar="FILE", help="(default: the name of the figure or the cell)")
    made.add_argument("--seed", type=console.seed, default=0, metavar="N", help="of all random numbers (default: 0)")
    return made


def target(options: argparse.Namespace) -> tuple[Path, str]:
    """The file to be written and its format; ValueError for a name whose ending says another one."""
    ending = options.output.suffix.removeprefix(".") if options.output else ""
    form = options.format or ending or "svg"
    if form not in FORMATS or (ending and ending != form):
        raise ValueError(f"{options.output}: the name must end in .{options.format or ', .'.join(FORMATS)}")
    file = options.output or Path(options.figure or options.cell or CELL)
    return (file if ending else file.with_name(f"{file.name}.{form}")), form


def check(options: argparse.Namespace, form: str) -> None:
    """Raise ValueError for options that don't go together."""
    if given := [f"--{name}" for name in ("cell", "layers", "steps") if getattr(options, name) and options.figure]:
        raise ValueError(f"--figure {options.figure} has its own cells and steps, so it takes no {', '.join(given)}")
    if options.figure == STRIP:
        if given := [f"--{name}" for name in ("heat", "level", "backward") if getattr(options, name)]:
            raise ValueError(f"--figure {STRIP} is a strip, which has no {', '.join(given)}")
        if form == "html":
            raise ValueError(f"--figure {STRIP} is a strip, which has no page; give another --format")
    if options.theme and form == "html":
        raise ValueError("--theme: a page shows light or dark as its reader's system does")


def picture(options: argparse.Namespace, form: str) -> tuple[str, bytes]:
    """What is drawn in words, and the contents of the file."""
    size: dict[str, Any] = {"cell": options.cell or CELL, "steps": options.steps or 3, "layers": options.layers or 1}
    figure = FIGURES.get(options.figure) or Figure(lambda rng: unrolled(rng, **size))
    tensors = figure.make(np.random.default_rng(options.seed))
    theme = {"theme": options.theme} if options.theme else {}
    if isinstance(tensors, dict):
        words = f"{'; '.join(tensors)}: the gradient of the loss at each state"
        return words, written(gradient_strip(tensors, **theme), form)
    how: dict[str, Any] = {**figure.how, "backward": options.backward or figure.how.get("backward", False)}
    how |= {"level": options.level} if options.level else {}
    how |= {"heat": "grad"} if options.heat else {}
    words = summary(*tensors)
    if form == "html":
        return words, to_html(*tensors, **how).encode()
    return words, written(draw(*tensors, **how, **theme), form)


def written(graph: graphviz.Digraph, form: str) -> bytes:
    """A graph as the contents of a file."""
    source: str = graph.source
    return source.encode() if form == "dot" else graph.pipe(format=form)


def main(arguments: list[str] | None = None) -> None:
    """Draw what the command line asks for."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        file, form = target(options)
        check(options, form)
    except ValueError as error:
        command.error(str(error))
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
