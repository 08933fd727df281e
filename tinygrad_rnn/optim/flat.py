"""All parameters of a model as one array, all their gradients as another.

A model has many small parameters, and a NumPy call costs about as much as the arithmetic on a thousand elements. Laid
end to end in one buffer, they are updated, clipped and zeroed by a handful of calls, however many they are. Each
tensor's value and gradient are slices of the two buffers, so that forward reads what the optimizer wrote, and backward
adds where the optimizer will read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.tensor import Array, Tensor


class FlatParameters:
    """Leaf tensors whose values lie end to end in ``value`` [N] and whose gradients in ``grad`` [N], N elements in all.

    ``parameters`` are floating-point leaves of one dtype. One that comes twice counts once, one that does not require
    grad is left as it is. ``tensors`` are those that remain, in the order given.

    From then on ``tensor.data`` and ``tensor.grad`` are windows on memory that changes with every step and every
    ``zero_grad``: copy what is to be kept (``tensor.detach()`` is a copy). Graphs recorded before refuse backward. Both
    attributes may still be assigned to: ``gather`` brings back whatever it finds there. So several buffers may even
    hold the same tensor. Each finds its present value and gradient, and the memory is that of the last one to gather.

    >>> w, b = Tensor([[1.0, 2.0]], requires_grad=True), Tensor(3.0, requires_grad=True)
    >>> flat = FlatParameters([w, b])
    >>> (w * w + b).sum().backward()
    >>> flat.grad
    array([2., 4., 2.])
    >>> flat.value -= flat.grad
    >>> flat.touch()
    >>> w.data, b.item()
    (array([[-1., -2.]]), 1.0)

    Raises TypeError for what is not a Tensor, not floating-point or not of the first one's dtype, and ValueError for a
    tensor that was computed and for an empty list. Nothing has changed then.
    """

    __slots__ = ("_grads", "_slices", "_values", "grad", "tensors", "value")

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self.tensors = trainable(parameters)
        self.value: Array = np.empty(sum(t.size for t in self.tensors), self.tensors[0].dtype)
        self.grad: Array = np.zeros_like(self.value)
        ends = np.cumsum([t.size for t in self.tensors])[:-1]
        shapes = [t.shape for t in self.tensors]
        self._slices = [part.reshape(s) for part, s in zip(np.split(self.value, ends), shapes, strict=True)]
        self._grads = [part.reshape(s) for part, s in zip(np.split(self.grad, ends), shapes, strict=True)]
        self._values: list[Array | None] = [None] * len(self.tensors)  # what each tensor's data is while it is ours
        self.gather()

    def __repr__(self) -> str:
        return f"FlatParameters({len(self.tensors)} tensors, {self.value.size} elements of {self.value.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has memory of its own: a shallow one for the same tensors, a deep one for copies of them."""
        return FlatParameters, (self.tensors,)

    def gather(self) -> None:
        """Take over values and gradients that were assigned to the tensors, and make them slices again."""
        for i, (tensor, part) in enumerate(zip(self.tensors, self._slices, strict=True)):
            if not tensor.requires_grad:
                raise ValueError(
                    f"{label(i, tensor)} no longer requires grad, but is still to be updated; to freeze it, make a new "
                    "optimizer of the parameters that remain"
                )
            if tensor.data is not self._values[i]:
                np.copyto(part, tensor.data)
                tensor.rebind(part)
                self._values[i] = tensor.data
        self.gather_gradients()

    def gather_gradients(self) -> None:
        """The gradients' half of ``gather``. A gradient that is None counts as zero.

        Raises ValueError for a gradient whose shape is not that of its tensor.
        """
        for i, (tensor, part) in enumerate(zip(self.tensors, self._grads, strict=True)):
            given = tensor.grad
            if given is part:
                continue
            if given is None:
                part.fill(0)
            else:
                given = given.data if isinstance(given, Tensor) else np.asarray(given)
                if given.shape != part.shape:
                    raise ValueError(f"{label(i, tensor)} has shape {part.shape}, but its gradient {given.shape}")
                np.copyto(part, given, casting="same_kind")
            tensor.grad = part

    def zero_grad(self) -> None:
        """Set all gradients to zero; backward then adds to the slices."""
        self.grad.fill(0)
        for tensor, part in zip(self.tensors, self._grads, strict=True):
            tensor.grad = part

    def touch(self) -> None:
        """Say that ``value`` was written to, so that backward refuses graphs recorded before."""
        for tensor in self.tensors:
            tensor.touch()


def trainable(parameters: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The tensors of ``parameters`` that require grad, each once; see ``FlatParameters`` for what is raised."""
    if isinstance(parameters, (Tensor, np.ndarray)) or not isinstance(parameters, Iterable):
        raise TypeError(
            f"parameters: expected an iterable of tensors, but this is a {type(parameters).__name__}; give "
            "model.parameters(), or a list such as [w, b]"
        )
    unique: dict[int, Tensor] = {}
    for i, p in enumerate(parameters):
        if not isinstance(p, Tensor):
            raise TypeError(f"parameters: expected tensors, but number {i} is a {type(p).__name__}")
        if p.node is not None:
            raise ValueError(f"{label(i, p)} was computed, by {p.node!r}; only leaves can be optimized")
        if not p.requires_grad:
            continue
        dtype = next(iter(unique.values()), p).dtype
        if p.dtype != dtype:
            raise TypeError(
                f"{label(i, p)} is {p.dtype}, but one buffer has one floating-point dtype, here {dtype}; convert it, "
                "or make one optimizer for each dtype"
            )
        unique.setdefault(id(p), p)
    if not unique:
        raise ValueError("parameters: there is none that requires grad, so nothing to optimize")
    return tuple(unique.values())


def label(i: int, tensor: Tensor) -> str:
    """A parameter in a message."""
    return f"parameter {i}" + (f" {tensor.name!r}" if tensor.name else "")
