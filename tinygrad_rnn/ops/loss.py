"""Losses. Means and sums are in nats where the loss is a negative log-likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.op import op
from tinygrad_rnn.ops.elementwise import Value
from tinygrad_rnn.ops.reduce import near, positive, shifted, softmax, softmax_rule, total
from tinygrad_rnn.tensor import Array, plain

IGNORE = -100  # the target of a place that is not to be scored, as in PyTorch


def reduced(losses: Array, reduction: str) -> Array:
    """``losses`` as they are ("none"), summed ("sum") or averaged ("mean")."""
    if reduction not in {"mean", "sum", "none"}:
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")
    if reduction == "mean" and not losses.size:
        raise ValueError("a mean over no elements")
    return losses if reduction == "none" else np.asarray(getattr(np, reduction)(losses))


def mse_rule(g: Value, x: Value, y: Value, reduction: str) -> Value:
    """The derivative with respect to the difference x - y."""
    difference = x - y
    return g * difference * (2 / difference.size if reduction == "mean" else 2)


@op(
    x=lambda g, out, x, y, *, reduction="mean": mse_rule(g, x, y, reduction),
    y=lambda g, out, x, y, *, reduction="mean": -mse_rule(g, x, y, reduction),
)
def mse_loss(x: Value, y: Value, *, reduction: str = "mean") -> Array:
    """The squared error (x - y)², averaged over all elements, or summed, or as it is ("none").

    The shapes must be equal: a [B, 1] against a [B] would quietly compare each with each.
    """
    if np.shape(x) != np.shape(y):
        raise ValueError("mse_loss compares arrays of one shape")
    return reduced(np.square(x - y), reduction)


@op(logits=lambda g, out, logits, targets: softmax_rule(g, softmax(logits), logits))
def softmax_error(logits: Value, targets: Value) -> Array:
    """softmax(logits) minus the one-hot targets: the derivative of the cross-entropy of each row [N, V]."""
    out = softmax.forward(logits)
    out[np.arange(len(out)), targets] -= 1
    return out


def cross_entropy_rule(
    g: Value,
    out: Value,
    logits: Value,
    targets: Value,
    weight: Value = None,
    *,
    reduction: str = "mean",
    ignore_index: int = IGNORE,
) -> Value:
    """Each row's softmax error, scaled by the row's weight in the loss."""
    rows = logits.reshape(-1, logits.shape[-1])
    safe, scale = row_weights(plain(targets), plain(weight), ignore_index, rows.dtype)
    share = 1 / (safe.size if scale is None else scale.sum()) if reduction == "mean" else 1
    factor = g.reshape(-1, 1) * (share if scale is None else scale[:, None] * share)
    error = softmax_error(rows, safe)
    error *= factor  # an array in place, a Tensor as a new one
    return error.reshape(logits.shape)


@op(logits=cross_entropy_rule)
def cross_entropy(
    logits: Value,
    targets: Value,
    weight: Value = None,
    *,
    reduction: str = "mean",
    ignore_index: int = IGNORE,
) -> Array:
    """-log softmax(logits)[target], in nats.

    ``logits`` [..., V], ``targets`` [...] of integers 0..V-1, ``weight`` [V] or None. Targets equal to
    ``ignore_index`` count nothing. "mean" divides the sum by the weights of the targets that count (as PyTorch does).
    Raises ValueError for other shapes, for a target outside the range (it is named), and for a mean of nothing.

    >>> round(float(cross_entropy(np.zeros((1, 4)), np.array([2]))), 6)  # nats of a uniform choice: log 4
    1.386294
    """
    check_targets(logits, targets, weight, ignore_index)
    rows = logits.reshape(-1, logits.shape[-1])
    safe, scale = row_weights(targets, weight, ignore_index, rows.dtype)
    losses = surprise(rows, safe)
    if scale is not None:
        losses = np.where(scale, losses, 0) * scale  # an infinite loss that counts nothing would make NaN
    if reduction == "mean":
        weights = losses.size if scale is None else scale.sum()
        if not weights:
            raise ValueError(f"a mean over no targets: all {losses.size} are {ignore_index} or of weight 0")
        return np.asarray(losses.sum() / weights)
    return reduced(losses, reduction).reshape(targets.shape if reduction == "none" else ())


def surprise(rows: Array, targets: Array) -> Array:
    """-log softmax(rows)[target] of each of ``rows`` [N, V], ``targets`` [N]: never negative, exact where it is small.

    That is log(1 + r), where r is the sum of the other exponentials over that of the target.
    """
    at = np.arange(len(rows)), targets
    low = rows if (direct := near(rows)) else shifted(rows, -1)[0]
    e = np.exp(low)
    own, e[at] = e[at], 0
    others = total(e, -1)[:, 0]
    if direct:
        return np.log1p(others / own)
    mine = low[at]  # 0 where there are no others, or -inf where there is nothing
    return np.where(others > 0, np.logaddexp(0, np.log(positive(others)) - mine), 0 - mine)


def row_weights(
    targets: Array, weight: Array | None, ignore_index: int, dtype: np.dtype[Any]
) -> tuple[Array, Array | None]:
    """Targets [N], with 0 for those to ignore, and the weight [N] of each row: 0 for those; None if each is 1."""
    flat = targets.reshape(-1)
    counts = flat != ignore_index
    if weight is None and counts.all():
        return flat, None
    safe = np.multiply(flat, counts)
    return safe, counts.astype(dtype) if weight is None else (counts * weight[safe]).astype(dtype)


def check_targets(logits: Array, targets: Array, weight: Array | None, ignore_index: int) -> None:
    """Raise ValueError or TypeError unless ``targets`` are class indices for ``logits``, and ``weight`` has V."""
    dtype = getattr(targets, "dtype", type(targets))
    if getattr(dtype, "kind", "") not in {"i", "u"}:
        raise TypeError(f"targets are class indices, so an array of integers, but these are {dtype}")
    if not logits.ndim or targets.shape != logits.shape[:-1]:
        raise ValueError("targets have the shape of logits [..., V] without its last axis")
    if weight is not None and np.shape(weight) != logits.shape[-1:]:
        raise ValueError(f"weight has one number for each of the {logits.shape[-1]} classes")
    if targets.size and (targets.min() < 0 or targets.max() >= logits.shape[-1]):
        wrong = (targets != ignore_index) & ((targets < 0) | (targets >= logits.shape[-1]))
        for at in np.argwhere(wrong)[:1].tolist():
            raise ValueError(f"target {targets[tuple(at)]} at {tuple(at)} is outside 0..{logits.shape[-1] - 1}")
