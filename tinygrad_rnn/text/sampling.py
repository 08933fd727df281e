"""Drawing text from a model that predicts the next character."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.text.vocabulary import Vocabulary

State = TypeVar("State")


def distribution(
    logits: npt.ArrayLike, *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> npt.NDArray[np.float64]:
    """Return the probabilities, float64 [V], with which the next character is drawn from `logits` [V].

    temperature: the logits are divided by it; below 1 sharper, above 1 flatter. 0 is greedy: all the
    probability on the largest logit, on the first one of several.
    top_k: only the k most probable characters stay; of equal ones those with the lower index.
    top_p: only the most probable characters stay, as few as make up a total of at least p (Holtzman et al.
    2020); equal ones rank by index.
    They apply in this order, each to the renormalised result of the one before. A logit of -inf excludes its
    character.

    >>> logits = np.log([0.1, 0.2, 0.3, 0.4])
    >>> distribution(logits).round(3)
    array([0.1, 0.2, 0.3, 0.4])
    >>> distribution(logits, temperature=0)
    array([0., 0., 0., 1.])
    >>> distribution(logits, top_k=2).round(3)
    array([0.   , 0.   , 0.429, 0.571])
    >>> distribution(logits, top_p=0.8).round(3)
    array([0.   , 0.222, 0.333, 0.444])

    Raises ValueError for settings out of range, and for logits that hold NaN, +inf or nothing but -inf.
    """
    _check_settings(temperature, top_k, top_p)
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"logits have one axis [V], V >= 1, got shape {values.shape}")
    largest = values.max()
    if not np.isfinite(largest):
        raise ValueError(
            f"the largest logit is {largest}, so there is nothing to draw from: "
            "the model has diverged, or every character is excluded"
        )
    if temperature == 0:
        greedy = np.zeros_like(values)
        greedy[values.argmax()] = 1.0
        return greedy
    with np.errstate(over="ignore"):  # a difference over a tiny temperature may become -inf, probability 0
        weights = np.exp((values - largest) / temperature)
    p: npt.NDArray[np.float64] = weights / weights.sum()
    if top_k is None and top_p is None:
        return p
    order = np.argsort(-values, kind="stable")  # the most probable first, equal ones by index
    if top_k is not None:
        p[order[top_k:]] = 0.0
        p /= p.sum()
    if top_p is not None and top_p < 1:
        enough = int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1
        p[order[enough:]] = 0.0
        p /= p.sum()
    return p


def _check_settings(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raise ValueError, with the value, for a setting out of range."""
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature is 0 (greedy) or a positive number, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k keeps 1 character or more, got {top_k}; None keeps all")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is a probability above 0 and up to 1, got {top_p}; None keeps all")


def draw(probabilities: npt.NDArray[np.float64], rng: np.random.Generator) -> int:
    """Return an index drawn with `probabilities` [V]; never one of probability 0.

    Takes one uniform number from `rng` and looks it up in the cumulative sum.

    >>> draw(np.array([0.0, 1.0, 0.0]), np.random.default_rng(0))
    1
    """
    cumulative = np.cumsum(probabilities)
    return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))


def generate(
    step: Callable[[int, State], tuple[npt.ArrayLike, State]],
    state: State,
    vocabulary: Vocabulary,
    *,
    prompt: str = "",
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    rng: np.random.Generator,
) -> Iterator[str]:
    """Return an iterator over `length` new characters that continue `prompt`, each made when it is asked for.

    step: takes the index of a character and the state before it, returns the logits [V] of the next character
    and the state after it. `state` is the one to begin with. The prompt is fed first and is not part of the
    result. An empty prompt is replaced by a newline, as if a line began, or by the vocabulary's first
    character if it has no newline. temperature, top_k, top_p: see `distribution`. Equal states of `rng` give
    equal texts.

    >>> vocabulary = Vocabulary("abc")
    >>> def alphabet(index, state):  # after each letter comes the next one
    ...     return np.eye(3)[(index + 1) % 3], state
    >>> rng = np.random.default_rng(0)
    >>> "".join(generate(alphabet, None, vocabulary, prompt="b", length=5, temperature=0, rng=rng))
    'cabca'

    Raises, at once, UnknownCharacterError for characters of the prompt that the vocabulary lacks, and
    ValueError for settings out of range; while running, ValueError for logits that are not [V] or can't be
    drawn from.
    """
    _check_settings(temperature, top_k, top_p)
    if length < 0:
        raise ValueError(f"length counts new characters, 0 or more, got {length}")
    start = prompt or ("\n" if "\n" in vocabulary else vocabulary.characters[0])
    fed = vocabulary.encode(start).tolist()

    def characters(state: State) -> Iterator[str]:
        for index in fed[:-1]:
            _, state = step(index, state)
        index = fed[-1]
        for _ in range(length):
            logits, state = step(index, state)
            if np.shape(logits) != (len(vocabulary),):
                raise ValueError(f"step returned logits {np.shape(logits)}, expected ({len(vocabulary)},)")
            index = draw(distribution(logits, temperature=temperature, top_k=top_k, top_p=top_p), rng)
            yield vocabulary.characters[index]

    return characters(state)
