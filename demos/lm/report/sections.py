"""What a page tells of a training: numbers, curves, samples, temperatures, options."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from demos.lm import log
from demos.lm.corpus import Corpus, for_people
from demos.lm.model import CharLM
from demos.lm.options import Train
from demos.lm.report.chart import Series, chart
from demos.lm.report.page import Section, escaped, table
from demos.lm.sampling import continuation
from demos.lm.scoring import score
from demos.lm.settings import options_of, shown
from tinygrad_rnn import text

TEMPERATURES = (0.0, 0.3, 0.5, 0.7, 1.0, 1.3)
LENGTH = 250  # characters at each temperature


@dataclass(frozen=True)
class Story:
    """A training as its files tell it: the options, the text, the model at its best, and the records of the log."""

    options: Train
    corpus: Corpus
    model: CharLM
    iteration: int  # of the model
    records: Sequence[log.Record]

    @property
    def unit(self) -> str:
        """What is predicted."""
        return "byte" if self.options.bytes else "character"

    @property
    def ngrams(self) -> dict[str, float]:
        """Nats of the models that count, by name."""
        found = next((r.get("ngrams") for r in self.records if r.get("event") == "start"), None) or []
        return {f"{n}-gram": number(nats) for n, nats in enumerate(found, 1)}

    def events(self, name: str) -> list[log.Record]:
        """The records of one event."""
        return [record for record in self.records if record.get("event") == name]

    def curve(self, event: str, what: str) -> list[tuple[float, float]]:
        """A number by iteration."""
        return [(record["iteration"], number(record.get(what))) for record in self.events(event)]


def number(value: object) -> float:
    """A number of the log; NaN for what is none, as a loss that was not finite."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def numbers(story: Story) -> Section:
    """The final numbers: the validation of the log, and the test part, scored now, beside models that count."""
    rows = [row(f"{name}, validation", nats) for name, nats in story.ngrams.items()]
    validations = [v for v in story.curve("validate", "nats") if math.isfinite(v[1])]
    if validations:
        best = min(validations, key=lambda v: v[1])
        told = {
            f"validation, best, at iteration {best[0]:,}": best,
            f"validation, last, at {validations[-1][0]:,}": validations[-1],
        }
        rows += [row(name, nats) for name, (_, nats) in told.items()]
    if len(story.corpus.test) > 1:
        steps, streams = story.options.steps, story.options.batch_size
        windows = text.evaluation_batches(story.corpus.test, steps=steps, batch_size=streams)
        rows.append(row(f"test, model of iteration {story.iteration:,}", score(story.model, windows).nats))
    losses = story.curve("train", "nats")
    if losses:
        last = [nats for _, nats in losses[-10:]]
        rows.append(row(f"training, the last {log.EVERY * len(last)} iterations", sum(last) / len(last)))
    head = ["", f"nats per {story.unit}", "bits", "perplexity"]
    iterations, seconds = (story.curve("train", "seconds") or [(0, math.nan)])[-1]
    pace = iterations * story.options.steps * story.options.batch_size / seconds if seconds > 0 else math.nan
    note = f"{iterations:,.0f} iterations in {seconds:,.1f} s of training, {pace:,.0f} {story.unit}s a second."
    return Section("Numbers", table(head, rows) + (f'<p class="note">{note}</p>' if math.isfinite(pace) else ""))


def row(name: str, nats: float) -> list[str]:
    """A line of the table of numbers."""
    return [name, f"{nats:.3f}", f"{text.bits(nats):.3f}", f"{text.perplexity(nats):.2f}"]


def curves(story: Story) -> Section:
    """Losses beside the n-gram models, learning rate, gradient norm."""
    losses = [
        Series(event, story.curve(name, "nats")) for event, name in (("training", "train"), ("validation", "validate"))
    ]
    rate = Series("learning rate", story.curve("train", "lr"))
    norm = Series("norm before clipping", story.curve("train", "gradient_norm"))
    body = chart(losses, x="iteration", y=f"nats per {story.unit}", rules=story.ngrams)
    body += "<h3>Norm of the gradient</h3>" + chart([norm], x="iteration", y="norm", log=True)
    body += "<h3>Learning rate</h3>" + chart([rate], x="iteration", y="rate")
    return Section("Curves", body)


def samples(story: Story) -> Section:
    """What the model wrote at each report."""
    told = []
    for record in story.events("validate"):
        nats = number(record.get("nats"))
        note = f"validation {nats:.3f} nats, perplexity {text.perplexity(nats):.2f}"
        told.append((f"Iteration {record['iteration']:,}", note, str(record.get("sample", ""))))
    return Section("Samples", cards(told))


def ladder(story: Story) -> Section:
    """One seed at several temperatures."""
    told = []
    for temperature in TEMPERATURES:
        rng = np.random.default_rng(story.options.seed)
        new = continuation(story.model, length=LENGTH, temperature=temperature, rng=rng)
        about = "always the likeliest" if temperature == 0 else "as the model predicts" if temperature == 1 else ""
        told.append((f"Temperature {temperature:g}", about, "".join(for_people(new, story.options))))
    return Section("Temperatures", cards(told))


def cards(told: Iterable[tuple[str, str, str]]) -> str:
    """Texts side by side, each with a heading and a note."""
    made = (
        f'<article class="card"><h3>{escaped(title)}</h3><p class="note">{escaped(note)}</p>'
        f'<p class="sample">{escaped(sample)}</p></article>'
        for title, note, sample in told
    )
    return f'<div class="cards">{"".join(made)}</div>'


def configuration(story: Story) -> Section:
    """Every option of the training."""
    known = options_of(story.options)
    rows = [
        (name, shown(getattr(story.options, name)), option.about) for name, option in known.items() if option.recorded
    ]
    return Section("Configuration", f'<div class="options">{table(["option", "value", ""], rows)}</div>')
