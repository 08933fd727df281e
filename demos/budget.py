"""War and Peace by RNN, LSTM and GRU, one and two layers of 64 and 128 units, with the same time for each.

    python demos/budget.py                 # two sizes of each cell, five seconds each: the cheap cell is ahead
    python demos/budget.py --full --seconds 300 --plot budget.svg

Karpathy, Johnson and Fei-Fei ("Visualizing and Understanding Recurrent Networks", arXiv:1506.02078) compared these
cells on this text with 50 epochs for each. Here each model gets the same processor time, with B = 50 streams of T = 50
characters and Adam. A learning rate that falls to 0 at the end of the budget takes the place of knowing how many steps
there will be. As many steps for each, whatever time they take: ``char_lm.py sweep``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from demos import console  # isort: split

import numpy as np

from demos.lm.model import CharLM
from demos.lm.scoring import score
from demos.lm.training import update
from tinygrad_rnn import optim, text
from tinygrad_rnn.text.vocabulary import Ids

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T, B, RATE, CLIP = 50, 50, 0.01, 5.0
CELLS = ["rnn", "lstm", "gru"]
ORDER = 6  # of the n-gram model beside them
SCORED = 50_000  # characters of validation and of test


class Trained(NamedTuple):
    """A model and what came of it: iterations, seconds of processor time, nats per character of the test text."""

    cell: str
    layers: int
    units: int
    parameters: int
    iterations: int
    seconds: float
    nats: float


def train(model: CharLM, training: Ids, spent: Callable[[int], float]) -> int:
    """Train until ``spent(iterations)``, the part of the budget that is used up, reaches 1; the iterations."""
    optimizer, state = optim.Adam(model.parameters(), lr=RATE), None
    batches = text.Batches(training, steps=T, batch_size=B)
    while (part := spent(optimizer.steps)) < 1:
        optimizer.lr = RATE * min(1.0, (optimizer.steps + 1) / 50) * (1 - part)
        state = None if batches.at_epoch_start else state
        state = update(model, optimizer, next(batches), state, clip=CLIP).state
    return optimizer.steps


def trained(
    kind: tuple[str, int, int], vocabulary: text.Vocabulary, parts: tuple[Ids, Ids], seed: int, *,
    seconds: float = np.inf, iterations: int | None = None,
) -> Trained:  # fmt: skip
    """The model of ``kind``, cell, layers and units, after ``seconds`` of processor time, or after ``iterations``."""
    cell, layers, units = kind
    model = CharLM(vocabulary, cell, layers, units, dropout=0.0, rng=np.random.default_rng(seed))
    model.recurrent.unroll = False
    start = time.process_time()

    def spent(iteration: int) -> float:
        return iteration / iterations if iterations is not None else (time.process_time() - start) / seconds

    steps = train(model, parts[0], spent)
    took = time.process_time() - start
    found = score(model, list(text.evaluation_batches(parts[1], steps=T, batch_size=B)))
    parameters = sum(p.size for p in model.parameters())
    return Trained(cell, layers, units, parameters, steps, took, found.nats)


def row(t: Trained) -> list[str]:
    """A line of the table."""
    numbers = [f"{t.parameters:,}", f"{t.iterations:,}", f"{t.seconds:.0f}"]
    measures = [f"{t.nats:.3f}", f"{text.bits(t.nats):.3f}", f"{text.perplexity(t.nats):.2f}"]
    return [f"{t.cell.upper()} {t.layers} x {t.units}", *numbers, *measures]


def picture(found: list[Trained], counted: float, seconds: float) -> Figure:
    """Nats by layers and units, for each kind of cell."""
    figure, axes = console.figure(
        f"War and Peace, {seconds:g} seconds for each", "layers x units", "nats per character (test)"
    )
    for cell in CELLS:
        own = [(f"{t.layers} x {t.units}", t.nats) for t in found if t.cell == cell]
        axes.plot(*zip(*own, strict=True), "o-", label=cell.upper(), color=console.COLOURS[cell.upper()])
    axes.axhline(counted, ls="--", lw=1, label=f"n-gram, order {ORDER}", color=console.COLOURS["other"])
    axes.margins(y=0.15)  # room for the legend
    axes.legend(frameon=False, loc="upper center", ncols=4)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Train them one after the other, and compare."""
    parser = console.parser(__doc__, plot="nats by layers and units", full="all twelve, on all of the test text")
    parser.add_argument(
        "--seconds", metavar="S", type=console.positive, default=5.0, help="processor time of each (default: 5)"
    )
    options = parser.parse_args(arguments)
    content = text.read_text(console.DATA / "war_and_peace.txt")
    vocabulary = text.Vocabulary.from_text(content)
    training, _, test = text.split(vocabulary.encode(content), (0.9, 0.05, 0.05))
    sizes = list(product((1, 2), (64, 128))) if options.full else [(1, 64), (1, 128)]
    test = test if options.full else test[:SCORED]
    kinds = [(cell, *size) for size in sizes for cell in CELLS]
    found = [
        trained(kind, vocabulary, (training, test), options.seed, seconds=options.seconds)
        for kind in console.progress(kinds, "models")
    ]
    counted = text.witten_bell(training, test, vocabulary_size=len(vocabulary), order=ORDER)[-1]
    print(f"{len(test):,} test characters, {options.seconds:g} s of one processor for each model, per character:")
    header = ["", "parameters", "iterations", "s", "nats", "bits", "perplexity"]
    blank = ["", "", ""]
    ngram = [f"{counted:.3f}", f"{text.bits(counted):.3f}", f"{text.perplexity(counted):.2f}"]
    console.table(header, [*map(row, found), [f"n-gram, order {ORDER}", *blank, *ngram]])
    if options.plot:
        console.save(picture(found, counted, options.seconds), options.plot)


if __name__ == "__main__":
    console.run(main)
