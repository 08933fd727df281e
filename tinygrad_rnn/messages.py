"""What errors say to those who come from NumPy: its functions' names here, what to write instead, indices as text."""

from __future__ import annotations

from typing import Any

UFUNCS = {  # NumPy's name to that of the operation
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "negative": "neg",
    "power": "pow",
    "absolute": "abs",
}

INSTEAD = {  # NumPy's name to an expression of tensors t, a, b
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
}


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
