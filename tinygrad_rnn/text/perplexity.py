"""How well a model predicts a text, always per character.

A model that gives the character c_i the probability p_i scores -Σ ln p_i nats on a text of N characters. The
mean -1/N Σ ln p_i is the cross-entropy in nats per character; divided by ln 2 it is in bits per character;
its exponential is the perplexity per character, the N-th root of the inverse probability of the text. A
model that knows nothing, p = 1/V, has perplexity V.
"""

import math
from dataclasses import dataclass


def bits(nats: float) -> float:
    """Return `nats` in bits.

    >>> bits(math.log(8))
    3.0
    """
    return nats / math.log(2)


def perplexity(nats: float) -> float:
    """Return the perplexity per character of a cross-entropy in nats per character; inf beyond the floats.

    >>> round(perplexity(1.58), 2)
    4.85
    """
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


@dataclass
class Score:
    """The total of a text scored piece by piece: sums are added, never means.

    The mean of the means of pieces of unequal size is not the mean of the whole, hence a total and a count.

    >>> score = Score()
    >>> score.add(3 * math.log(4), characters=3)
    >>> score.add(1 * math.log(64), characters=1)
    >>> round(score.bits, 12), round(score.perplexity, 12)
    (3.0, 8.0)
    """

    total_nats: float = 0.0
    characters: int = 0

    def add(self, total_nats: float, characters: int) -> None:
        """Add a piece of text: how many characters, and the sum (not the mean) of their nats."""
        if characters < 0:
            raise ValueError(f"a piece of text has 0 or more characters, got {characters}")
        self.total_nats += float(total_nats)
        self.characters += int(characters)

    @property
    def nats(self) -> float:
        """Nats per character. Raises ValueError as long as no character has been scored."""
        if self.characters == 0:
            raise ValueError("no character has been scored, so there is no mean: add() a piece of text first")
        return self.total_nats / self.characters

    @property
    def bits(self) -> float:
        """Bits per character."""
        return bits(self.nats)

    @property
    def perplexity(self) -> float:
        """Perplexity per character."""
        return perplexity(self.nats)
