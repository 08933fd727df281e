r"""A sign for each character of a vocabulary, one column wide, for texts that are shown as a grid.

>>> signs(text.Vocabulary("\n a\x85"))
['⏎', ' ', 'a', '·']
"""

from __future__ import annotations

import unicodedata

from tinygrad_rnn import text

SEEN = {"\n": "⏎", "\t": "⇥", "\r": "␍"}


def signs(vocabulary: text.Vocabulary) -> list[str]:
    """The sign of each character: itself, if it has one."""
    return [sign(character) for character in vocabulary.characters]


def sign(character: str) -> str:
    """The sign of one character; an accent that stands alone gets a circle to stand on, what can't be seen a dot."""
    kind = unicodedata.category(character)
    if character in SEEN:
        return SEEN[character]
    if kind.startswith("M"):
        return "◌" + character
    if unicodedata.east_asian_width(character) in {"W", "F"}:
        return "▯"
    return "·" if kind.startswith("C") or kind in {"Zl", "Zp"} else character
