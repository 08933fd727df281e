"""The exercises of 03: `pytest tests/exercises/test_03_order.py` says whether they are solved."""

from __future__ import annotations

from tinygrad_rnn import Tensor


def order(out: Tensor) -> list[Tensor]:
    """``out`` and every tensor behind it, each once, and each before its inputs, as backward needs them.

    Use ``node.inputs`` only, not ``time``. A chain of 10,000 operations is too deep for recursion. One way: count for
    each tensor how many edges lead to it, and take those of which no edge is left.
    """
    raise NotImplementedError


def tangled(a: Tensor) -> Tensor:
    """A function of ``a``, built from +, - and *, whose gradient a visit in a queue gets wrong at any a ≠ 0.

    This is the visit; it visits each tensor once, those with the fewest edges from y first::

        total, queue = {y: 1.0}, [y]
        for out in queue:  # which grows meanwhile
            for x, part in contributions(out, total[out]):
                if x not in total:
                    queue.append(x)
                total[x] = total.get(x, 0.0) + part

    For y = b + b with b = a + a it is right.
    """
    raise NotImplementedError
