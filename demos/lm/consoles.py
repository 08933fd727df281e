"""What a console lacks: characters, as the nearest that each has, or somebody who reads. What it had better not get.

A Russian text has dashes, quotation marks and, in War and Peace, French accents. The console of a Russian Windows
(cp866) has none of them; one of ASCII doesn't even have the letters.
"""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata

MARKS = (
    dict.fromkeys("—–‒−‐‑", "-") | dict.fromkeys("«»„“”‟", '"') | dict.fromkeys("‘’‚‛`´", "'") | {"œ": "oe", "Œ": "OE"}
)


def nearest(error: UnicodeError) -> tuple[str, int]:
    """An error handler for codecs: ASCII that looks like what can't be encoded, or ? for what looks like nothing.

    >>> import codecs
    >>> codecs.register_error("nearest", nearest)
    >>> "— Gênes, «ёж»…".encode("cp866", "nearest").decode("cp866")
    '- Genes, "ёж"...'
    >>> "ёж ☃".encode("ascii", "nearest")
    b'?? ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(ascii_for, error.object[error.start : error.end])), error.end


def harmless(characters: str) -> str:
    """``characters`` as stdout can take them: on a terminal a � stands for those that would steer it."""
    if not sys.stdout.isatty():
        return characters
    return "".join("�" if unicodedata.category(c) == "Cc" and c not in "\n\r\t" else c for c in characters)


def ascii_for(character: str) -> str:
    """The ASCII for a character: a mark, or the letter without its accent."""
    plain = unicodedata.normalize("NFKD", MARKS.get(character, character)).encode("ascii", "ignore").decode()
    return plain or ("" if unicodedata.combining(character) else "?")


def hush() -> None:
    """Have all that is yet to be printed go nowhere: what could not be written is not tried again at the end."""
    with contextlib.suppress(OSError, ValueError):  # of what is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
