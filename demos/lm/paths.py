r"""Names of files where the locale knows less than their letters, as the C locale, which is ASCII.

Python hands on the bytes of such a name as lone surrogates, U+DC80 to U+DCFF, by which the file is opened but which no
UTF-8 can hold: neither a log nor a checkpoint.
"""

from __future__ import annotations

import os


def in_unicode(word: str) -> str:
    r"""A word as text: bytes in it that the locale left undecoded are read as UTF-8. Raises UnicodeError.

    >>> in_unicode("мир"), in_unicode("\udcd0\udcbc")
    ('мир', 'м')
    """
    undecoded = any("\ud800" <= c <= "\udfff" for c in word)
    return word.encode("utf-8", "surrogateescape").decode("utf-8") if undecoded else word


def in_locale(path: str) -> str:
    """``path`` in the form in which the locale opens it, whichever it came in. Raises UnicodeError."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return os.fsdecode(path.encode("utf-8"))
    return path
