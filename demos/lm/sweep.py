"""Many models on one text, side by side: the command ``sweep``.

Every cell with every number of layers and units is a run in a folder of its own, as ``train`` makes it, with what came
of it in ``result.json``. It is written against ``concurrent.futures``: models are handed out to processes of this
machine or, with ``--mpi``, to those of

    mpiexec -n 9 python -m mpi4py.futures demos/char_lm.py sweep --mpi

where the first hands out and the others train. A sweep that was stopped goes on when it is started again: it leaves
out what is done, and resumes what was begun. A model that comes to nothing, even one whose process is killed, is a gap
in the table and leaves the others alone; only mpiexec ends all its processes when one is killed.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from demos import console
from demos.lm.corpus import read_corpus
from demos.lm.divergence import DivergedError
from demos.lm.files import learned, model_in, read_checkpoint
from demos.lm.folder import Folder, find
from demos.lm.options import Sweep, Train
from demos.lm.progress import say
from demos.lm.ranks import Ranks
from demos.lm.run import OverError, train
from demos.lm.scoring import score
from demos.lm.settings import OptionError, from_toml, options_of, recorded, values
from demos.lm.training import Trainer
from tinygrad_rnn import text
from tinygrad_rnn.checkpoint import CheckpointError, replacement

Record: TypeAlias = dict[str, Any]


def sweep(given: Mapping[str, Any]) -> int:
    """Train every combination of cells, layers and units; the exit code, 1 if one of them came to nothing."""
    options = values(Sweep, given)
    jobs = jobs_of(options)
    sha256 = checked(values(Train, jobs[-1]))
    say("sweep", f"{len(jobs)} models, in {options.run}")
    results = {}
    for job, result in completed(executors_for(options, len(jobs)), jobs, sha256):
        results[job["cell"], job["layers"], job["units"]] = result
        found = result.get("error") or f"test {result['test']:.3f} nats, {result['parameters']:,} parameters"
        say(Path(job["run"]).name, found)
    print("\ntest nats per character, by units in each layer\n")
    rows = product(options.cells, options.layers)
    numbers = ([cell.upper(), str(n), *(shown(results[cell, n, u]) for u in options.units)] for cell, n in rows)
    console.table(["cell", "layers", *map(str, options.units)], numbers)
    return int(any("error" in result for result in results.values()))


def jobs_of(options: Sweep) -> list[Record]:
    """The options of each training, the longest first, so that none is left alone at the end."""
    common, jobs = from_toml(options.train) if options.train else {}, []
    known = options_of(Train)
    for name in common:
        if name in known and not known[name].recorded:
            raise OptionError(f"{name}: it can't be in {options.train}: the sweep itself says it for each training")
    for cell, layers, units in product(options.cells, options.layers, options.units):
        folder = str(Path(options.run) / f"{cell}-{layers}x{units}")
        job = common | {"cell": cell, "layers": layers, "units": units, "threads": options.threads, "run": folder}
        values(Train, job)
        jobs.append(job)
    return sorted(jobs, key=lambda job: -job["layers"] * job["units"] ** 2)


def checked(options: Train) -> str:
    """The SHA-256 of the text of all trainings, once one of them could begin, before there are processes.

    Raises TextError for a text that can't be read or is too short, and OptionError if there is nothing to test on.
    """
    corpus = read_corpus(options)
    Trainer(options, corpus)
    if len(corpus.test) < 2:
        found = f"that has {len(corpus.test)} characters; scoring needs 2"
        raise OptionError(f"split: the models are compared on the test part, but {found}")
    return corpus.sha256


def shown(result: Record) -> str:
    """A result in the table."""
    return f"{result['test']:.3f}" if "test" in result else "-"


# ----------------------------------------------------------------------------------------------------------- processes


def executors_for(options: Sweep, models: int) -> list[Executor]:
    """One for each of the ``models`` that are trained at once: processes of this machine, or those of MPI."""
    if not options.mpi:
        return [one_process() for _ in range(min(models, options.workers or os.cpu_count() or 1))]
    try:
        from mpi4py.futures import MPIPoolExecutor
    except ImportError as error:
        raise ImportError("--mpi needs the package mpi4py: pip install 'tinygrad-rnn[mpi]'") from error
    executor = MPIPoolExecutor()
    return [executor] * (executor.num_workers or 1)


def one_process() -> Executor:
    """A process of this machine. It has an executor of its own, for all that one has break with one that is killed."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def completed(executors: Sequence[Executor], jobs: Sequence[Record], sha256: str) -> Iterator[tuple[Record, Record]]:
    """Each of ``jobs`` and what came of it, in the order in which they end.

    No more are handed out than are worked on: so after Ctrl-C, which reaches all processes, none is begun.
    """
    waiting, running = list(reversed(jobs)), dict[Future[Record], tuple[Executor, Record]]()
    with contextlib.ExitStack() as opened:
        idle = [opened.enter_context(executor) for executor in executors]
        while waiting or running:
            while waiting and idle:
                executor, job = idle.pop(), waiting.pop()
                with ctrl_c(signal.SIG_BLOCK):
                    running[executor.submit(trained, job, sha256)] = executor, job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                executor, job = running.pop(future)
                try:
                    result = future.result()
                except BrokenExecutor:
                    result, executor = {"error": "its process was killed: out of memory?"}, one_process()
                    opened.enter_context(executor)
                idle.append(executor)
                yield job, result


@contextlib.contextmanager
def ctrl_c(how: int) -> Iterator[None]:
    """Ctrl-C waits meanwhile (SIG_BLOCK), or comes through (SIG_UNBLOCK), where a system can do that.

    A process that is started while it waits has it wait too, so that its imports are not where it comes.
    """
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        before = signal.pthread_sigmask(how, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    else:
        yield


# ----------------------------------------------------------------------------------------------------------- one model


def trained(job: Record, sha256: str) -> Record:
    """Train one model on the text with ``sha256``, its words in a file: what came of it, or else ``error``."""
    folder, result = Folder(Path(job["run"])), Path(job["run"]) / "result.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before: Record = json.loads(result.read_text(encoding="utf-8"))
        if (before["options"], before["sha256"]) == (job, sha256):
            return before
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with (
            ctrl_c(signal.SIG_UNBLOCK),
            (folder.path / "console.txt").open("a", encoding="utf-8") as words,
            contextlib.redirect_stdout(words),
            contextlib.redirect_stderr(words),
        ):
            with contextlib.suppress(OverError):  # all but its result was there
                if train({"resume": job["run"]} if is_begun(folder, job, sha256) else job, Ranks()):
                    return {"error": "interrupted"}
            found = {"options": job, **outcome(folder)}
            if found["sha256"] != sha256:
                return {"error": f"{found['text']}: not the text that it was when and where the sweep began"}
            with replacement(result) as file:
                file.write(json.dumps(found, indent=2).encode())
    except KeyboardInterrupt:
        return {"error": "interrupted"}
    except (DivergedError, CheckpointError, OptionError, text.TextError, MemoryError, OSError) as error:
        return {"error": str(error) or type(error).__name__}
    return found


def is_begun(folder: Folder, job: Record, sha256: str) -> bool:
    """Whether there is a checkpoint of such a training."""
    with contextlib.suppress(CheckpointError, KeyError, TypeError):
        read = read_checkpoint(folder.last)
        return recorded(read.options) == recorded(values(Train, job)) and read.header["text"]["sha256"] == sha256
    return False


def outcome(folder: Folder) -> Record:
    """The numbers of a training: the best model's, per character."""
    read = read_checkpoint(find(str(folder.path), best=True))
    model, corpus, options = model_in(read), learned(read, read.options), read.options
    windows = text.evaluation_batches(corpus.test, steps=options.steps, batch_size=options.batch_size)
    found = {"validation": read.header["best"]["nats"], "test": score(model, windows).nats}
    found |= {"iteration": read.header["iteration"], "parameters": sum(p.size for p in model.parameters())}
    return found | {"text": options.text, "sha256": corpus.sha256}
