"""An operation of your own, with the derivative that you say it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias

import numpy as np

from tinygrad_rnn.op import Op, op
from tinygrad_rnn.tensor import Tensor, registry

Rule: TypeAlias = Callable[..., Any]


def custom_vjp(rule: Rule) -> Callable[[Callable[..., Any]], Op]:
    """Define an operation by a function and its vector-Jacobian product: ``@custom_vjp(rule)``.

    The function takes arrays, as positional parameters, and returns one array; what is keyword-only (an axis, a
    factor) is static. ``rule(g, out, *inputs, **static)`` makes, from the cotangent ``g`` of the result ``out``, the
    cotangent of the input, or a tuple of one for each input, None where there is none. Broadcasting is undone by the
    engine. Write both with the functions of this package and operators, and they work on arrays (when values are
    computed) and on Tensors (when the rule itself is differentiated, to any order) alike.

    log(1 + exp(x)) is x for large x, but on the way there exp(x) is infinite, and so its derivative would be NaN:

    >>> from tinygrad_rnn import exp, gradcheck, gradgradcheck, log, maximum, sigmoid
    >>> @custom_vjp(lambda g, out, x: g * sigmoid(x))
    ... def log1pexp(x):
    ...     "log(1 + exp(x)), without overflow, and with a derivative to match."
    ...     return maximum(x, 0) + log(1 + exp(-abs(x)))
    >>> x = Tensor([-1.0, 1000.0], requires_grad=True)
    >>> log1pexp(x).backward(np.ones(2))
    >>> x.grad.round(6)
    array([0.268941, 1.      ])
    >>> gradcheck(log1pexp, [np.array([-1.0, 2.0])]), gradgradcheck(log1pexp, [np.array([-1.0, 2.0])])
    (True, True)

    Where JAX's ``custom_vjp`` hands the backward rule residuals of a forward rule, this one has the result and the
    inputs. A rule may also be what no calculus would give, such as ``lambda g, out, x: clip(g, min=-1, max=1)`` for the
    identity: a gradient clipped on its way. That one is not linear in g, and so means nothing to ``jvp``.

    The operation is put in ``registry``, so that Tensors have it as a method: ``x.log1pexp()``. Defining it once more,
    as in a notebook's cell that is run again, replaces it there. To take it out, delete it; graphs that were recorded
    with it hold it themselves and keep working.

    >>> del registry["log1pexp"]

    Raises ValueError for a name that is an operation's of this package or an attribute's of Tensors. Calling it raises
    TypeError if the function returns no array, and in backward TypeError or ValueError if the rule does not return one
    cotangent, of its shape, for each input.
    """

    def define(function: Callable[..., Any]) -> Op:
        name = function.__name__
        check_name(name)

        @wraps(function)
        def forward(*inputs: Any, **static: Any) -> Any:
            return checked_result(name, function(*inputs, **static), inputs)

        @wraps(rule)
        def joint(g: Any, out: Any, *inputs: Any, **static: Any) -> Sequence[Any]:
            return checked_cotangents(rule(g, out, *inputs, **static), inputs)

        return op(joint)(forward)

    return define


def check_name(name: str) -> None:
    """Raise ValueError if a new operation can't have this name."""
    if not name.isidentifier():
        raise ValueError(f"custom_vjp: an operation needs a name, and this is a {name}; define it with def")
    own = name in registry and registry[name].__module__.startswith("tinygrad_rnn.")
    if own or hasattr(Tensor, name):
        what = "an operation of tinygrad_rnn, which rules are made of" if own else "an attribute that Tensors have"
        raise ValueError(f"custom_vjp: {name!r} is {what}; choose another name")


def checked_result(name: str, out: Any, inputs: Sequence[Any]) -> Any:
    """What a function returned, if it is an array or a number: a copy if it is one of the inputs."""
    if type(out) is Tensor:
        raise TypeError(
            f"{name} was handed arrays, but returned a Tensor: it reads one from outside, whose gradient would be "
            "lost; make that a parameter"
        )
    if not isinstance(out, (np.ndarray, np.generic, int, float)):
        raise TypeError(f"{name} must return one array, not a {type(out).__name__}")
    return np.copy(out) if any(out is x for x in inputs) else out


def checked_cotangents(found: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    """What a rule returned, as one cotangent for each input, each of a shape that broadcasting could have made."""
    cotangents = found if isinstance(found, (tuple, list)) else (found,)
    if len(cotangents) != len(inputs):
        raise TypeError(
            f"the rule returned {len(cotangents)} cotangent(s) for {len(inputs)} input(s); None for no gradient"
        )
    for i, (c, x) in enumerate(zip(cotangents, inputs, strict=True)):
        shape = getattr(x, "shape", ())
        if c is not None and (not hasattr(c, "shape") or np.broadcast_shapes(c.shape, shape) != tuple(c.shape)):
            seen = f"shape {c.shape}" if hasattr(c, "shape") else f"a {type(c).__name__}"
            raise ValueError(f"the rule returned {seen} as the cotangent of input {i}, which has shape {shape}")
    return cotangents
