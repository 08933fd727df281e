"""Watching what is recorded."""

from collections.abc import Callable
from typing import Any

from tinygrad_rnn import Tensor
from tinygrad_rnn.op import thread


def recorded(run: Callable[[], Any]) -> list[Tensor]:
    """What ``run()`` records."""
    seen: list[Tensor] = []
    thread.recorder.observers = (seen.append,)
    try:
        run()
    finally:
        thread.recorder.observers = ()
    return seen
