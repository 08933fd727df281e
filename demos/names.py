"""Names: one input, many outputs. A network that was shown names makes new ones.

    python demos/names.py --plot names.svg

A GRU reads a line end and writes a name, character by character, up to the next line end. Andrej Karpathy
("The Unreasonable Effectiveness of Recurrent Neural Networks", 2015) did this with 8,000 baby names and found that 90 %
of what the network wrote did not occur among them (at which temperature, he doesn't say). Here it is 8,000 names of
another list, each of them once, and the rest of that list tells which inventions are names after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING

from demos import console  # isort: split

import numpy as np

from demos.lm.model import CharLM
from tinygrad_rnn import cross_entropy, no_grad, optim, text
from tinygrad_rnn.text.vocabulary import Ids

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH, RATE = 64, 0.01
HELD_OUT = 2000  # names to measure the loss on
TEMPERATURES = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
LONGEST = 20  # characters of a name that is written
PUBLISHED = 90  # percent of the names that were new


@dataclass(frozen=True)
class Written:
    """Names written at one temperature, and what they are, in percent."""

    temperature: float
    names: list[str]
    new: float  # not among the names learned from
    real: float  # new, and yet on the list
    different: float  # from each other


def divided(count: int | None, rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """All names, each once; of these 2,000 to measure the loss on, and ``count`` others, or all, to learn from."""
    every = sorted(set(text.read_text(console.DATA / "names.txt").split()))
    shuffled = [every[i] for i in rng.permutation(len(every))]
    return every, shuffled[:HELD_OUT], shuffled[HELD_OUT : count and HELD_OUT + count]


def padded(names: Sequence[str], vocabulary: text.Vocabulary) -> tuple[Ids, Ids]:
    """Inputs and targets [T, B]: a line end and the name, the name and a line end; the rest counts nothing."""
    T = max(map(len, names)) + 1
    lines = np.stack([vocabulary.encode(f"\n{name}\n".ljust(T + 1, "\n")) for name in names], axis=1)
    over = np.arange(T)[:, None] > [len(name) for name in names]
    return lines[:-1], np.where(over, text.IGNORE, lines[1:])


def train(model: CharLM, names: Sequence[str], epochs: int, rng: np.random.Generator) -> None:
    """Learn ``names`` with Adam, its learning rate falling along half a cosine."""
    optimizer = optim.Adam(model.parameters())
    steps = epochs * (len(names) // BATCH)
    schedule = optim.CosineDecay(RATE, steps)
    for step in console.progress(range(steps), "learning names"):
        optimizer.lr = schedule(step)
        inputs, targets = padded([names[i] for i in rng.integers(len(names), size=BATCH)], model.vocabulary)
        optimizer.zero_grad()
        cross_entropy(model(inputs)[0], targets, ignore_index=text.IGNORE).backward()
        optim.clip_grad_norm(optimizer, 1.0)
        optimizer.step()


def loss(model: CharLM, names: Sequence[str]) -> float:
    """Nats per character of ``names``, line ends included."""
    inputs, targets = padded(names, model.vocabulary)
    with no_grad():
        return cross_entropy(model(inputs)[0], targets, ignore_index=text.IGNORE).item()


def write(model: CharLM, count: int, temperature: float, rng: np.random.Generator) -> list[str]:
    """``count`` names, all of them at once: each character drawn is the next input."""
    ids, state = np.repeat(model.vocabulary.encode("\n"), count), None
    columns: list[Ids] = []
    with no_grad():
        while len(columns) < LONGEST:
            logits, state = model(ids[None], state)
            rows = (text.distribution(row, temperature=temperature) for row in logits.data[0])
            ids = np.array([text.draw(row, rng) for row in rows])
            columns.append(ids)
    return [model.vocabulary.decode(line).partition("\n")[0] for line in np.stack(columns, axis=1)]


def judged(temperature: float, names: list[str], learned: set[str], every: set[str]) -> Written:
    """``names`` beside those ``learned`` from and ``every`` name of the list."""
    share = 100 / len(names)
    new = [name for name in names if name not in learned]
    real = [name for name in new if name in every]
    return Written(temperature, names, share * len(new), share * len(real), share * len(set(names)))


def picture(ladder: list[Written]) -> Figure:
    """How new the names are at each temperature."""
    figure, axes = console.figure("Names written", "temperature", "percent")
    drawn = [w for w in ladder if w.temperature > 0]  # at 0 it is one name, 500 times
    temperatures, *shares = zip(*((w.temperature, w.new, w.real, w.different) for w in drawn), strict=True)
    looks = (("new", "GRU"), ("new, and on the list", "LSTM"), ("different", "other"))
    for share, (label, colour) in zip(shares, looks, strict=True):
        axes.plot(temperatures, share, "o-", label=label, color=console.COLOURS[colour])
    axes.axhline(PUBLISHED, ls=":", label="new, published (temperature not said)", color=console.COLOURS["RNN"])
    axes.legend(frameon=False)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Learn, then write names at each temperature."""
    full = "learn from all names but 2,000, and with 128 units: a minute instead of 4 seconds"
    options = console.parser(__doc__, plot="what is new by temperature", full=full).parse_args(arguments)
    rng = np.random.default_rng(options.seed)
    every, held_out, learned = divided(None if options.full else 8000, rng)
    units, epochs = (128, 15) if options.full else (64, 6)
    vocabulary = text.Vocabulary.from_text("\n".join(every))
    model = CharLM(vocabulary, "gru", 1, units, dropout=0.0, rng=rng)
    model.recurrent.unroll = False
    train(model, learned, epochs, rng)

    lines = [vocabulary.encode("\n".join(part) + "\n") for part in (learned, held_out)]
    counted = text.witten_bell(*lines, vocabulary_size=len(vocabulary), order=4)[-1]
    rows = [
        [name, f"{nats:.3f}", f"{text.bits(nats):.3f}", f"{text.perplexity(nats):.2f}"]
        for name, nats in {f"GRU, {units} units": loss(model, held_out), "n-gram, order 4": counted}.items()
    ]
    print(f"{len(learned):,} names learned from, {HELD_OUT:,} others scored, per character:")
    console.table(["", "nats", "bits", "perplexity"], rows)

    ladder = [judged(t, write(model, 500, t, rng), set(learned), set(every)) for t in TEMPERATURES]
    print(f"500 names at each temperature, in percent (published, of 8,000 names: {PUBLISHED} % new)")
    rows = []
    for w in ladder:
        shares = [f"{share:.0f}" for share in (w.new, w.real, w.different)]
        rows.append([f"{w.temperature:g}", *shares, shorten(" ".join(w.names), 37, placeholder="")])
    console.table(["temperature", "new", "on the list", "different", "such as"], rows)
    if options.plot:
        console.save(picture(ladder), options.plot)


if __name__ == "__main__":
    console.run(main)
