"""The folder of a run.

It holds ``last.safetensors``, ``best.safetensors`` (as it was at the best validation), ``log.jsonl``, ``options.toml``
and, at the end of the run, ``report.html``. What another run left there is set aside, in ``previous_1``, ``previous_2``
and so on, which nothing overwrites.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from demos.lm.options import Train
from demos.lm.paths import in_locale
from demos.lm.settings import OptionError, to_toml
from tinygrad_rnn import checkpoint
from tinygrad_rnn.checkpoint import CheckpointError

try:
    import fcntl
except ImportError:  # Windows, where two trainings in one folder are not kept apart
    fcntl = None  # type: ignore[assignment]

PATIENCE = 3.0  # seconds, in which a process that was killed ends


@dataclass(frozen=True)
class Folder:
    """The folder of a run."""

    path: Path

    @property
    def last(self) -> Path:
        """The checkpoint that was written last."""
        return self.path / "last.safetensors"

    @property
    def best(self) -> Path:
        """The checkpoint at the best validation."""
        return self.path / "best.safetensors"

    @property
    def log(self) -> Path:
        """The log."""
        return self.path / "log.jsonl"

    @property
    def options(self) -> Path:
        """The options."""
        return self.path / "options.toml"

    @property
    def report(self) -> Path:
        """The page that shows it."""
        return self.path / "report.html"

    @property
    def files(self) -> list[Path]:
        """All of these."""
        return [self.last, self.best, self.log, self.options, self.report]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Have no other training write here meanwhile. Raises CheckpointError if one does, or none can.

        The system forgets the lock with the process, however that ends. Where it has none, this does nothing.
        """
        checkpoint.check_writable(self.last)
        if fcntl is None:
            yield
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # of a file system without locks
                self.lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def lock(self, descriptor: int) -> None:
        """Lock an open file. Raises CheckpointError if it stays locked."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    reason = "another training writes there; give this one another --run, or stop that one first"
                    raise CheckpointError(self.path, reason) from error
            time.sleep(0.05)

    def begin(self, options: Train) -> Path | None:
        """Make the folder ready for a new run; where the one that was in it is now, if there was one."""
        self.sweep()
        aside = self.set_aside(self.files)
        self.write_options(options)
        return aside

    def set_aside(self, files: Sequence[Path]) -> Path | None:
        """Move those of ``files`` that exist into a new folder, which is returned; None if there are none."""
        there = [file for file in files if file.exists()]
        if not there:
            return None
        aside = next(path for n in count(1) if not (path := self.path / f"previous_{n}").exists())
        aside.mkdir()
        for file in there:
            file.replace(aside / file.name)
        return aside

    def sweep(self) -> None:
        """Remove what a process that was killed left half-written."""
        for file in self.path.glob("*.tmp"):
            if file.name.startswith(tuple(known.name for known in self.files)):
                file.unlink(missing_ok=True)

    def write_options(self, options: Train) -> None:
        """Write the file of options, which ``--config`` reads."""
        with checkpoint.replacement(self.options) as file:
            file.write(to_toml(options).encode())


def check_output(path: Path, *read: Path | str) -> None:
    """Raise OptionError if writing to ``path`` would replace one of the files ``read``, or one that a run needs."""
    folder = Folder(path.resolve().parent)
    for file in [*map(Path, read), folder.last, folder.best, folder.log, folder.options]:
        if path.exists() and file.exists() and path.samefile(file):
            raise OptionError(f"output: {path} is there already, as {file}, which would be lost; take another name")


def check_input(folder: Folder, path: str) -> None:
    """Raise OptionError if the text at ``path`` is one of the files that a new run in ``folder`` would set aside."""
    for file in folder.files:
        if file.exists() and file.samefile(in_locale(path)):
            raise OptionError(
                f"text: {file} has the name of a file of the run; rename it, or give the run another folder"
            )


def find(path: str, *, best: bool) -> Path:
    """The checkpoint at ``path``: itself, or in the folder of a run the best one, or the last."""
    folder = Folder(Path(path))
    if not folder.path.is_dir():
        return folder.path
    return folder.best if best and folder.best.exists() else folder.last
