"""Operations as nodes, for values [B, ...] whose batch is open: what goes along that axis has no counterpart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tinygrad_rnn.onnx.graph import ExportError, Graph, Name

Axes: TypeAlias = int | tuple[int, ...] | None

FAR = np.iinfo(np.int64).max  # the end of an axis, however long


def translated(graph: Graph, operation: str, inputs: list[Name], params: dict[str, Any]) -> Name:
    """The node for a call of ``operation``. Raises ExportError if there is none."""
    if operation in ALIKE and not params:
        return graph.node(ALIKE[operation], *inputs)
    if operation not in COUNTERPARTS:
        known = ", ".join(sorted([*ALIKE, *COUNTERPARTS]))
        raise ExportError(f"the operation {operation} is not among those that can go into ONNX: {known}")
    return COUNTERPARTS[operation](graph, *inputs, **params)


def linear(graph: Graph, x: Name, weight: Name, bias: Name = "") -> Name:
    """x Wᵀ + b."""
    out = graph.node("MatMul", x, graph.node("Transpose", weight, perm=[1, 0]))
    return graph.node("Add", out, bias) if bias else out


def getitem(graph: Graph, x: Name, *arrays: Name, key: tuple[Any, ...]) -> Name:
    """Slices of the axes behind the batch, or with ``...`` first, of the last ones."""
    dotted, slices = key[:1] == (...,), key[1:]
    if arrays or not (dotted or key[:1] == (slice(None),)) or not all(map(forward, slices)):
        raise ExportError(f"an index {key} is not one of slices of the axes behind the batch")
    axes = range(-len(slices), 0) if dotted else range(1, len(key))
    ends = [FAR if s.stop is None else s.stop for s in slices]
    starts, steps = [s.start or 0 for s in slices], [s.step or 1 for s in slices]
    return graph.node("Slice", x, *(graph.numbers(*numbers) for numbers in (starts, ends, axes, steps)))


def forward(part: Any) -> bool:
    """Whether a part of an index is a slice that goes forward."""
    return isinstance(part, slice) and (part.step or 1) > 0


def concatenate(graph: Graph, *xs: Name, axis: int = 0) -> Name:
    """Side by side."""
    return graph.node("Concat", *xs, axis=behind(axis)[0])


def sum(graph: Graph, x: Name, *, axis: Axes = None, keepdims: bool = False) -> Name:
    """The sum."""
    return graph.node("ReduceSum", x, graph.numbers(*behind(axis)), keepdims=int(keepdims))


def mean(graph: Graph, x: Name, *, axis: Axes = None, keepdims: bool = False) -> Name:
    """The mean."""
    return graph.node("ReduceMean", x, axes=behind(axis), keepdims=int(keepdims))


def var(graph: Graph, x: Name, *, axis: Axes = None, keepdims: bool = False, ddof: int = 0) -> Name:
    """The variance."""
    if ddof:
        raise ExportError(f"a variance with ddof={ddof} has no counterpart in ONNX, only the one with 0")
    away = graph.node("Sub", x, mean(graph, x, axis=axis, keepdims=True))
    return mean(graph, graph.node("Mul", away, away), axis=axis, keepdims=keepdims)


def behind(axis: Axes) -> list[int]:
    """``axis`` as a list, if it leaves out the batch, as far as one can see."""
    axes = list(axis if isinstance(axis, tuple) else () if axis is None else (axis,))
    if not axes or 0 in axes:
        raise ExportError(f"axis={axis} is that of the batch, which a file leaves open")
    return axes


ALIKE = {
    "abs": "Abs",
    "add": "Add",
    "div": "Div",
    "exp": "Exp",
    "greater": "Greater",
    "less": "Less",
    "log": "Log",
    "matmul": "MatMul",
    "maximum": "Max",
    "minimum": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "pow": "Pow",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "sub": "Sub",
    "tanh": "Tanh",
    "where": "Where",
}
COUNTERPARTS: dict[str, Callable[..., Name]] = {f.__name__: f for f in (linear, getitem, concatenate, sum, mean, var)}
