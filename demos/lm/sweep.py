"""Many models on one text, side by side: the command ``sweep``.

Every cell with every number of layers and units is a run in a folder of its own, as ``train`` makes it, with what came
of it in ``result.json``. It is written against ``concurrent.futures``: models are handed out to processes of this
machine or, with ``--mpi``, to those of

    mpiexec -n 9 python -m mpi4py.futures demos/char_lm.py sweep --mpi

where the first hands out and the others train. A sweep that was stopped goes on when it is started again: it leaves
out what is done, and resumes what was begun.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
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
from demos.lm.run import train
from demos.lm.scoring import score
from demos.lm.settings import OptionError, from_toml, recorded, values
from tinygrad_rnn import text
from tinygrad_rnn.checkpoint import CheckpointError, replacement

Record: TypeAlias = dict[str, Any]


def sweep(given: Mapping[str, Any]) -> int:
    """Train every combination of cells, layers and units; the exit code, 1 if one of them came to nothing."""
    options = values(Sweep, given)
    jobs = jobs_of(options)
    read_corpus(values(Train, jobs[0]))  # what is wrong with the text is found before there are processes
    say("sweep", f"{len(jobs)} models, in {options.run}")
    results = {}
    with executor_for(options) as executor:
        for job, result in completed(executor, jobs, at_once=getattr(executor, "num_workers", 0) or workers(options)):
            name = Path(job["run"]).name
            results[job["cell"], job["layers"], job["units"]] = result
            say(name, result.get("error") or f"test {result['test']:.3f} nats, {result['parameters']:,} parameters")
    print("\ntest nats per character, by units in each layer\n")
    rows = product(options.cells, options.layers)
    numbers = ([cell.upper(), str(n), *(shown(results[cell, n, u]) for u in options.units)] for cell, n in rows)
    console.table(["cell", "layers", *map(str, options.units)], numbers)
    return int(any("error" in result for result in results.values()))


def jobs_of(options: Sweep) -> list[Record]:
    """The options of each training, the longest first, so that none is left alone at the end."""
    common, jobs = from_toml(options.train) if options.train else {}, []
    for cell, layers, units in product(options.cells, options.layers, options.units):
        folder = str(Path(options.run) / f"{cell}-{layers}x{units}")
        job = common | {"cell": cell, "layers": layers, "units": units, "threads": options.threads, "run": folder}
        values(Train, job)
        jobs.append(job)
    return sorted(jobs, key=lambda job: -job["layers"] * job["units"] ** 2)


def shown(result: Record) -> str:
    """A result in the table."""
    return f"{result['test']:.3f}" if "test" in result else "-"


# ----------------------------------------------------------------------------------------------------------- processes


def workers(options: Sweep) -> int:
    """How many processes of this machine are to train."""
    return options.workers or os.cpu_count() or 1


def executor_for(options: Sweep) -> Executor:
    """Processes of this machine, or those of MPI."""
    if not options.mpi:
        return ProcessPoolExecutor(workers(options), mp_context=multiprocessing.get_context("spawn"))
    try:
        from mpi4py.futures import MPIPoolExecutor
    except ImportError as error:
        raise ImportError("--mpi needs the package mpi4py: pip install 'tinygrad-rnn[mpi]'") from error
    executor: Executor = MPIPoolExecutor()
    return executor


def completed(executor: Executor, jobs: Sequence[Record], *, at_once: int) -> Iterator[tuple[Record, Record]]:
    """Each of ``jobs`` and what came of it, in the order in which they end.

    No more are handed out than are worked on: so after Ctrl-C, which reaches all processes, none is begun.
    """
    waiting, running = list(reversed(jobs)), dict[Future[Record], Record]()
    while waiting or running:
        while waiting and len(running) < at_once:
            job = waiting.pop()
            running[executor.submit(trained, job)] = job
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


# ----------------------------------------------------------------------------------------------------------- one model


def trained(job: Record) -> Record:
    """Train one model, its words in a file: what came of it, or else ``error``."""
    folder, result = Folder(Path(job["run"])), Path(job["run"]) / "result.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before: Record = json.loads(result.read_text(encoding="utf-8"))
        if before["options"] == job:
            return before
    folder.path.mkdir(parents=True, exist_ok=True)
    with (
        (folder.path / "console.txt").open("a", encoding="utf-8") as words,
        contextlib.redirect_stdout(words),
        contextlib.redirect_stderr(words),
    ):
        try:
            with contextlib.suppress(OptionError):  # of a training that was over, but for its result
                if train({"resume": job["run"]} if is_begun(folder, job) else job, Ranks()):
                    return {"error": "interrupted"}
            found = {"options": job, **outcome(folder)}
            with replacement(result) as file:
                file.write(json.dumps(found, indent=2).encode())
        except (DivergedError, CheckpointError, MemoryError) as error:
            return {"error": str(error) or type(error).__name__}
    return found


def is_begun(folder: Folder, job: Record) -> bool:
    """Whether there is a checkpoint of such a training."""
    with contextlib.suppress(CheckpointError):
        return recorded(read_checkpoint(folder.last).options) == recorded(values(Train, job))
    return False


def outcome(folder: Folder) -> Record:
    """The numbers of a training: the best model's, per character."""
    read = read_checkpoint(find(str(folder.path), best=True))
    model, corpus, options = model_in(read), learned(read, read.options), read.options
    windows = text.evaluation_batches(corpus.test, steps=options.steps, batch_size=options.batch_size)
    found = {"validation": read.header["best"]["nats"], "test": score(model, windows).nats}
    return found | {"iteration": read.header["iteration"], "parameters": sum(p.size for p in model.parameters())}
