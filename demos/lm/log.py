"""A run as JSON lines: one object a line, in the order of events, each with its ``event`` and its ``iteration``.

``start``, ``resume``  the options and the time; ``start`` has the text, the sizes and the n-gram models' nats as well
``train``              every 10 iterations: mean loss of them in nats per character, learning rate, gradient norm of the
                       last one, seconds of training so far
``validate``           nats, bits and perplexity per character, characters scored; whether it is the best; a sample
``end``                the reason and the time

A line is written at once, so a run that is killed leaves at most its last line incomplete. A run that is resumed at
iteration k drops what was logged after k, and makes it again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeAlias

from tinygrad_rnn import checkpoint

Record: TypeAlias = dict[str, Any]

EVERY = 10  # iterations from one ``train`` to the next


class Log:
    """The log at ``path``, open for writing at its end; to be used in a ``with``."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a", encoding="utf-8", buffering=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, event: str, iteration: int, **more: Any) -> None:
        """Add a line."""
        self.file.write(line({"event": event, "iteration": iteration, **more}))


def line(record: Record) -> str:
    """A record as a line; a number that is not finite, which JSON can't say, is null."""
    sayable = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
    return json.dumps(sayable, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> Iterator[Record]:
    """The records of a log, up to a line that is none; no records if there is no such file."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                record = json.loads(text)
            except ValueError:  # the run was killed while it wrote
                return
            if not (isinstance(record, dict) and isinstance(record.get("iteration"), int)):
                return
            yield record


def cut(path: Path, iteration: int) -> list[Record]:
    """Drop from a log what came after ``iteration``, and a line that is incomplete; the records that remain."""
    kept = [record for record in read(path) if record["iteration"] <= iteration]
    with checkpoint.replacement(path) as file:
        file.write("".join(map(line, kept)).encode())
    return kept


def now() -> str:
    """The time, as ISO 8601 has it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
