"""Forward mode, and second derivatives: each a few lines on top of reverse mode.

Forward mode falls out of reverse mode because a pullback is linear. For f with Jacobian J at x, reverse mode computes

    g(u) = Jᵀ u

and with recording on, g is a graph like any other, in which u is an ordinary input. Its own Jacobian, with respect to
u, is Jᵀ, whatever u is. So pulling a tangent v back through *that* graph, from g to u, gives

    (d g / d u)ᵀ v = (Jᵀ)ᵀ v = J v

the directional derivative, without one rule for forward mode (Townsend 2017, "A new trick for calculating Jacobian
vector products"). It costs two backward passes, the first of them recorded, where a forward mode of its own would do
with one pass of tangents beside the values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.derivatives.point import Point, Tree, cut, pulled
from tinygrad_rnn.derivatives.reverse import grad, named
from tinygrad_rnn.gradcheck import Function, name_of
from tinygrad_rnn.op import thread
from tinygrad_rnn.ops import stack
from tinygrad_rnn.tensor import Tensor
from tinygrad_rnn.tree import rebuilt


def jvp(fun: Function, primals: Sequence[Tree], tangents: Sequence[Tree]) -> tuple[Any, Any]:
    """(fun(*primals), J tangents): the Jacobian-vector product, the derivative of ``fun`` along ``tangents``.

    ``primals`` is the tuple of arguments, and ``tangents`` has its form and shapes. The second result has the form of
    the first: limit of (fun(primals + s tangents) - fun(primals)) / s for s to 0.

    >>> value, slope = jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))  # 3 · 1 + 2 · 10
    >>> value.item(), slope.item()
    (6.0, 23.0)

    Raises TypeError for primals that are not floating-point and if ``fun`` returns something else than Tensors;
    ValueError if ``tangents`` are not of the form or the shapes of ``primals``.
    """
    at = Point("jvp", fun, several(primals, f"jvp({name_of(fun)}): primals"), range(len(primals)))
    vs = at.directions(tuple(primals), several(tangents, f"{at.name}: tangents"), "tangents")
    us = [Tensor(np.zeros(out.shape, out.dtype), requires_grad=True) for out in at.outputs]  # any value will do
    products = at.pull(us, record=True)
    record = thread.recorder.enabled and (at.open or any(v.requires_grad for v in vs))
    with cut(at.variables):
        found = pulled(products, vs, us, record=record)
    return at.released(at.out), rebuilt(at.out, iter(at.released(found)))


def hvp(fun: Function, primals: Sequence[Tree], tangents: Sequence[Tree]) -> tuple[Any, ...]:
    """H tangents: the Hessian of a scalar function, times a vector, at the cost of two backward passes.

    The Hessian is that with respect to all ``primals`` together; the result has their form, as a tuple. It is never
    made: H v is the gradient of ⟨grad fun, v⟩ (Pearlmutter 1994, "Fast exact multiplication by the Hessian"), so a
    cotangent v is pulled back through the gradient's graph. That gives Hᵀ v, and H is symmetric.

    >>> (product,) = hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    >>> product.data
    array([  6., 120.])

    Errors as for ``grad`` and ``jvp``.
    """
    primals = several(primals, f"hvp({name_of(fun)}): primals")
    at = Point("hvp", grad(fun, range(len(primals))), primals, range(len(primals)))
    vs = at.directions(primals, several(tangents, f"{at.name}: tangents"), "tangents")
    record = thread.recorder.enabled and (at.open or any(v.requires_grad for v in vs))
    return tuple(at.like_arguments(at.pull(vs, record=record, free=not record)))


def jacobian(fun: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that computes the Jacobian of ``fun``, d output / d argument: output.shape + argument.shape.

    Where ``fun`` returns several Tensors, nested, the result is nested like that, and inside of each like the argument;
    with several ``argnums``, a tuple of those. One backward pass is made for each element of the output.

    >>> jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0])).data
    array([[3., 0., 1.],
           [0., 3., 2.]])

    Arguments and errors as for ``grad``, but that ``fun`` need not return a scalar.
    """

    def matrix(*args: Any, **kwargs: Any) -> Any:
        at = Point("jacobian", fun, args, argnums, kwargs)
        return rebuilt(at.out, iter([at.like_arguments(block) for block in blocks(at)]))

    return named("jacobian", fun, matrix)


def blocks(at: Point) -> Iterator[list[Tensor]]:
    """For each output, the derivatives with respect to each variable: [*output.shape, *variable.shape]."""
    for k, out in enumerate(at.outputs):
        rows = []
        for unit in np.eye(out.size, dtype=out.dtype):
            seeds: list[Tensor | None] = [None] * len(at.outputs)
            seeds[k] = Tensor(unit.reshape(out.shape))
            rows.append(at.pull(seeds, record=at.open))
        columns = [stack(*column) for column in zip(*rows, strict=True)]
        if not rows:
            columns = [Tensor(np.zeros((0, *x.shape), x.dtype)) for x in at.variables]
        yield [c.reshape((*out.shape, *x.shape)) for c, x in zip(columns, at.variables, strict=True)]


def hessian(fun: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that computes the Hessian of a scalar function: the Jacobian of its gradient.

    For one array x its shape is x.shape + x.shape. For a nested argument it is nested twice: ``h["w"]["b"]`` is
    d² fun / dw db, of shape w.shape + b.shape. Arguments and errors as for ``grad``.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0])).data
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    return named("hessian", fun, jacobian(grad(fun, argnums), argnums))


def several(trees: Any, what: str) -> tuple[Any, ...]:
    """``trees`` as a tuple; TypeError unless it is a tuple or list, one for each argument."""
    if not isinstance(trees, (tuple, list)):
        raise TypeError(f"{what} must be a tuple, of one for each argument, not a {type(trees).__name__}; write (x,)")
    return tuple(trees)
