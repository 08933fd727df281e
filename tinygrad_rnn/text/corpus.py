"""From a file to batches: reading a text, splitting it, and cutting it into parallel streams.

Training and evaluation lay the text out alike. It is cut into B streams of equal length, side by side; each
batch is a window of T consecutive characters of every stream. So the state with which a recurrent model ends
one window is the state with which to begin the next:

    text      a b c d e f g h i j k l m          B = 2, T = 3
    stream 0  a b c | d e f          window 0: inputs [[a, g], [b, h], [c, i]]
    stream 1  g h i | j k l                    targets [[b, h], [c, i], [d, j]]

Inputs and targets are int64 [T, B], axes time and stream; the target of a character is the one after it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.ops.loss import IGNORE
from tinygrad_rnn.text.errors import TextError
from tinygrad_rnn.text.vocabulary import Ids, as_ids

TextOrIds = TypeVar("TextOrIds", str, Ids)


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8-sig") -> str:
    r"""Return the text of a file.

    A byte order mark is dropped and every line end (\r\n, \r) becomes \n. Characters stay as they are: there
    is no Unicode normalisation.

    encoding: the name of a codec, or "bytes" for a model of bytes: every byte becomes the character with the
    same code point, 0 .. 255, line ends and byte order mark included; `text.encode("latin-1")` gives the
    bytes back.

    Raises TextError, with the path and the reason: no such file, a directory, no permission, bytes that are
    not valid in the encoding (which byte, at which offset), no text at all.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise TextError(f"{os.fspath(path)}: can't be read: {error.strerror}") from error
    try:
        text = data.decode("latin-1") if encoding == "bytes" else _universal_newlines(data.decode(encoding))
    except LookupError as error:
        raise TextError(f"{os.fspath(path)}: there is no encoding called {encoding!r}") from error
    except UnicodeDecodeError as error:
        # A codec that drops a byte order mark counts from behind it.
        offset = error.start + len(data) - len(error.object)
        raise TextError(
            f"{os.fspath(path)}: not valid {encoding}: byte 0x{data[offset]:02x} at offset {offset} "
            f"({error.reason}); pass the encoding that the file has, or take it as bytes"
        ) from error
    except UnicodeError as error:  # of codecs that don't say where
        raise TextError(f"{os.fspath(path)}: not valid {encoding}: {error}") from error
    if not text:
        raise TextError(f"{os.fspath(path)}: holds no text ({len(data)} bytes)")
    return text


def _universal_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split(
    text: TextOrIds, fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
) -> tuple[TextOrIds, TextOrIds, TextOrIds]:
    """Return the training, validation and test parts of a text or of its ids [N]: contiguous, in this order.

    The parts cover everything; `fractions` are their shares and sum to 1. A cut that would fall within a
    character is made before it.

    >>> split("abcdefghij", (0.8, 0.1, 0.1))
    ('abcdefgh', 'i', 'j')
    """
    if not (min(fractions) >= 0 and abs(sum(fractions) - 1) < 1e-9):
        raise ValueError(f"fractions are 0 or more and sum to 1, got {fractions} with sum {sum(fractions)}")
    # The small number makes up for sums such as 0.7 + 0.1, which in floating point is less than 0.8.
    first, second = (int(share * len(text) + 1e-6) for share in (fractions[0], fractions[0] + fractions[1]))
    return text[:first], text[first:second], text[second:]


class Batches:
    """Windows for training, without end: after the last window of an epoch comes the first one again.

    ids: integers [N]. All windows have the shape [steps, batch_size]; what is left at the end of the text,
    less than one window, is not used. Inputs and targets are read-only views.

    position: how many windows have been handed out since the beginning: the one number to store, and to pass
    again for resuming. `at_epoch_start` tells whether the next window begins an epoch, where a carried state
    is to be reset.

    >>> batches = Batches(np.arange(13), steps=3, batch_size=2)
    >>> len(batches)
    2
    >>> inputs, targets = next(batches)
    >>> inputs.tolist(), targets.tolist()
    ([[0, 6], [1, 7], [2, 8]], [[1, 7], [2, 8], [3, 9]])
    >>> batches.position, batches.epoch, batches.at_epoch_start
    (1, 0, False)

    Raises TextError if the text doesn't fill one window.
    """

    def __init__(self, ids: npt.ArrayLike, *, steps: int, batch_size: int, position: int = 0) -> None:
        _check_settings(steps, batch_size)
        text = as_ids(ids)
        self._windows = (text.size - 1) // batch_size // steps
        if self._windows < 1:
            raise TextError(
                f"the text has {text.size} characters, but a window of steps={steps} batch_size={batch_size} "
                f"needs {batch_size * steps + 1}: lower batch_size or steps, or take a longer text"
            )
        if position < 0:
            raise ValueError(f"position counts windows from 0, got {position}")
        self.steps = steps
        self.batch_size = batch_size
        self.position = position
        self._streams = text[_stream_indices(self._windows * steps, batch_size)]
        self._streams.setflags(write=False)

    def __len__(self) -> int:
        """Return the number of windows in an epoch."""
        return self._windows

    @property
    def epoch(self) -> int:
        """How many times the text has been gone through, counted from 0; the epoch of the next window."""
        return self.position // self._windows

    @property
    def at_epoch_start(self) -> bool:
        """Whether the next window is the first of an epoch."""
        return self.position % self._windows == 0

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> tuple[Ids, Ids]:
        """Return the next (inputs, targets), each int64 [steps, batch_size]; `position` moves on by one."""
        start = self.position % self._windows * self.steps
        self.position += 1
        return self._streams[start : start + self.steps], self._streams[start + 1 : start + self.steps + 1]


def evaluation_batches(ids: npt.ArrayLike, *, steps: int, batch_size: int) -> Iterator[tuple[Ids, Ids]]:
    """Return one pass in which every character of the text, ids [N], but the first is a target exactly once.

    Windows are [steps, batch_size], the last one may have fewer steps. Where the streams run past the end of
    the text, the target is `IGNORE`, to be left out of the sum and of the count: total nats / total
    characters is then exact. The first window begins with a fresh state, the others carry on; with
    batch_size=1 every character is predicted from all that stands before it.

    >>> for inputs, targets in evaluation_batches(np.arange(6), steps=2, batch_size=2):
    ...     print(targets.tolist())
    [[1, 4], [2, 5]]
    [[3, -100]]

    Raises TextError for fewer than two characters.
    """
    _check_settings(steps, batch_size)
    text = as_ids(ids)
    if text.size < 2:
        raise TextError(f"the text has {text.size} characters, but scoring needs 2: take a longer text")
    length = -(-(text.size - 1) // batch_size)
    places = _stream_indices(length, batch_size)
    inputs = text.take(places[:-1], mode="clip")
    targets = np.where(places[1:] < text.size, text.take(places[1:], mode="clip"), IGNORE)
    starts = range(0, length, steps)
    return ((inputs[start : start + steps], targets[start : start + steps]) for start in starts)


def _stream_indices(length: int, batch_size: int) -> npt.NDArray[np.int64]:
    """Return where the characters of the streams stand in the text, and one more target: [length+1, B]."""
    return np.arange(length + 1)[:, None] + length * np.arange(batch_size)


def _check_settings(steps: int, batch_size: int) -> None:
    if steps < 1 or batch_size < 1:
        raise ValueError(f"steps and batch_size are 1 or more, got steps={steps}, batch_size={batch_size}")
