"""A run at the console: entries in two columns, and how far training is."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Self

from demos import console
from demos.lm.consoles import harmless
from tinygrad_rnn import text

EVERY = 100  # iterations: how often a line is printed where there is no terminal


def entry(label: str, value: object) -> str:
    """What the program tells, in two columns."""
    return f"{label:<15}{value}"


def indented(content: str) -> str:
    """A text within 80 columns, set off from what is around it."""
    settings: dict[str, Any] = {"initial_indent": "    ", "subsequent_indent": "    ", "replace_whitespace": False}
    return "\n".join(textwrap.fill(line, 80, **settings) for line in harmless(content).split("\n"))


def say(label: str, value: object) -> None:
    """Print an entry."""
    print(entry(label, value), flush=True)


class Progress:
    """How training goes: a bar on a terminal; in output that goes elsewhere a line of fixed form every 100 iterations.

    ``done`` of ``iterations`` are behind it, and took ``seconds``; each learns so many ``characters``. The speed is
    that of training alone, in this process; the time to go has the reports and checkpoints in it.
    """

    def __init__(self, done: int, iterations: int, *, characters: int, seconds: float = 0.0) -> None:
        self.first, self.done, self.iterations, self.characters = done, done, iterations, characters
        self.before, self.seconds = seconds, 0.0
        self.started = self.resumed = time.perf_counter()
        self.bar = terminal_bar(done, iterations) if sys.stderr.isatty() else None
        self.lines = self.bar is None or not sys.stdout.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    @property
    def total_seconds(self) -> float:
        """Seconds of training, also before this process."""
        return self.before + self.seconds

    def advance(self, losses: Collection[float]) -> None:
        """One more iteration is done; what is shown is the mean of the last ``losses``, in nats per character."""
        now = time.perf_counter()
        self.seconds += now - self.resumed
        self.resumed = now
        self.done += 1
        if self.bar is not None:
            self.bar.set_description_str(f"loss {mean(losses):.3f} nats  {self.status()}", refresh=False)
            self.bar.update()
        if self.lines and self.done % EVERY == 0:
            nats = mean(losses)
            loss = f"loss {nats:.3f} nats, {text.bits(nats):.3f} bits"
            self.print(f"{self.done:>6}/{self.iterations}  {loss}  {self.status()}")

    def status(self) -> str:
        """Speed, time to go, and when that will be."""
        done = self.done - self.first
        left = (time.perf_counter() - self.started) / done * (self.iterations - self.done)
        return f"{done * self.characters / self.seconds:,.0f} chars/s  ETA {span(left)}, at {moment(left)}"

    def say(self, label: str, value: str) -> None:
        """Print an entry, set off from the lines."""
        self.print("\n" * self.lines + entry(label, value))

    def print(self, content: str) -> None:
        """Print above the bar."""
        if self.bar is not None:
            self.bar.write(content)
            sys.stdout.flush()
        else:
            print(content, flush=True)

    def leave_out(self) -> None:
        """Leave out the time since the last ``advance``: it went into a report or a checkpoint, not into training."""
        self.resumed = time.perf_counter()


def mean(losses: Collection[float]) -> float:
    """Their mean."""
    return sum(losses) / len(losses)


def span(seconds: float) -> str:
    """A time span as minutes and seconds, with hours in front if there are any.

    >>> span(61.4), span(36_000), span(1e9)
    ('1:01', '10:00:00', '277777:46:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def moment(seconds: float, now: datetime | None = None) -> str:
    """The time of day in so many seconds; with the date if that is another day, without a time beyond 99 days.

    >>> moment(3600, datetime(2024, 2, 28, 22, 5)), moment(7200, datetime(2024, 2, 28, 22, 5)), moment(1e9)
    ('23:05', '02-29 00:05', 'some day')
    """
    if seconds > 99 * 86_400:
        return "some day"
    now = now or datetime.now().astimezone()
    then = now + timedelta(seconds=seconds)
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%m-%d %H:%M}"


def terminal_bar(done: int, iterations: int) -> Any:
    """A bar that fills the line of a terminal."""
    layout = "{percentage:3.0f}% {bar} {n}/{total}  {desc}"
    return console.bar(initial=done, total=iterations, bar_format=layout)
