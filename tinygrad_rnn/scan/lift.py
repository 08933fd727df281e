"""Calls for all time steps at once: what a call of one step becomes on arrays with a leading axis of T steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.scan.lower import Value, item
from tinygrad_rnn.tensor import Array


def liftable(v: Value) -> bool:
    """Whether a computed value can be computed for all steps by one call."""
    if not all(view_liftable(a) for a in v.operands):
        return False
    if v.kind == "ufunc":
        if v.fn is np.matmul:
            return all(a.ndim == 2 for a in v.operands)
        return isinstance(v.fn, np.ufunc) or reduces(v)
    return v.kind in {"where", "assemble"} or (v.kind == "concatenate" and len(v.operands) == len(v.args))


def reduces(v: Value) -> bool:
    """Whether ``v`` is a reduction, such as ``np.add.reduce``."""
    return getattr(v.fn, "__name__", "") == "reduce"


def view_liftable(v: Value) -> bool:
    """Whether what ``v`` is a view of, seen at all steps, has a view that is ``v`` at all steps."""
    while v.kind == "view":
        if v.fn is np.reshape and v.args[0].kind == "view":
            return False  # of a slice it may be a copy
        if v.fn not in {item, np.reshape, np.transpose, np.swapaxes, np.expand_dims, np.squeeze}:
            return False
        v = v.args[0]
    return True


def lifted_view(v: Value, whole: Array) -> Array:
    """``v``, a view, at all steps [T, ...], from what it is a view of."""
    argument: Any = v.args[1] if len(v.args) > 1 else None
    if v.fn is item:
        return whole[(slice(None), *argument)]
    if v.fn is np.reshape:
        return whole.reshape(len(whole), *v.shape)
    if v.fn is np.swapaxes:
        return np.swapaxes(whole, *(later(axis) for axis in v.args[1:]))
    if v.fn is np.transpose:
        axes = range(whole.ndim - 1)[::-1] if argument is None else argument
        return np.transpose(whole, (0, *(axis % (whole.ndim - 1) + 1 for axis in axes)))
    return whole.reshape(len(whole), *v.shape)  # expand_dims, squeeze: axes of one element come or go


def later(axis: int) -> int:
    """An axis of one step as an axis of all steps."""
    return axis + 1 if axis >= 0 else axis


def lifted_options(v: Value) -> dict[str, Any]:
    """The keyword arguments of a reduction or concatenation, for all steps."""
    options = dict(v.kwargs)
    if reduces(v):
        axis = options["axis"]
        axes = range(v.operands[0].ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        options["axis"] = tuple(later(one) for one in axes)
    elif "axis" in options:
        options["axis"] = later(options["axis"])
    return options


def aligned(x: Array, shape: tuple[int, ...]) -> Array:
    """An operand at all steps such that its axes, after that of time, meet those of a result of ``shape``."""
    missing = len(shape) + 1 - x.ndim
    return x.reshape(len(x), *(1,) * missing, *x.shape[1:]) if missing > 0 else x


def product(a: Array, b: Array, out: Array) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """a @ b at all steps: one product of all rows where ``b`` is the same at every step."""
    if b.ndim == 2:
        rows, results = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])
        if np.may_share_memory(rows, a) and np.may_share_memory(results, out) and results.flags.c_contiguous:
            return np.dot, (rows, b, results)
    return np.matmul, (a, b, out)
