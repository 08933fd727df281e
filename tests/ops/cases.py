"""What a tested operation is: calls drawn by Hypothesis, and an oracle that computes each call's result another way.

Values come from a grid of eighths within ±2, far from kinks unless a test asks for them: exact in float32, harmless in
exponents, and wide enough apart that a step of 1e-5 crosses no tie. Shapes have 0 to 3 axes of length 0 to 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn, SearchStrategy

from tinygrad_rnn import Tensor, registry
from tinygrad_rnn.op import Op
from tinygrad_rnn.tensor import Array, Axes

OPS = {name: op for name, op in registry.items() if op.__module__.startswith("tinygrad_rnn.ops")}
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
EIGHTHS = st.integers(-16, 16)
NONZERO = st.integers(-16, 16).filter(bool)
POSITIVE = st.integers(4, 16)
COARSE = st.integers(-2, 2)  # many ties
SIDE = st.integers(0, 3)


@dataclass(frozen=True)
class Call:
    """One call of an operation: positional inputs and static parameters."""

    inputs: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def cast(self, dtype: type) -> Call:
        """The same call with its float arrays in another dtype."""
        return Call(tuple(x.astype(dtype) if is_float(x) else x for x in self.inputs), self.params)


@dataclass(frozen=True)
class Case:
    """An operation's valid calls, and ``oracle(*inputs, **params)``, which shares no code with the operation."""

    calls: SearchStrategy[Call]
    oracle: Callable[..., Any]
    keeps_dtype: bool = True  # float32 in, float32 out


def is_float(x: Any) -> bool:
    """Whether an input is an array that can be differentiated."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def differentiable(op: Op, call: Call) -> list[int]:
    """The positions of the inputs with respect to which ``op`` has a derivative."""
    return [i for i, x in enumerate(call.inputs) if is_float(x) and (op.joint or (op.rules[i : i + 1] or [None])[0])]


def bound(op: Op, call: Call) -> tuple[Callable[..., Tensor], list[Tensor]]:
    """The operation as a function of its differentiable inputs only, and these, named."""
    positions = differentiable(op, call)

    def function(*tensors: Tensor) -> Tensor:
        inputs = list(call.inputs)
        for i, tensor in zip(positions, tensors, strict=True):
            inputs[i] = tensor
        return op(*inputs, **call.params)

    function.__name__ = op.name
    names = op.input_names + [op.input_names[-1]] * len(call.inputs)
    return function, [Tensor(call.inputs[i], requires_grad=True, name=names[i]) for i in positions]


# ------------------------------------------------------------------------------------------------------- strategies


def floats(
    shape: tuple[int, ...] | SearchStrategy[tuple[int, ...]], elements: SearchStrategy[int] = EIGHTHS, offset: float = 0
) -> SearchStrategy[Array]:
    """Arrays of ``elements`` / 8 + ``offset``."""
    return hnp.arrays(np.int64, shape, elements=elements).map(lambda n: np.asarray(n / 8 + offset))


@st.composite
def distinct(draw: DrawFn, shape: tuple[int, ...]) -> Array:
    """An array of different values, a quarter apart."""
    order = draw(st.permutations(range(math.prod(shape))))
    return np.asarray(np.array(order, float).reshape(shape) / 4 - 1)


@st.composite
def broadcastable(draw: DrawFn, n: int, full: tuple[int, ...] | None = None) -> list[tuple[int, ...]]:
    """``n`` shapes that broadcast against each other (to ``full``): leading axes left out, others of length 1."""
    full = draw(SHAPES) if full is None else full
    shapes = []
    for _ in range(n):
        ones = draw(st.lists(st.booleans(), min_size=len(full), max_size=len(full)))
        shape = tuple(1 if one else side for one, side in zip(ones, full, strict=True))
        shapes.append(shape[draw(st.integers(0, len(shape))) :] if draw(st.booleans()) else full)
    return shapes


def unary(elements: SearchStrategy[int] = EIGHTHS, offset: float = 0) -> SearchStrategy[Call]:
    """Calls with one input of any shape."""
    return floats(SHAPES, elements, offset).map(lambda x: Call((x,)))


@st.composite
def binary(
    draw: DrawFn,
    left: SearchStrategy[int] = EIGHTHS,
    right: SearchStrategy[int] = EIGHTHS,
    offset: float = 0,
) -> Call:
    """Calls with two inputs that broadcast; ``offset`` moves the second off the grid of the first."""
    x, y = draw(broadcastable(2))
    return Call((draw(floats(x, left)), draw(floats(y, right, offset))))


@st.composite
def axis_of(draw: DrawFn, shape: tuple[int, ...], *, several: bool = True) -> Axes:
    """None, an axis counted from either end, or a tuple of different ones."""
    if not shape or draw(st.integers(0, 3)) == 0:
        return None
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True))
    axes = [a - len(shape) * draw(st.integers(0, 1)) for a in axes]
    return tuple(axes) if several and draw(st.booleans()) else axes[0]


def one_axis(shape: tuple[int, ...]) -> SearchStrategy[int]:
    """An axis counted from either end."""
    return st.integers(-len(shape), len(shape) - 1)


@st.composite
def reduction(
    draw: DrawFn,
    /,
    elements: SearchStrategy[int] | None = EIGHTHS,
    *,
    least: int = 0,
    several: bool = True,
    **params: SearchStrategy[Any],
) -> Call:
    """Calls with ``axis`` and ``keepdims`` that reduce at least ``least`` elements to each one.

    ``elements`` None draws values that differ from each other.
    """
    shape = draw(SHAPES.filter(lambda shape: least < 2 or len(shape) > 0))
    axis = draw(axis_of(shape, several=several))
    reduced = [a % len(shape) for a in np.atleast_1d(range(len(shape)) if axis is None else axis)] if shape else []
    if least:
        sides = [2 if i in reduced and least == 2 else 1 for i in range(len(shape))]
        shape = tuple(max(n, side) if i in reduced else n for i, (n, side) in enumerate(zip(shape, sides, strict=True)))
    x = draw(distinct(shape) if elements is None else floats(shape, elements))
    return Call((x,), {"axis": axis, "keepdims": draw(st.booleans())} | {k: draw(v) for k, v in params.items()})


def with_shape(params: Callable[[tuple[int, ...]], SearchStrategy[dict[str, Any]]], least: int) -> SearchStrategy[Call]:
    """Calls with one input of at least ``least`` axes, and parameters that depend on its shape."""
    shapes = hnp.array_shapes(min_dims=least, max_dims=3, min_side=0, max_side=3)
    return shapes.flatmap(lambda shape: st.builds(Call, st.tuples(floats(shape)), params(shape)))


# ---------------------------------------------------------------------------------------------------------- oracles


def by_rows(f: Callable[[list[float]], float]) -> Callable[..., Array]:
    """A reduction as a Python function of each list of numbers that become one."""

    def reduce(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
        axes = list(range(x.ndim)) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
        rest = [a for a in range(x.ndim) if a not in axes]
        rows = x.transpose(*rest, *axes).reshape(*(x.shape[a] for a in rest), math.prod(x.shape[a] for a in axes))
        out = np.empty(rows.shape[:-1])
        for index in np.ndindex(out.shape):
            out[index] = f(rows[index].tolist())
        return out.reshape([1 if a in axes else n for a, n in enumerate(x.shape)]) if keepdims else out

    return reduce


def total_exp(x: Array, axis: Axes = -1) -> Array:
    """The sum of exponentials over ``axis``, which stays with length 1."""
    return by_rows(lambda row: math.fsum(map(math.exp, row)))(x, axis=axis, keepdims=True)


def loop_einsum(subscripts: str, *xs: Array) -> Array:
    """Einsum by its definition: a Python loop over the values of all labels."""
    left, arrow, result = subscripts.replace("...", ".").partition("->")
    hidden = [x.ndim - len(term.replace(".", "")) for term, x in zip(left.split(","), xs, strict=True)]
    dots = "XYZ"[3 - max(n if "." in term else 0 for n, term in zip(hidden, left.split(","), strict=True)) :]
    terms = [t.replace(".", dots[len(dots) - n :]) for t, n in zip(left.split(","), hidden, strict=True)]
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        result = "." + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    result = result.replace(".", dots)
    sizes: dict[str, int] = {}
    for term, x in zip(terms, xs, strict=True):
        for label, n in zip(term, x.shape, strict=True):
            sizes[label] = n if sizes.get(label, 1) == 1 else sizes[label]
    out = np.zeros([sizes[label] for label in result])
    for values in np.ndindex(*sizes.values()):
        at = dict(zip(sizes, values, strict=True))
        product = math.prod(
            x[tuple(at[label] if n > 1 else 0 for label, n in zip(term, x.shape, strict=True))]
            for term, x in zip(terms, xs, strict=True)
        )
        out[tuple(at[label] for label in result)] += product
    return out


def joined(xs: Sequence[Array], axis: int) -> Array:
    """Arrays copied side by side along an axis."""
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    out, start = np.empty(shape), 0
    for x in xs:
        np.moveaxis(out, axis, 0)[start : start + x.shape[axis]] = np.moveaxis(x, axis, 0)
        start += x.shape[axis]
    return out
