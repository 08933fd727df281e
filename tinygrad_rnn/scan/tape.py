"""One step of a cell as plain data: a tape of operations on numbered values.

The tape is the step, as far as numbers go: it can be replayed on other tensors (``replay``), compared with another, and
differentiated once for all time steps. What a step computes from invariants alone is not on it, but ``Outside``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.op import Op
from tinygrad_rnn.tensor import Array, Tensor


class CannotPlan(TypeError):  # noqa: N818  it says what can't be done
    """A step that has no plan: it looks at numbers, or its state changes form."""


class Ref(int):
    """The number of a value on a tape, as an operand of a call."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"%{int(self)}"


class Form(NamedTuple):
    """What is fixed about an input of a step, whatever its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    requires_grad: bool


class Call(NamedTuple):
    """One operation of the step; its operands are Refs and constants."""

    op: Op
    operands: tuple[Any, ...]
    params: dict[str, Any]


class Tape(NamedTuple):
    """One step. Values are numbered: the inputs first (state, xs, invariants), then the result of each call.

    ``outputs`` are the numbers of the state after the step and, last, of the output y.
    """

    inputs: tuple[Form, ...]
    states: int
    xs: int
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]

    def signature(self) -> tuple[Any, ...]:
        """A key: equal for tapes that compute the same from inputs of the same form."""
        calls = tuple((call.op, repr(call.operands), repr(call.params)) for call in self.calls)
        return self.inputs, self.states, self.xs, calls, self.outputs


class Outside(NamedTuple):
    """The invariants of a step: tensors and arrays from outside, and what the step computes from them alone.

    That is the same at every step, so it is computed once, as recorded operations outside of the loop. ``base`` are the
    tensors and arrays that the step reads, one that was handed to it in ``shared`` as its position there; ``calls`` are
    on values numbered like those of a tape, ``base`` first; ``picks`` are the numbers of the invariants.
    """

    base: tuple[Any, ...]
    calls: tuple[Call, ...]
    picks: tuple[int, ...]

    def tensors(self, shared: Sequence[Tensor]) -> list[Tensor | Array]:
        """What stands for ``base``."""
        return [shared[x] if type(x) is int else x for x in self.base]

    def invariants(self, shared: Sequence[Tensor]) -> list[Tensor | Array]:
        """The invariants, computed."""
        values: list[Any] = self.tensors(shared)
        for op, operands, params in self.calls:
            values.append(op(*[values[x] if type(x) is Ref else x for x in operands], **params))
        return [values[i] for i in self.picks]


def replay(tape: Tape, inputs: Sequence[Tensor]) -> list[Tensor]:
    """One step on other inputs (state, xs, invariants): the state after it and, last, y."""
    values: list[Any] = list(inputs)
    for op, operands, params in tape.calls:
        values.append(op(*[values[x] if type(x) is Ref else x for x in operands], **params))
    return [values[i] for i in tape.outputs]
