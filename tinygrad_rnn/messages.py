"""For those who come from NumPy or PyTorch: arguments in the forms that they know, and what errors say to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_rnn.op import Op
    from tinygrad_rnn.tensor import Tensor

UFUNCS = {  # NumPy's name to that of the operation
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "negative": "neg",
    "power": "pow",
    "absolute": "abs",
}

INSTEAD = {  # NumPy's or PyTorch's name to an expression of tensors t, a, b
    "add.reduce": "t.sum(axis)",
    "multiply.reduce": "t.prod(axis=axis)",
    "maximum.reduce": "t.max(axis)",
    "minimum.reduce": "t.min(axis)",
    "add.accumulate": "t.cumsum(axis=axis)",
    "square": "t * t",
    "reciprocal": "1 / t",
    "float_power": "t ** exponent",
    "fabs": "abs(t)",
    "positive": "t",
    "exp2": "2 ** t",
    "log2": "log(t) / np.log(2)",
    "log10": "log(t) / np.log(10)",
    "logaddexp": "logsumexp(stack(a, b), axis=0)",
    "hypot": "sqrt(a * a + b * b)",
    "vecdot": "(a * b).sum(-1)",
    "dot": "a @ b",
    "inner": "a @ b.T",
    "tensordot": "einsum(subscripts, a, b)",
    "trace": "t.diagonal().sum()",
    "average": "(t * weights).sum() / weights.sum()",
    "ptp": "t.max(axis) - t.min(axis)",
    "hstack": "concatenate(a, b, axis=1)",
    "vstack": "concatenate(a, b, axis=0)",
    "column_stack": "stack(a, b, axis=1)",
    "append": "concatenate(a, b)",
    "split": "split(t, sections, axis=axis)",
    "array_split": "split(t, lengths, axis=axis)",
    "unstack": "unstack(t, axis=axis)",
    "ravel": "t.reshape(-1)",
    "moveaxis": "t.transpose(*axes)",
    "tile": "concatenate(t, t)",
    "repeat": "t[np.repeat(np.arange(len(t)), repeats)]",
    "triu": "t - t.tril(k=-1)",
    "zeros_like": "np.zeros(t.shape, t.dtype)",
    "ones_like": "np.ones(t.shape, t.dtype)",
    "full_like": "np.full(t.shape, value, t.dtype)",
    "bitwise_and": "Tensor(mask) & t",
    "bitwise_or": "Tensor(mask) | t",
    "invert": "~t",
    "view": "t.reshape(*shape)",
    "flatten": "t.reshape(-1)",
    "permute": "t.transpose(*axes)",
    "t": "t.T",
    "unsqueeze": "t.expand_dims(axis)",
    "expand": "t.broadcast_to(shape=shape)",
    "chunk": "split(t, sections, axis=axis)",
    "unbind": "unstack(t, axis=axis)",
    "numel": "t.size",
    "dim": "t.ndim",
    "clamp": "t.clip(min, max)",
    "masked_fill": "where(mask, value, t)",
    "index_select": "t.take(indices, axis=axis)",
    "argmax": "t.data.argmax(axis)",
    "tolist": "t.data.tolist()",
    "to": "t.astype(dtype)",
    "float": "t.astype(np.float32)",
    "double": "t.astype(np.float64)",
    "half": "t.astype(np.float16)",
    "requires_grad_": "t.requires_grad = True",
}


POSITIONAL = {  # parameters that a method takes by position as well, as NumPy's and PyTorch's do
    **dict.fromkeys(
        ["cumsum", "expand_dims", "flip", "log_softmax", "logsumexp", "prod", "softmax", "squeeze", "std", "var"],
        ("axis",),
    ),
    "clip": ("min", "max"),
    "roll": ("shift", "axis"),
}


def called(op: Op, x: Tensor, *values: Any, **params: Any) -> Tensor:
    """``op`` as a method of ``x``, with the ``values`` of the parameters in ``POSITIONAL``."""
    names = POSITIONAL[op.name]
    if len(values) > len(names):
        raise TypeError(f"{op.name}: as a method it takes {', '.join(names)} by position, but there are {len(values)}")
    by_name = dict(zip(names, values, strict=False))
    if twice := by_name.keys() & params:
        raise TypeError(f"{op.name}: {min(twice)} is given twice")
    return op(x, **by_name, **params)


def unpacked(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """``(2, 3)`` whether a method was called with ``2, 3`` or ``(2, 3)`` or ``[2, 3]``."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


def masks(sign: str, *xs: Any) -> tuple[Any, ...]:
    """``xs`` if all are booleans. Raises TypeError for numbers: their bits are not what is meant."""
    for x in xs:
        dtype = getattr(x, "dtype", type(x))
        name = getattr(dtype, "__name__", str(dtype))
        if name != "bool":
            raise TypeError(f"{sign} is for masks, of booleans, not for {name}; compare first, as in (t > 0) & (t < 1)")
    return xs


def no_function(name: str, operation: str | None, options: str = "") -> TypeError:
    """The error for NumPy's function ``name`` on tensors: what to write instead.

    ``operation`` is what it is called here; where the two are not quite the same, there is an expression for it.
    """
    how = "use the operations of tinygrad_rnn, or t.detach().numpy() where no gradient is wanted"
    if name in INSTEAD:
        how = f"write {INSTEAD[name]}"
    elif operation:
        how = f"write tinygrad_rnn.{operation}(...)"
    return TypeError(f"np.{name} does not take tensors{options}; {how}")


def index_text(key: tuple[Any, ...]) -> str:
    """An index as it is written between brackets.

    >>> index_text((slice(1, None), ..., None, -1, slice(None, None, 2), [0, 2]))
    '1:, ..., None, -1, ::2, [0, 2]'
    """
    return ", ".join(map(index_part, key))


def index_part(k: Any) -> str:
    """One part of an index."""
    if isinstance(k, slice):
        ends = ["" if end is None else str(end) for end in (k.start, k.stop)]
        return ":".join(ends if k.step is None else [*ends, str(k.step)])
    return "..." if k is ... else "index" if getattr(k, "shape", ()) else str(k)
