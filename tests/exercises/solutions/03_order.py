"""Solutions of 03."""

from __future__ import annotations

from collections import Counter

from tinygrad_rnn import Tensor


def edges(out: Tensor) -> list[Tensor]:
    """The tensors among the inputs of ``out``, one that is used twice listed twice."""
    return [x for x in out.node.inputs if isinstance(x, Tensor)] if out.node else []


def order(out: Tensor) -> list[Tensor]:
    """Kahn 1962, "Topological sorting of large networks": take what no edge leads to, and remove its edges."""
    left: Counter[Tensor] = Counter()
    seen, todo = {out}, [out]
    while todo:
        inputs = edges(todo.pop())
        left.update(inputs)
        todo += set(inputs) - seen
        seen |= set(inputs)
    done = [out]
    for tensor in done:  # which grows meanwhile
        for x in edges(tensor):
            left[x] -= 1
            if not left[x]:
                done.append(x)
    return done


def tangled(a: Tensor) -> Tensor:
    """``near`` is one edge from the result, and also two; the queue takes it after the first of them."""
    near = a * 2
    far = near * 3
    return near + far
