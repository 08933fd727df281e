"""Values and gradients as text, for the marks of tiny graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_rnn.draw.heat import short
from tinygrad_rnn.tensor import Array

if TYPE_CHECKING:
    from tinygrad_rnn.draw.flow import Flow

MOST_NUMBERS = 16  # of an array that is shown
MOST_IN_ROW = 8


def notes(flow: Flow, *, value: bool = True, gradient: bool = True) -> dict[int, tuple[str, ...]]:
    """What stands on the mark of each node: the value, and behind ∂ the gradient, of tensors of few numbers.

    >>> from tinygrad_rnn.draw.flow import flow
    >>> from tinygrad_rnn.tensor import Tensor
    >>> x = Tensor([0.5, -1.0], requires_grad=True)
    >>> notes(flow((x * x).sum()))
    {0: ('0.50 −1.00', '∂ 1.00 −2.00'), 1: ('0.25 1.00', '∂ 1.00 1.00'), 2: ('1.25', '∂ 1.00')}
    """
    found = {}
    for i, thing in enumerate(flow.things):
        lines: list[str] = []
        if value and not isinstance(thing, str):
            lines += rows(np.asarray(flow.value(i)))
        if gradient and (g := flow.gradients[i]) is not None:
            lines += [f"∂ {line}" for line in rows(g)]
        if lines:
            found[i] = tuple(lines)
    return found


def rows(array: Array) -> list[str]:
    """The numbers of a tiny array, a row a line; axes of length 1 are left out. Nothing for a larger one.

    >>> rows(np.array([[[0.25, -3.0]], [[1e-9, 0.0]]]))
    ['0.25 −3.00', '1.0·10⁻⁹ 0']
    """
    table = np.atleast_2d(np.squeeze(array))
    if table.ndim > 2 or not 0 < table.size <= MOST_NUMBERS or table.shape[1] > MOST_IN_ROW:
        return []
    return [" ".join(map(decimal, row.tolist())) for row in table]


def decimal(x: float) -> str:
    """A number with two decimals, or a short one where these would say nothing; integers as they are.

    >>> decimal(0.305), decimal(-4e-5), decimal(7), decimal(12345.6)
    ('0.30', '−4.0·10⁻⁵', '7', '1.2·10⁴')
    """
    if isinstance(x, int):
        return str(x).replace("-", "−")
    if 0.005 <= abs(x) < 1000:
        return f"{x:.2f}".replace("-", "−")
    return short(x)
