"""Reverse mode: vector-Jacobian products, and gradients, which are those of scalars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.derivatives.point import Point, Tree
from tinygrad_rnn.gradcheck import Function, name_of
from tinygrad_rnn.op import thread
from tinygrad_rnn.tensor import Tensor


def grad(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The function that computes the gradient of ``fun``, d fun / d argument.

    ``fun`` returns a scalar Tensor, of shape (); with ``has_aux`` a pair of that and of anything else, and then the
    new function returns (gradient, that). ``argnums`` says with respect to which positional arguments: one number, or
    several, which give a tuple. These are floating-point arrays, Tensors or numbers, or dictionaries, tuples and lists
    of them; the gradient has the same form, with Tensors of the same shapes and dtypes. No ``.grad`` is touched.

    >>> grad(lambda x: x**3)(2.0).item()
    12.0
    >>> grad(grad(lambda x: x**3))(2.0).item()
    12.0
    >>> loss = lambda p, x: (p["w"] @ x + p["b"]) ** 2
    >>> gradient = grad(loss)({"w": np.array([1.0, 2.0]), "b": 3.0}, np.array([5.0, 7.0]))
    >>> gradient["w"].data, gradient["b"].item()
    (array([220., 308.]), 44.0)

    Raises TypeError for an argument that is not floating-point, and if ``fun`` returns anything but a scalar.
    """
    both = value_and_grad(fun, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return named("grad", fun, gradient)


def value_and_grad(fun: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The function that computes (value, gradient) of ``fun``; with ``has_aux``, ((value, aux), gradient).

    All else is as for ``grad``.

    >>> value, slope = value_and_grad(lambda x: x**3)(2.0)
    >>> value.item(), slope.item()
    (8.0, 12.0)
    """

    def both(*args: Any, **kwargs: Any) -> Any:
        at = Point("grad", fun, args, argnums, kwargs, has_aux=has_aux)
        out = at.scalar()
        found = at.pull([Tensor(np.ones((), out.dtype))], record=at.open, free=not at.open)
        value = at.released(out)
        return ((value, at.aux) if has_aux else value), at.like_arguments(found)

    return named("value_and_grad", fun, both)


def vjp(fun: Function, *primals: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    """(fun(*primals), pullback): the vector-Jacobian product at a point.

    ``pullback(u)`` is Jᵀ u for each of ``primals``, as a tuple. J is the Jacobian, d fun / d primals, and u has the
    form of the result of ``fun``: a Tensor, or any nesting of them. It may be called any number of times. With
    ``has_aux`` the function returns a pair, of which only the first is differentiated, and (result, pullback, second)
    comes back.

    >>> out, pullback = vjp(lambda x, y: (x * y, x.sum()), np.array([1.0, 2.0]), 5.0)
    >>> x, y = pullback((np.array([1.0, 0.0]), 10.0))
    >>> x.data, y.item()
    (array([15., 10.]), 1.0)

    Raises TypeError for primals that are not floating-point and if ``fun`` returns something else than Tensors;
    ``pullback`` raises ValueError if u is not of the form or the shapes of the result.
    """
    at = Point("vjp", fun, primals, range(len(primals)), {}, has_aux=has_aux)

    def pullback(cotangent: Tree) -> tuple[Any, ...]:
        seeds = at.directions(at.out, cotangent, "the cotangent")
        record = thread.recorder.enabled and (at.open or any(s.requires_grad for s in seeds))
        return tuple(at.like_arguments(at.pull(seeds, record=record)))

    out = at.released(at.out)
    return (out, pullback, at.aux) if has_aux else (out, pullback)


def named(kind: str, fun: Function, new: Function) -> Function:
    """``new``, which computes ``kind`` of ``fun``, with a name that says so and the signature of ``fun``."""
    new.__name__ = new.__qualname__ = f"{kind}({name_of(fun)})"
    new.__wrapped__ = fun  # type: ignore[attr-defined]  # where inspect.signature looks
    return new
