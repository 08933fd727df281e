"""Tensors, arrays, operations and places as short text."""

from __future__ import annotations

import inspect
import math
from functools import cache
from typing import Any

import numpy as np

from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.messages import index_text
from tinygrad_rnn.op import Op
from tinygrad_rnn.tensor import ARRAY, Array, Node, Tensor

FEW = 4  # numbers of an array that are shown


class Names:
    """Short names for tensors: their own, or ``%0``, ``%1``, ... as they come; others are ``leaf0`` and ``const0``.

    A tensor is known by its time, which no other has, so that it need not be kept. Of two tensors with one name the
    second is called ``name#2``.

    >>> names = Names()
    >>> x, w = Tensor(1.0, True), Tensor(2.0, True, name="w")
    >>> y = w * x
    >>> names(y), names(w), names(x), names(y), names(0.5)
    ('%0', 'w', 'leaf0', '%0', '0.5')
    """

    def __init__(self) -> None:
        self.known: dict[int, str] = {}
        self.used: dict[str, int] = {}

    def __call__(self, x: object) -> str:
        """The name of a tensor; another value as text."""
        if not isinstance(x, Tensor):
            return f"array{shape_text(x.shape)}" if isinstance(x, np.ndarray) else repr(x)
        if x.time not in self.known:
            kind = x.name or ("%" if x.node else "leaf" if x.requires_grad else "const")
            n = self.used[kind] = self.used.get(kind, -1) + 1
            self.known[x.time] = f"{kind}{n}" if not x.name else kind if not n else f"{kind}#{n + 1}"
        return self.known[x.time]


def input_name(op: Op, at: int) -> str:
    """What an operation calls its input at a position: ``x``, or ``xs[2]`` where it takes any number.

    >>> from tinygrad_rnn import concatenate, mul
    >>> input_name(mul, 1), input_name(concatenate, 2)
    ('y', 'xs[2]')
    """
    names, many = input_names(op)
    fixed = len(names) - many
    return names[at] if at < fixed else f"{names[-1]}[{at - fixed}]"


@cache
def input_names(op: Op) -> tuple[list[str], bool]:
    """The names of an operation's inputs, and whether the last stands for any number of them."""
    kinds = [p.kind for p in inspect.signature(op.forward).parameters.values()]
    return op.input_names, inspect.Parameter.VAR_POSITIONAL in kinds


def call_text(node: Node, names: Names) -> str:
    """How a tensor was made: ``sum(%3, axis=0)``, or ``%3[0:2]`` for indexing.

    >>> x = Tensor([1.0, 2.0], True, name="x")
    >>> call_text((x * 2).node, Names()), call_text(x[::-1].node, Names()), call_text(x.sum(0).node, Names())
    ('mul(x, 2)', 'x[::-1]', 'sum(x, axis=0)')
    """
    inputs = [names(x) for x in node.inputs]
    if node.op.name == "getitem":
        rest = iter(inputs[1:])
        key = (next(rest) if k is ARRAY else index_text((k,)) for k in node.params["key"])
        return f"{inputs[0]}[{', '.join(key)}]"
    params = [f"{key}={value!r}" for key, value in node.params.items() if value is not False]
    return f"{node.op.name}({', '.join([*inputs, *params])})"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape without spaces, so that it stays in one piece.

    >>> shape_text((2, 3)), shape_text(())
    ('(2,3)', '()')
    """
    return str(shape).replace(" ", "")


def number(x: float) -> str:
    """A number in three digits.

    >>> number(0.123456), number(-2e-8), number(7.0), number(-0.0), number(float("nan"))
    ('0.123', '-2e-08', '7', '0', 'NaN')
    """
    return "NaN" if math.isnan(x) else f"{x or 0:.3g}"


def value_text(value: Any) -> str:
    """The numbers of a small array, the range of a large one, or what is kept unexpanded of a contribution.

    >>> value_text(np.array([0.5, -1.0])), value_text(np.arange(100.0)), value_text(np.array(3.0))
    ('[0.5, -1]', '0 … 99', '3')
    >>> value_text(At(np.array(2.0), (), (1,), (3,))), value_text(Rows(np.ones((7, 2)), np.ones((7, 3))))
    ('2 at [1]', 'aᵀb, a (7,2), b (7,3)')
    """
    if isinstance(value, At):
        return f"{value_text(np.asarray(getattr(value.value, 'data', value.value)))} at [{index_text(value.key)}]"
    if isinstance(value, Rows):
        return f"aᵀb, a {shape_text(value.a.shape)}, b {shape_text(value.b.shape)}"
    array = np.asarray(value)
    return numbers(array.tolist()) if array.size <= FEW else range_text(array)


def numbers(nested: Any) -> str:
    """Nested lists of numbers on one line."""
    return f"[{', '.join(map(numbers, nested))}]" if isinstance(nested, list) else number(nested)


def range_text(array: Array) -> str:
    """The least and the greatest number, and how many are not finite.

    >>> range_text(np.array([1.0, np.nan, 3.0, np.inf])), range_text(np.full(2, -np.inf)), range_text(np.zeros(0))
    ('1 … 3, 1 NaN, 1 inf', '2 -inf', 'empty')
    """
    if not array.size:
        return "empty"
    finite = array[np.isfinite(array)]
    found = [f"{number(float(finite.min()))} … {number(float(finite.max()))}"] if finite.size else []
    counts = (np.isnan(array), "NaN"), (array == np.inf, "inf"), (array == -np.inf, "-inf")
    return ", ".join([*found, *(f"{n} {name}" for which, name in counts if (n := int(which.sum())))])


def heading(place: str) -> str:
    """A place in brackets, if there is one."""
    return f"    [{place}]" if place else ""
