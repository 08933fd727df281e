"""The baseline of counting: interpolated Witten-Bell n-gram models of characters.

An n-gram model predicts a character from the n-1 characters before it, its context h. Let N(h c) be how
often h is followed by the character c in the training text, N(h) by any character, T(h) the number of
distinct characters that follow it, and h' the context without its first character. Then (Witten & Bell 1991,
method C, interpolated)

    p(c | h) = (N(h c) + T(h) p(c | h')) / (N(h) + T(h)),

down to the empty context, whose lower order is uniform, 1/V. A context never seen leaves p(c | h') as it is.
"""

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.text.errors import TextError
from tinygrad_rnn.text.vocabulary import Ids, as_ids


def witten_bell(
    train_ids: npt.ArrayLike,
    test_ids: npt.ArrayLike,
    *,
    vocabulary_size: int,
    order: int,
) -> list[float]:
    """Return the cross-entropy of the test text, in nats per character, for the orders 1 .. `order`.

    train_ids, test_ids: integers [N] and [M] in 0 .. vocabulary_size-1. The first n-1 characters of the test
    text are predicted from the fewer that stand before them there. Exact: contexts are told apart by rank,
    not by hash. Time per order grows as N log N, memory as N.

    >>> train, test = [0, 1, 0, 1, 0, 1, 0, 1], [0, 1, 0, 1]
    >>> [round(nats, 4) for nats in witten_bell(train, test, vocabulary_size=2, order=2)]
    [0.6931, 0.2593]

    Raises TextError if one of the two is empty, ValueError for an order below 1, TypeError and IndexError as
    `Vocabulary.decode` does.
    """
    if order < 1:
        raise ValueError(f"the order of an n-gram model is 1 or more, got {order}")
    train, test = as_ids(train_ids, vocabulary_size), as_ids(test_ids, vocabulary_size)
    if train.size == 0 or test.size == 0:
        raise TextError(
            "an n-gram model needs characters to count and to predict, "
            f"got {train.size} for training and {test.size} for the test"
        )
    p = np.full(test.size, 1 / vocabulary_size)
    contexts = 1  # how many contexts there are; rank `contexts` is "never seen"
    train_context, test_context = np.zeros_like(train), np.zeros_like(test)
    nats = []
    for length in range(order):
        # A gram is its context's rank and one character, so the code stays below N V at any order.
        grams, train_rank, counts = np.unique(
            train_context * vocabulary_size + train[length:], return_inverse=True, return_counts=True
        )
        total = np.bincount(grams // vocabulary_size, weights=counts, minlength=contexts + 1)
        # At least 1, so that a context without successors passes the lower order on.
        kinds = np.maximum(np.bincount(grams // vocabulary_size, minlength=contexts + 1), 1)
        test_rank = _rank(grams, test_context * vocabulary_size + test[length:])
        seen = np.append(counts, 0)[test_rank]
        p[length:] = (seen + kinds[test_context] * p[length:]) / (total + kinds)[test_context]
        nats.append(-float(np.log(p).mean()))
        contexts, train_context, test_context = grams.size, train_rank[:-1], test_rank[:-1]
    return nats


def _rank(grams: Ids, codes: Ids) -> Ids:
    """Return the place of each code in the sorted `grams`, `grams.size` where it is not among them."""
    place = np.searchsorted(grams, codes)
    return np.where(np.append(grams, -1)[place] == codes, place, grams.size)
