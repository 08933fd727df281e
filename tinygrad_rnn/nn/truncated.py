"""Truncated backpropagation through time: learning from sequences too long to be kept as one graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_rnn.nn.cells import DETACHED, State
from tinygrad_rnn.nn.recurrent import Recurrent
from tinygrad_rnn.ops import concatenate
from tinygrad_rnn.tensor import Array, Tensor
from tinygrad_rnn.tree import flat, rebuilt


def detach(state: Any) -> Any:
    """``state`` with every Tensor in it detached: any nesting is gone through, the rest stays as it is.

    Between two windows of a long sequence this keeps the values and lets the graph go. The new tensors are named
    "detached", so that pictures and messages show where the graph was cut.

    >>> h = Tensor(2.0, requires_grad=True) * 3
    >>> detach((h, None))[0]
    Tensor(6., float64, name='detached')
    """
    return rebuilt(state, map(cut, flat(state)))


def cut(leaf: Any) -> Any:
    """``leaf`` without its graph, if it is a Tensor."""
    if not isinstance(leaf, Tensor):
        return leaf
    out = leaf.detach()
    out.name = DETACHED
    return out


def truncated_bptt(
    layer: Callable[[Any, State], tuple[Tensor, State]],
    x: Tensor | Array,
    state: State = None,
    *,
    k1: int,
    k2: int | None = None,
) -> Iterator[tuple[slice, Tensor, State]]:
    """Run ``layer`` along ``x`` [T, B, ...] with a pause for an update every ``k1`` steps, after ``k2`` steps of graph.

    Each round yields the steps it is about (a slice of T), the layer's outputs at these steps, and the state after
    them, detached. The loss of the outputs then reaches back ``k2`` steps from the last one, no further:

        for steps, outputs, state in truncated_bptt(lstm, x, k1=25, k2=50):
            optimizer.zero_grad()
            cross_entropy(head(outputs), targets[steps]).backward()
            optimizer.step()

    By default ``k2`` is ``k1``: windows side by side. A larger k2 reaches further: each round starts again k2 - k1
    steps before the last one ended, from the detached state it had there, with the parameters as they now are. That
    costs k2/k1 as much, and gives each step's loss at least k2 - k1 + 1 steps of history. The last round has what is
    left of T.

    ``layer`` maps (x, state) to (outputs, state) and reads forward in time: an ``RNN``, ``LSTM`` or ``GRU`` with time
    first and one direction, or a model around one. Williams and Peng 1990, who write BPTT(k2; k1); Sutskever 2013,
    section 2.8.6. Raises ValueError unless 1 <= k1 <= k2 are whole numbers, and for a layer that takes batch_first or
    reads in both directions.

    >>> import numpy as np
    >>> from tinygrad_rnn.nn import GRU
    >>> x = Tensor(np.zeros((7, 2, 3), np.float32))
    >>> for steps, outputs, _ in truncated_bptt(GRU(3, 5), x, k1=3, k2=4):
    ...     print(steps, outputs.shape)
    slice(0, 3, None) (3, 2, 5)
    slice(3, 6, None) (3, 2, 5)
    slice(6, 7, None) (1, 2, 5)
    """
    k2 = k1 if k2 is None else k2
    if not all(isinstance(k, (int, np.integer)) for k in (k1, k2)) or not 1 <= k1 <= k2:
        raise ValueError(
            f"truncated_bptt: the steps between updates k1 and the steps back k2 must be whole numbers, 1 <= k1 <= k2, "
            f"but k1 = {k1!r} and k2 = {k2!r}"
        )
    if isinstance(layer, Recurrent) and layer.batch_first:
        raise ValueError(
            "truncated_bptt: windows are cut along the first axis of x, which must be time, but the layer has "
            "batch_first=True; make it with batch_first=False and give x.swapaxes(0, 1)"
        )
    if isinstance(layer, Recurrent) and layer.bidirectional:
        raise ValueError(
            "truncated_bptt: a state is carried from each window to the next, but the reverse direction of a "
            "bidirectional layer begins at the end of the sequence; use one direction, or whole sequences"
        )
    return windows(layer, x, detach(state), k1, k2)


def windows(
    layer: Callable[[Any, State], tuple[Tensor, State]], x: Tensor | Array, state: State, k1: int, k2: int
) -> Iterator[tuple[slice, Tensor, State]]:
    """The rounds of ``truncated_bptt``: ``state`` is always that before step ``start``, where the round begins."""
    T, start = len(x), 0
    for first in range(0, T, k1):
        end = min(first + k1, T)
        following = max(start, end + k1 - k2)  # where the next round begins
        pieces = []
        current = state
        for piece in (slice(start, following), slice(following, end)):
            if piece.start < piece.stop:
                outputs, current = layer(x[piece], current)
                pieces.append(outputs)
            if piece.stop == following:
                state = detach(current)
        outputs = pieces[0] if len(pieces) == 1 else concatenate(*pieces)
        yield slice(first, end), outputs[first - start :] if first > start else outputs, detach(current)
        start = following
