"""A run as JSON lines: one object a line, in the order of events, each with its ``event`` and its ``iteration``.

``start``, ``resume``  the options and the time; ``start`` has the text, the sizes and the n-gram models' nats as well
``train``              every 10 iterations: mean loss of them in nats per character, learning rate, gradient norm of the
                       last one, seconds of training so far
``validate``           nats, bits and perplexity per character, characters scored; whether it is the best; a sample
``end``                the reason and the time

A line is written at once, so a run that is killed leaves at most its last line incomplete, and all lines are on disk
before the checkpoint of their iteration is. A run that is resumed at iteration k drops what was logged after k, and
makes it again. Any other line that is not as above is refused, with its number.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeAlias

from tinygrad_rnn import checkpoint
from tinygrad_rnn.checkpoint import CheckpointError

Record: TypeAlias = dict[str, Any]

EVERY = 10  # iterations from one ``train`` to the next

NUMBER, MEASURE, NUMBERS, OBJECT = "a number", "a number or null", "a list of numbers", "an object"
KINDS: dict[str, Callable[[Any], bool]] = {
    "a whole number": lambda value: type(value) is int and value >= 0,
    NUMBER: lambda value: type(value) in {int, float},
    MEASURE: lambda value: value is None or type(value) in {int, float},
    NUMBERS: lambda value: type(value) is list and all(type(number) in {int, float} for number in value),
    "true or false": lambda value: type(value) is bool,
    "a text": lambda value: type(value) is str,
    OBJECT: lambda value: type(value) is dict,
}
FIELDS = {
    "start": {"options": OBJECT, "text": OBJECT, "ngrams": NUMBERS},
    "resume": {"options": OBJECT},
    "train": {"nats": MEASURE, "lr": NUMBER, "gradient_norm": MEASURE, "seconds": NUMBER},
    "validate": {"nats": NUMBER, "bits": NUMBER, "perplexity": MEASURE, "best": "true or false", "sample": "a text"},
    "end": {"reason": "a text"},
}


class Log:
    """The log at ``path``, open for writing at its end; to be used in a ``with``.

    Everything here raises CheckpointError if the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.writing():
            self.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Have an OSError inside raised as CheckpointError."""
        try:
            yield
        except OSError as error:
            raise CheckpointError(self.path, f"can't be written: {error.strerror or error}") from error

    def write(self, event: str, iteration: int, **more: Any) -> None:
        """Add a line."""
        data = line({"event": event, "iteration": iteration, **more}).encode()
        with self.writing():
            while data:  # a disk that is nearly full takes a part
                data = data[os.write(self.descriptor, data) :]

    def sync(self) -> None:
        """Have all lines on disk."""
        with self.writing():
            os.fsync(self.descriptor)


def line(record: Record) -> str:
    """A record as a line; a number that is not finite, which JSON can't say, is null."""
    sayable = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
    return json.dumps(sayable, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> Iterator[Record]:
    """The records of a log, but for a last line without an end; no records if there is no such file.

    Raises CheckpointError if it can't be read, or with the number of a line that is no record.
    """
    try:
        content = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        raise CheckpointError(path, f"can't be read: {error.strerror or error}") from error
    *whole, _ = content.split("\n")  # the run was killed while it wrote what follows the last line end
    for number, text in enumerate(whole, 1):
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        if reason := wrong(record):
            raise CheckpointError(f"{path}, line {number}", f"{reason}; remove the line, or the file")
        yield record


def wrong(record: Any) -> str:
    """What is wrong with a record; "" if nothing is."""
    if type(record) is not dict:
        return "it is no JSON object"
    events = [event for event in FIELDS if event == record.get("event")]
    if not events:
        return f"its event is none of {', '.join(FIELDS)}"
    for name, kind in {"iteration": "a whole number", **FIELDS[events[0]]}.items():
        if name not in record:
            return f"{name} is missing"
        if not KINDS[kind](record[name]):
            return f"{name} is not {kind}"
    return ""


def cut(path: Path, iteration: int) -> list[Record]:
    """Drop from a log what came after ``iteration``, and a line that is incomplete; the records that remain."""
    kept = [record for record in read(path) if record["iteration"] <= iteration]
    with checkpoint.replacement(path) as file:
        file.write("".join(map(line, kept)).encode())
    return kept


def now() -> str:
    """The time, as ISO 8601 has it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
