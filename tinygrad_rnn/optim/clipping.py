"""Bounds on gradients before a step: the cure for exploding gradients in recurrent networks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

import numpy as np

from tinygrad_rnn.optim.base import Optimizer
from tinygrad_rnn.optim.flat import FlatParameters
from tinygrad_rnn.tensor import Array, Tensor


def clip_grad_norm(
    target: Optimizer | FlatParameters | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    *,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients together, in place, so that their norm is at most ``max_norm``; the norm before is returned.

    The norm is that of all gradients as one vector: (Σ |g|ᵖ)^(1/p) with p = ``norm_type``, or max |g| for p = inf.
    Gradients are multiplied by min(1, max_norm / (norm + 1e-6)). Pascanu, Mikolov, Bengio 2013 (arXiv:1211.5063),
    algorithm 1. ``max_norm=inf`` only measures.

    An optimizer or its flat buffer is done in one pass; of other tensors, those without a gradient are skipped.

    A norm that is infinite or NaN says nothing about a scale: it is returned and the gradients are left as they are,
    so that the caller can find the elements; with ``error_if_nonfinite`` it raises RuntimeError. A finite gradient
    has a finite norm here, also where its squares overflow.

    >>> w = Tensor([1.5, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_norm([w], max_norm=1.0)
    5.0
    >>> w.grad.round(6)
    array([0.6, 0.8])

    Raises ValueError if ``max_norm`` is negative or NaN, or ``norm_type`` is not positive.
    """
    if not isinstance(max_norm, Real) or not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must be 0 or more, got {max_norm!r}")
    if not isinstance(norm_type, Real) or not norm_type > 0:
        raise ValueError(f"clip_grad_norm: norm_type must be positive, got {norm_type!r}")
    gradients = gradients_of(target)
    norm = total_norm(gradients, norm_type)
    if not math.isfinite(norm):
        if error_if_nonfinite:
            raise RuntimeError(
                f"clip_grad_norm: the gradients' norm of order {norm_type:g} is {norm}, so they can't be scaled; an "
                "element is infinite or NaN: look at the loss and at the last step's learning rate"
            )
        return norm
    scale = float(max_norm) / (norm + 1e-6)
    if scale < 1:
        for g in gradients:
            np.multiply(g, scale, out=g)
    return norm


def clip_grad_value(target: Optimizer | FlatParameters | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of the gradients to [-clip_value, clip_value], in place. NaN stays NaN.

    An optimizer or its flat buffer is done in one pass; of other tensors, those without a gradient are skipped.

    >>> w = Tensor([0.1, -3.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_value([w], 5.0)
    >>> w.grad
    array([ 0.2, -5. ])

    Raises ValueError if ``clip_value`` is negative or NaN.
    """
    if not isinstance(clip_value, Real) or not clip_value >= 0:
        raise ValueError(f"clip_grad_value: clip_value must be 0 or more, got {clip_value!r}")
    for g in gradients_of(target):
        np.clip(g, -float(clip_value), float(clip_value), out=g)


def gradients_of(target: Optimizer | FlatParameters | Iterable[Tensor]) -> list[Array]:
    """The gradients of ``target`` as writable arrays: one flat array, or one for each tensor that has a gradient."""
    if isinstance(target, Optimizer):
        target = target.parameters
    if isinstance(target, FlatParameters):
        target.gather_gradients()
        return [target.grad]
    tensors: dict[int, Tensor] = {}
    if not isinstance(target, Iterable):
        raise TypeError(f"clipping: expected an optimizer or tensors, but got a {type(target).__name__}")
    for t in [target] if isinstance(target, Tensor) else target:
        if not isinstance(t, Tensor):
            raise TypeError(f"clipping: expected an optimizer or tensors, but met a {type(t).__name__}")
        tensors[id(t)] = t
    found = []
    for t in tensors.values():
        if isinstance(t.grad, Tensor):  # made with create_graph; what is clipped has no history
            t.grad = t.grad.data.copy()
        if t.grad is not None:
            found.append(t.grad)
    return found


def total_norm(arrays: list[Array], order: float) -> float:
    """The norm of all ``arrays`` as one vector; finite if they are, although powers overflow before elements do."""
    norm = norm_of_norms(arrays, order)
    if not math.isfinite(norm):
        largest = norm_of_norms(arrays, math.inf)
        if math.isfinite(largest):
            return largest * norm_of_norms([a / largest for a in arrays], order)
    return norm


def norm_of_norms(arrays: list[Array], order: float) -> float:
    """The norm of the vector of the arrays' norms, which is that of all their elements together."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = [norm_of(a.reshape(-1), order) for a in arrays if a.size] or [0.0]
        return norms[0] if len(norms) == 1 else norm_of(np.array(norms), order)


def norm_of(vector: Array, order: float) -> float:
    """The norm of a vector; that of order 2, which every training step takes, without the ways of np.linalg.norm."""
    return math.sqrt(np.dot(vector, vector)) if order == 2 else float(np.linalg.norm(vector, order))
