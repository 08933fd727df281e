"""What can be wrong with a text. A program that reads texts catches `TextError` and prints it."""

from collections.abc import Callable, Mapping
from itertools import islice

LISTED = 10  # characters that a message names


class TextError(ValueError):
    """A text that can't be used: unreadable, empty, too short, or with characters nobody knows."""


class UnknownCharacterError(TextError):
    """Characters that a vocabulary lacks; `unknown` maps each to the position where it first stands."""

    def __init__(self, unknown: Mapping[str, int], vocabulary_size: int) -> None:
        self.unknown = dict(unknown)
        listed = self.listed(lambda c, at: f"{c!r} (U+{ord(c):04X}) at position {at}")
        noun = "character" if len(self.unknown) == 1 else "characters"
        super().__init__(
            f"{len(self.unknown)} {noun} of the text not in the vocabulary of {vocabulary_size}: {listed}; "
            'remove them from the text, leave them out with unknown="skip", '
            "or build the vocabulary from a text that has them"
        )

    def listed(self, form: Callable[[str, int], str]) -> str:
        """Return what ``form`` makes of each character and its position; after ten, how many more there are."""
        named = [form(character, at) for character, at in islice(self.unknown.items(), LISTED)]
        more = len(self.unknown) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")
