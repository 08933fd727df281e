"""A run: the loop around the ``Trainer``, with its reports, its checkpoints and its ends. The command ``train``."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from demos.lm import log
from demos.lm.consoles import hush
from demos.lm.corpus import read_corpus
from demos.lm.divergence import DivergedError, check
from demos.lm.files import match_best, read_checkpoint, resume, save
from demos.lm.folder import Folder, check_input, find
from demos.lm.options import Train
from demos.lm.progress import Progress, indented, say
from demos.lm.ranks import Ranks, launched
from demos.lm.report import command
from demos.lm.scoring import in_words
from demos.lm.settings import OptionError, recorded, values
from demos.lm.training import Best, Trainer
from tinygrad_rnn import text
from tinygrad_rnn.checkpoint import CheckpointError

NGRAM_ORDER = 6  # of the model that counts, for comparison: with one to three million characters the best one


class OverError(OptionError):
    """A training that can't go on because it is over, by the options it has."""


@dataclass
class Run:
    """A training, where its files are, and what its log says of the time before this process."""

    trainer: Trainer
    folder: Folder
    seconds: float = 0.0  # of training
    ngrams: tuple[float, ...] = ()  # nats per character of the validation part by models that count, of order 1, 2, ...

    def words(self, nats: float) -> str:
        """A validation for people."""
        return f"validation {in_words(nats)} per {'byte' if self.trainer.options.bytes else 'character'}"


def train(given: Mapping[str, Any], ranks: Ranks | None = None) -> int:
    """Learn a text, or go on with it; the exit code. ``given`` are the options that shall not be as they were.

    ``ranks`` are those that mpiexec started, if nothing is said of them.
    """
    ranks = launched() if ranks is None else ranks
    with contextlib.ExitStack() as held:  # the folder is kept to the end
        run = resumed(given, ranks, held) if given.get("resume") else begun(values(Train, given), ranks, held)
        with log.Log(run.folder.log if ranks.first else Path(os.devnull)) as journal, signals() as ranks.signals:
            if ranks.first:
                introduce(run, journal)
            reason = ended(run, journal)
        interrupted = reason == "interrupted"
        try:
            if ranks.first:
                conclude(run, reason)
        except OSError:
            if not interrupted:
                raise
            hush()  # the terminal was closed
    return 128 + (ranks.signals or [signal.SIGINT])[0] if interrupted else 0


# ---------------------------------------------------------------------------------------------- beginnings and the end


def conclude(run: Run, reason: str) -> None:
    """Say what came of it."""
    trainer = run.trainer
    say(f"n-gram order {NGRAM_ORDER}", run.words(run.ngrams[-1]))
    if trainer.best.iteration not in {0, trainer.iteration}:
        say(f"best, at {trainer.best.iteration}", run.words(trainer.best.nats))
    if reason != "interrupted":
        try:
            command.write(run.folder, run.folder.report)
            say("report", run.folder.report)
        except (CheckpointError, text.TextError, OptionError, MemoryError) as error:  # what was learned is saved
            say("no report", str(error) or "there is not enough memory for it")
    say(reason, f"after iteration {trainer.iteration}, saved in {run.folder.path}")


def begun(options: Train, ranks: Ranks, held: contextlib.ExitStack) -> Run:
    """A new run. Whatever can be wrong with its input is found before anything is written."""
    run = Run(Trainer(options, read_corpus(options), ranks), Folder(Path(options.run)))
    unite(run.trainer)
    if ranks.first:
        check_input(run.folder, options.text)
        held.enter_context(run.folder.locked())
        if aside := run.folder.begin(options):
            say("set aside", f"the run that was in {run.folder.path}, in {aside}")
    return run


def resumed(given: Mapping[str, Any], ranks: Ranks, held: contextlib.ExitStack) -> Run:
    """A run that goes on from a checkpoint, in the folder where that is."""
    if "run" in given:
        raise OptionError("run: a resumed run stays in its folder; copy the folder to have both")
    path = find(given["resume"], best=False)
    folder = Folder(path.parent)
    if ranks.first and path.exists():
        held.enter_context(folder.locked())
    anew = {name: value for name, value in given.items() if name not in {"resume", "threads"}}
    trainer = resume(read_checkpoint(path), anew, ranks)
    if trainer.iteration >= trainer.options.iterations:
        raise OverError(f"iterations: {trainer.iteration} are done; a larger --iterations goes on")
    if 0 < trainer.options.patience <= trainer.best.worse:
        raise OverError(f"patience: {trainer.best.worse} validations in a row were worse; a larger --patience goes on")
    unite(trainer, path)
    if not ranks.first:
        return Run(trainer, folder)
    kept = log.cut(folder.log, trainer.iteration)
    folder.sweep()
    folder.write_options(trainer.options)
    if aside := match_best(folder, trainer, path):
        say("set aside", f"{folder.best}, which is not the best of this run, in {aside}")
    start = next((r for r in kept if r["event"] == "start"), {})
    seconds = next((r["seconds"] for r in reversed(kept) if r["event"] == "train"), 0.0)
    say("resumed", f"{path}, after iteration {trainer.iteration}")
    return Run(trainer, folder, seconds, tuple(start.get("ngrams", ())))


def unite(trainer: Trainer, path: Path | None = None) -> None:
    """Have all ranks begin as one, anew or from the checkpoint at ``path``. OptionError for all if they differ."""
    known = recorded(trainer.options) | {"text": f"sha256 {trainer.corpus.sha256[:16]}", "checkpoint": "none"}
    if path is not None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        known["checkpoint"] = f"iteration {trainer.iteration} (sha256 {digest[:16]})"
    trainer.ranks.unite(known, trainer.optimizer.parameters.value)


def introduce(run: Run, journal: log.Log) -> None:
    """Say what is about to be trained on what, at the console and in the log."""
    trainer, options, corpus = run.trainer, run.trainer.options, run.trainer.corpus
    V, size, sizes = len(corpus.vocabulary), trainer.optimizer.parameters.value.size, corpus.sizes
    say("text", f"{corpus.name}, {len(corpus.characters):,} characters, {V} distinct")
    say("split", ", ".join(f"{name} {n:,}" for name, n in sizes.items()) + " characters")
    say("model", f"{options.cell.upper()}, {options.layers} x {options.units} units, {size:,} parameters")
    ranks = trainer.ranks.size
    say("BLAS threads", options.threads if ranks == 1 else f"{options.threads} in each of {ranks} processes")
    new = not run.ngrams
    if new:
        parts = corpus.training, corpus.validation
        run.ngrams = tuple(text.witten_bell(*parts, vocabulary_size=V, order=NGRAM_ORDER))
    say(f"n-gram order {NGRAM_ORDER}", f"{run.words(run.ngrams[-1])}\n")
    known: dict[str, Any] = {"options": recorded(options), "time": log.now()}
    if new:
        about = {"name": corpus.name, "sha256": corpus.sha256, "vocabulary": corpus.vocabulary.characters, **sizes}
        known |= {"text": about, "parameters": size, "ngrams": run.ngrams}
    journal.write("resume" if trainer.iteration else "start", trainer.iteration, **known)


# ------------------------------------------------------------------------------------------------------------ the loop


def ended(run: Run, journal: log.Log) -> str:
    """Train, and log why that ended, which is returned.

    If the log or the console can't be written to, what was learned is saved first. Of several ranks one can't do that
    alone: there the checkpoint before remains.
    """
    trainer = run.trainer
    try:
        reason = loop(run, journal)
    except DivergedError as error:
        journal.write("end", error.iteration, reason="diverged", why=str(error), time=log.now())
        error.add_note(remedy(run))
        raise
    except (CheckpointError, OSError):
        if trainer.ranks.size == 1:
            save(trainer, run.folder.last)
        raise
    journal.write("end", trainer.iteration, reason=reason, time=log.now())
    return reason


def loop(run: Run, journal: log.Log) -> str:
    """Train until there is a reason to stop, which is returned."""
    trainer, options = run.trainer, run.trainer.options
    size = options.steps * options.batch_size
    shown = Progress(trainer.iteration, options.iterations, characters=size, seconds=run.seconds)
    with shown as progress, np.errstate(all="ignore"):  # each step looks at loss, gradient and parameters
        reason = ""
        while not reason:
            check(trainer.model, trainer.optimizer, trainer.step(), trainer.norm)
            progress.advance(trainer.recent)
            if trainer.iteration % log.EVERY == 0:
                note(trainer, journal, progress)
            reported = is_report(options, trainer.iteration)
            best = reported and report(run, journal, progress)
            reason = why_stop(trainer)
            if reported or reason or trainer.iteration % options.save_every == 0:
                if trainer.ranks.first:
                    journal.sync()
                save(trainer, run.folder.last)
                if best:  # after the last, from which a run goes on: it may not be older than the best
                    save(trainer, run.folder.best)
                progress.leave_out()
    return reason


def note(trainer: Trainer, journal: log.Log, progress: Progress) -> None:
    """Log the last iterations."""
    losses = list(islice(reversed(trainer.recent), log.EVERY))
    nats, seconds = sum(losses) / len(losses), round(progress.total_seconds, 3)
    rate = trainer.optimizer.lr
    journal.write("train", trainer.iteration, nats=nats, lr=rate, gradient_norm=trainer.norm, seconds=seconds)


def is_report(options: Train, iteration: int) -> bool:
    """Whether to validate and sample after ``iteration``."""
    listed = max(options.report, default=0)
    further = options.report_every > 0 and iteration > listed and (iteration - listed) % options.report_every == 0
    return further or iteration in options.report or iteration == options.iterations


def report(run: Run, journal: log.Log, progress: Progress) -> bool:
    """Validate and sample, at the console and in the log, which rank 0 does for all; whether it is the best so far."""
    trainer = run.trainer
    if trainer.ranks.first:
        validate(run, journal, progress)
    nats, iteration, worse = trainer.ranks.told(astuple(trainer.best))
    trainer.best = Best(nats, int(iteration), int(worse))
    return not trainer.best.worse


def validate(run: Run, journal: log.Log, progress: Progress) -> None:
    """What is done at a report."""
    trainer = run.trainer
    found = trainer.validate()
    if not math.isfinite(found.nats):
        raise DivergedError(trainer.iteration, found.nats, trainer.norm, "that is the loss of the validation")
    sample = trainer.sample()
    best = trainer.best.take(found.nats, trainer.iteration)
    score = {"nats": found.nats, "bits": found.bits, "perplexity": found.perplexity, "characters": found.characters}
    journal.write("validate", trainer.iteration, **score, best=best, sample=sample)
    progress.say(f"iteration {trainer.iteration}", f"{run.words(found.nats)}\n\n{indented(sample)}\n")


def why_stop(trainer: Trainer) -> str:
    """Why training is over; "" if it isn't."""
    if trainer.iteration >= trainer.options.iterations:
        return "done"
    if 0 < trainer.options.patience <= trainer.best.worse:
        return "no improvement"
    return "interrupted" if trainer.ranks.stop else ""


def remedy(run: Run) -> str:
    """What to try after a divergence."""
    if not run.folder.last.exists():
        return "nothing was saved yet; lower --lr or --clip, or raise --warm-up"
    best = f" (or {run.folder.best})" if run.folder.best.exists() else ""
    return f"the checkpoint before is safe: go on with --resume {run.folder.path}{best} and a lower --lr or --clip"


@contextlib.contextmanager
def signals() -> Iterator[list[int]]:
    """A list to which Ctrl-C and SIGTERM add, instead of stopping the program at once; the second one stops it.

    So does SIGHUP of a terminal that is closed, but not if it is ignored, as under nohup. It may come twice, from the
    terminal and from the shell: it stops nothing.
    """
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        received.append(number)
        restore(signal.SIGINT, signal.SIGTERM)

    def restore(*numbers: int) -> None:
        for number in numbers:
            signal.signal(number, before[number])

    wanted = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        wanted.append(signal.SIGHUP)
    before: dict[int, Any] = {number: signal.signal(number, receive) for number in wanted}
    try:
        yield received
    finally:
        restore(*before)
