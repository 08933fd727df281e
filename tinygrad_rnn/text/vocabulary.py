"""Characters as integers: the position of a character in a fixed, ordered vocabulary.

A character is a Unicode code point. Text is taken as it is, without normalisation: a letter with a combining
accent is two characters, the composed letter is another one.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.text.errors import TextError, UnknownCharacterError

Ids = npt.NDArray[np.int64]

_CODEC = "utf-32-le"  # four bytes a code point, so that a string and an array of uint32 are the same bytes


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of a text of N characters: uint32 [N]."""
    return np.frombuffer(text.encode(_CODEC, "surrogatepass"), dtype="<u4")


def as_ids(ids: npt.ArrayLike, vocabulary_size: int | None = None) -> Ids:
    """Return `ids` as int64 [N]; with a vocabulary size, only if they are in 0 .. vocabulary_size-1.

    Raises TypeError for anything but integers on one axis, IndexError for an id out of range.
    """
    array = np.asarray(ids)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise TypeError(f"ids are integers on one axis [N], got {array.dtype} of shape {array.shape}")
    if vocabulary_size is not None and array.size and not 0 <= array.min() <= array.max() < vocabulary_size:
        at = int(((array < 0) | (array >= vocabulary_size)).argmax())
        raise IndexError(f"id {array[at]} at position {at} is outside of a vocabulary of {vocabulary_size}")
    return array.astype(np.int64, copy=False)


class Vocabulary:
    """V distinct characters in a fixed order; the index of a character is its place in that order.

    Built from its characters, as a checkpoint stores them, or from a text. Never changes; equal to another
    one with the same characters in the same order.

    >>> v = Vocabulary("helo")
    >>> v.encode("hello")
    array([0, 1, 2, 2, 3])
    >>> v.decode([0, 1, 2, 3])
    'helo'
    >>> len(v), "h" in v, "x" in v
    (4, True, False)
    """

    def __init__(self, characters: Sequence[str]) -> None:
        if not characters:
            raise TextError("a vocabulary needs at least one character, got none")
        if wrong := [c for c in characters if len(c) != 1]:
            raise ValueError(f"an entry of a vocabulary is one character (code point), got {wrong[0]!r}")
        if repeated := [c for c, count in Counter(characters).items() if count > 1]:
            raise ValueError(f"characters of a vocabulary are distinct, got {repeated[0]!r} more than once")
        self._characters = "".join(characters)
        self._code_points = _code_points(self._characters)
        # From code point to index, -1 for unknown; larger code points are clipped to the last entry, also -1.
        self._index = np.full(int(self._code_points.max()) + 2, -1, dtype=np.int64)
        self._index[self._code_points] = np.arange(len(self))

    @classmethod
    def from_text(cls, text: str) -> "Vocabulary":
        """Return the vocabulary of the distinct characters of `text`, in code point order.

        >>> Vocabulary.from_text("мир, мир!")
        Vocabulary(' !,имр')
        """
        return cls(sorted(set(text)))

    @property
    def characters(self) -> str:
        """All V characters in order."""
        return self._characters

    def encode(self, text: str, unknown: Literal["error", "skip"] = "error") -> Ids:
        """Return the indices of the characters of `text`: int64 [N].

        Characters that the vocabulary lacks raise `UnknownCharacterError`, which names each of them, or are
        left out with `unknown="skip"`.

        >>> Vocabulary("helo").encode("help", unknown="skip")
        array([0, 1, 2])
        >>> Vocabulary("helo").encode("help")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        tinygrad_rnn.text.errors.UnknownCharacterError: 1 character ... 'p' (U+0070) at position 3; ...
        """
        if unknown not in ("error", "skip"):
            raise ValueError(f'unknown is "error" or "skip", got {unknown!r}')
        ids = self._index.take(_code_points(text), mode="clip")
        missing = ids < 0
        if not missing.any():
            return ids
        if unknown == "error":
            positions = np.flatnonzero(missing)
            first: dict[str, int] = {}
            for at in positions.tolist():
                first.setdefault(text[at], at)
            raise UnknownCharacterError(first, len(self))
        return ids[~missing]

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text whose characters have the indices `ids`, integers [N] in 0 .. V-1.

        Raises IndexError for an index outside of the vocabulary, TypeError for anything but integers [N].
        """
        text: str = self._code_points[as_ids(ids, len(self))].tobytes().decode(_CODEC, "surrogatepass")
        return text

    def __len__(self) -> int:
        return len(self._characters)

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and len(character) == 1 and character in self._characters

    def __eq__(self, other: object) -> bool:
        return self._characters == other._characters if isinstance(other, Vocabulary) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._characters)

    def __repr__(self) -> str:
        return f"Vocabulary({self._characters!r})"
