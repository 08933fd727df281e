"""Compare derivatives with central differences, element by element, and explain every disagreement.

``gradcheck`` holds the first derivatives of a function against differences of its values; ``gradgradcheck`` holds the
second derivatives against differences of the first. Both work in float64: a difference over the step h loses about
1e-16 / h of the value to rounding and is off by about h² for the curvature, so a step of 1e-5 leaves ten digits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from tinygrad_rnn.backward import gradients
from tinygrad_rnn.tensor import Array, Tensor

Function: TypeAlias = Callable[..., Any]  # Tensors to one Tensor, or to a tuple or list of them


class GradcheckError(AssertionError):
    """A derivative disagrees with the differences; the text says where, by how much, and what it looks like."""


def gradcheck(
    function: Function, inputs: Sequence[Any], *, eps: float = 1e-5, rtol: float = 1e-6, atol: float = 1e-8
) -> Literal[True]:
    """Check d output / d input of ``function(*inputs)`` for each element of each output and input.

    ``function`` takes Tensors and returns one Tensor, or a tuple or list of them. ``inputs`` are float64 Tensors or
    arrays; all are differentiated, so bind indices and options inside ``function``. The step is ``eps``, times the
    magnitude of the element if that is above 1; an error passes up to ``atol + rtol * |numerical|``.

    Returns True. Raises GradcheckError for a wrong derivative, TypeError for what is not float64, and ValueError if
    two calls with the same inputs differ.

    >>> from tinygrad_rnn import tanh
    >>> gradcheck(lambda x, y: tanh(x) * y, [np.ones((2, 3)), np.arange(3.0)])
    True
    """
    subject = Subject(function, name_of(function), checked(inputs, name_of(function)), input_names(function, inputs))
    subject.compare(eps, rtol, atol)
    return True


def gradgradcheck(
    function: Function,
    inputs: Sequence[Any],
    *,
    eps: float = 1e-5,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
) -> Literal[True]:
    """Check the second derivatives of ``function(*inputs)``: those of the gradient that its rules compute.

    The outputs get cotangents drawn from [-1, 1] with ``seed``. The gradients of ``inputs`` are then checked as
    ``gradcheck`` does, with respect to the inputs and to the cotangents. That says nothing about first derivatives.
    Arguments, result and errors as for ``gradcheck``.

    >>> gradgradcheck(lambda x: x**3, [np.array([1.0, -2.0])])
    True
    """
    first = Subject(function, name_of(function), checked(inputs, name_of(function)), input_names(function, inputs))
    random = np.random.default_rng(seed)
    outputs = first.outputs(first.leaves())
    cotangents = [random.uniform(-1, 1, out.shape) for out in outputs]

    def gradient(*tensors: Tensor) -> list[Tensor]:
        xs = tensors[: len(inputs)]
        totals = [Tensor(np.zeros(x.shape)) for x in xs]
        for out, cotangent in zip(first.outputs(xs), tensors[len(inputs) :], strict=True):
            parts = gradients(out, xs, cotangent, create_graph=True) if out.requires_grad else [None] * len(xs)
            totals = [total if part is None else total + part for total, part in zip(totals, parts, strict=True)]
        return totals

    name = f"the gradient of {' and '.join(titled(first.name, out) for out in outputs)}"
    names = [*first.names, *(f"the cotangent of output {k}" for k in range(len(outputs)))]
    Subject(gradient, name, [*first.arrays, *cotangents], names).compare(eps, rtol, atol)
    return True


@dataclass(frozen=True)
class Subject:
    """A function at a point, with what to call it and its inputs in messages."""

    function: Function
    name: str
    arrays: list[Array]
    names: list[str]

    def leaves(self) -> list[Tensor]:
        """The point, as Tensors that require grad."""
        return [Tensor(array, requires_grad=True) for array in self.arrays]

    def outputs(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """What the function returns at ``xs``, as a list of float64 Tensors."""
        result = self.function(*xs)
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        for out in outputs:
            if not isinstance(out, Tensor) or out.dtype != np.float64:
                what = f"a {out.dtype} Tensor" if isinstance(out, Tensor) else f"a {type(out).__name__}"
                raise TypeError(f"gradcheck of {self.name}: it must return float64 Tensors, but returned {what}")
        return outputs

    def moved(self, i: int, j: int, step: float) -> list[Array]:
        """The values of the outputs with element ``j`` of input ``i`` moved by ``step``."""
        xs = self.leaves()
        array = self.arrays[i].copy()
        array.flat[j] += step
        xs[i] = Tensor(array, requires_grad=True)
        return [out.data.reshape(-1) for out in self.outputs(xs)]

    def differences(self, i: int, eps: float) -> list[Array]:
        """For each output, the central differences for each element of input ``i``: [output size, input size]."""
        columns = []
        for j, value in enumerate(self.arrays[i].flat):
            step = eps * max(1.0, abs(value))
            width = (value + step) - (value - step)  # not quite 2 * step: the sums were rounded
            pairs = zip(self.moved(i, j, step), self.moved(i, j, -step), strict=True)
            columns.append([(above - below) / width for above, below in pairs])
        if not columns:
            return [np.zeros((out.size, 0)) for out in self.outputs(self.leaves())]
        return [np.stack(output, axis=1) for output in zip(*columns, strict=True)]

    def compare(self, eps: float, rtol: float, atol: float) -> None:
        """Raise GradcheckError if a derivative is not the difference of the values."""
        xs = self.leaves()
        outputs, again = self.outputs(xs), self.outputs(self.leaves())
        if [out.shape for out in outputs] != [out.shape for out in again] or not all(
            np.array_equal(a.data, b.data, equal_nan=True) for a, b in zip(outputs, again, strict=True)
        ):
            raise ValueError(f"gradcheck of {self.name}: two calls with the same inputs differ; give a seed")
        for i, x in enumerate(xs):
            numerical = self.differences(i, eps)
            for k, out in enumerate(outputs):
                analytic = jacobian(out, x)
                with np.errstate(invalid="ignore"):
                    allowed = atol + rtol * np.abs(numerical[k])
                    error = np.abs(analytic - numerical[k])
                    excess = np.where(error <= allowed, 0, np.nan_to_num(error - allowed, nan=np.inf))
                if not excess.any():
                    continue
                row, column = (int(n) for n in np.unravel_index(excess.argmax(), excess.shape))
                raise GradcheckError(
                    f"gradcheck of {titled(self.name, out)}: "
                    f"the derivative of {element(f'output {k}', row, out.shape)} "
                    f"with respect to {element(self.names[i], column, x.shape)} is wrong\n"
                    f"  analytic   {analytic[row, column]:.12g}\n"
                    f"  numerical  {numerical[k][row, column]:.12g}\n"
                    f"  error      {error[row, column]:.3g}, allowed {allowed[row, column]:.3g} "
                    f"(atol {atol:g} + rtol {rtol:g} * |numerical|)\n"
                    f"  the worst of {np.count_nonzero(excess)} wrong ones among {excess.size} pairs of elements"
                    f"{likely_factor(analytic, numerical[k])}{self.likely_kink(i, column, k, row, eps)}"
                )

    def likely_kink(self, i: int, j: int, k: int, row: int, eps: float) -> str:
        """A hint if the slopes to either side stay apart as the step shrinks: then there is no derivative."""
        here = self.outputs(self.leaves())[k].data.reshape(-1)[row]
        above, below = (
            [(self.moved(i, j, step)[k][row] - here) / step + 0.0 for step in (side * eps, side * eps / 10)]
            for side in (1, -1)
        )
        far, near = abs(above[0] - below[0]), abs(above[1] - below[1])
        if near <= max(0.5 * far, 1e-6):
            return ""
        return (
            f"\n  hint: the slope is {above[1]:.6g} above and {below[1]:.6g} below, so this is a kink or a jump, where "
            "differences say nothing; check elsewhere"
        )


def jacobian(out: Tensor, x: Tensor) -> Array:
    """d out / d x as the rules have it, [out.size, x.size]: one backward pass for each element of ``out``."""
    rows = np.zeros((out.size, x.size))
    for row in range(out.size if out.requires_grad else 0):
        cotangent = np.zeros(out.size)
        cotangent[row] = 1
        (gradient,) = gradients(out, [x], cotangent.reshape(out.shape), retain_graph=True)
        if gradient is not None:
            rows[row] = gradient.reshape(-1)
    return rows


def likely_factor(analytic: Array, numerical: Array) -> str:
    """A hint if all values are off by one factor, the mark of a forgotten sum, factor or sign."""
    if not analytic.any():
        return "\n  hint: every analytic value is 0: the graph may be cut by detach(), no_grad() or a plain array"
    there = np.abs(numerical) > 1e-6 * np.abs(numerical).max()
    ratios = analytic[there] / numerical[there]
    if not ratios.size or not np.isfinite(ratios).all() or not np.allclose(ratios, ratios.mean(), rtol=1e-4, atol=0):
        return ""
    return (
        f"\n  hint: every analytic value is {ratios.mean():.6g} times the numerical one: a sign, a factor or a sum is "
        "missing, or is there twice"
    )


def checked(inputs: Sequence[Any], name: str) -> list[Array]:
    """Copies of the arrays in ``inputs``, which must be float64."""
    if not isinstance(inputs, (tuple, list)):
        raise TypeError(f"gradcheck of {name}: inputs is a list of tensors or arrays, not a {type(inputs).__name__}")
    arrays = [np.array(x.data if isinstance(x, Tensor) else x) for x in inputs]
    for i, array in enumerate(arrays):
        if array.dtype != np.float64:
            raise TypeError(
                f"gradcheck of {name}: input {i} is {array.dtype}, but must be float64: in float32 a difference over "
                "a step of 1e-5 has two right digits. What is not differentiated is bound inside the function"
            )
    return arrays


def name_of(function: Function) -> str:
    """What to call ``function`` in messages."""
    return getattr(function, "__name__", type(function).__name__)


def titled(name: str, out: Tensor) -> str:
    """``name``, with the last operation behind ``out`` if it is a lambda's."""
    return f"{name} (ending in {out.node.op.name})" if name == "<lambda>" and out.node else name


def input_names(function: Function, inputs: Sequence[Any]) -> list[str]:
    """What to call the inputs: position, and the Tensor's or the parameter's name where there is one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some callables have no signature
        parameters = {}.values()
    names = [p.name for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    names += [""] * len(inputs)
    names = [(isinstance(x, Tensor) and x.name) or name for x, name in zip(inputs, names, strict=False)]
    return [f"input {i}{f' ({name!r})' if name else ''}" for i, name in enumerate(names)]


def element(name: str, flat: int, shape: tuple[int, ...]) -> str:
    """``input 0 ('x')[1, 2]``: an element by its index."""
    return f"{name}{[int(n) for n in np.unravel_index(flat, shape)] if shape else ''}"
