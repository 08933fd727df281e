"""Functions at a point, with variables in the place of their arguments: what every derivative here is taken at.

The variables exist for the purpose of one derivative alone. That is what keeps nested derivatives apart: in
d/dx (x · d/dy (x + y)) the inner derivative is with respect to a variable that the outer x is not, even where both
have the same value. Taking the one for the other is called perturbation confusion (Siskind and Pearlmutter 2005,
"Perturbation confusion and referential transparency"). Here the inner derivative is 1, and so is the outer:

>>> from tinygrad_rnn import grad
>>> grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0).item()
1.0

A variable that stands for a Tensor which requires grad is computed from it, by one recorded ``reshape``, so that outer
derivatives go on through inner ones. What is worth recording decides itself: a result keeps its graph if something
outside of the call can be differentiated through it, be it an argument or a tensor that the function reads. Otherwise,
and always under ``no_grad()``, results are plain Tensors, and a gradient is no dearer than ``backward``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from tinygrad_rnn.backward import walk
from tinygrad_rnn.gradcheck import Function, name_of
from tinygrad_rnn.op import thread
from tinygrad_rnn.ops import reshape
from tinygrad_rnn.tensor import Tensor, clock
from tinygrad_rnn.tree import described, leaves, matched, rebuilt

Tree: TypeAlias = Any  # dictionaries, tuples and lists, nested, of arrays or Tensors; or one of those


class Point:
    """A function at a point: the variables in place of its arguments, and its result computed from them.

    ``variables`` are those of the chosen arguments, leaf by leaf; ``outputs`` are the leaves of ``out``. ``open`` says
    whether there is something outside that the result can be differentiated by.
    """

    def __init__(
        self,
        kind: str,
        fun: Function,
        args: Sequence[Any],
        argnums: int | Sequence[int],
        kwargs: dict[str, Any] | None = None,
        *,
        has_aux: bool = False,
    ) -> None:
        self.name = f"{kind}({name_of(fun)})"
        chosen = positions(self.name, argnums, len(args))
        self.single = isinstance(argnums, int)
        self.arguments = [args[i] for i in chosen]
        self.start = next(clock)
        found = [leaf for i in chosen for leaf in leaves(args[i], f"argument {i}")]
        self.variables = [variable(self.name, path, x) for path, x in found]
        self.own = set(map(id, self.variables))
        values, replaced = iter(self.variables), list(args)
        for i in chosen:
            replaced[i] = rebuilt(args[i], values)
        with recording():
            result = fun(*replaced, **(kwargs or {}))
        if has_aux and not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(f"{self.name}: with has_aux it must return a pair (result, aux), not {described(result)}")
        self.out, aux = result if has_aux else (result, None)
        self.outputs = [differentiable(self.name, path, x) for path, x in leaves(self.out, "")]
        if not self.outputs:
            raise TypeError(f"{self.name}: it returned {described(self.out)}, in which there is no Tensor")
        self.open = self.goes_on(self.outputs)
        self.aux = self.released(aux)

    def scalar(self) -> Tensor:
        """The result, if it is one scalar; TypeError otherwise."""
        out = self.out
        if type(out) is not Tensor:
            raise TypeError(
                f"{self.name}: only a scalar has a gradient, but it returned {described(out)}; return one Tensor of "
                "shape (), or with has_aux=True a pair of that and what else you need"
            )
        if out.shape != ():
            raise TypeError(
                f"{self.name}: only a scalar has a gradient, but it returned a Tensor of shape {out.shape}; reduce it "
                "to shape () (such as .sum() or .mean()), or use vjp or jacobian"
            )
        return out

    def pull(self, seeds: Sequence[Tensor | None], *, record: bool, free: bool = False) -> list[Tensor]:
        """``seeds``, cotangents of the outputs, pulled back to each variable."""
        return pulled(self.outputs, seeds, self.variables, record=record, free=free)

    def directions(self, form: Tree, given: Tree, what: str) -> list[Tensor]:
        """The leaves of ``given``, each a Tensor of the shape and dtype of the leaf of ``form`` in its place."""
        found = matched(form, given, f"{self.name}: {what}")
        return [direction(f"{self.name}: {what}{path}", x, v) for path, x, v in found]

    def like_arguments(self, found: Sequence[Tensor]) -> Any:
        """Tensors, one for each variable, in the form of the chosen arguments: a list, or the only one."""
        values = iter(self.released(list(found)))
        trees = [rebuilt(argument, values) for argument in self.arguments]
        return trees[0] if self.single else tuple(trees)

    def released(self, tree: Tree) -> Tree:
        """``tree`` with its Tensors as they are, if something outside can be asked of them, else without a graph."""
        parts = [x for _, x in leaves(tree)]
        if self.goes_on([x for x in parts if type(x) is Tensor]):
            return tree
        return rebuilt(tree, iter([x.detach() if type(x) is Tensor else x for x in parts]))

    def goes_on(self, tensors: Sequence[Tensor]) -> bool:
        """Whether ``tensors`` are recorded for something outside of this call."""
        recorder = thread.recorder
        return recorder.enabled and (recorder.tracing or any(True for _ in outside(tensors, self.own, self.start)))


@contextmanager
def recording() -> Iterator[None]:
    """Record, also inside of ``no_grad()``."""
    recorder = thread.recorder
    before, recorder.enabled = recorder.enabled, True
    try:
        yield
    finally:
        recorder.enabled = before


@contextmanager
def cut(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Let ``tensors`` be leaves for a while: independent of each other, and with nothing behind them to be searched."""
    made = [x._made for x in tensors]  # noqa: SLF001  a node is plain data
    for x in tensors:
        x._made = None  # noqa: SLF001
    try:
        yield
    finally:
        for x, node in zip(tensors, made, strict=True):
            x._made = node  # noqa: SLF001


def pulled(
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor | None],
    wrt: Sequence[Tensor],
    *,
    record: bool,
    free: bool = False,
) -> list[Tensor]:
    """Σ (∂ output / ∂ w)ᵀ seed for each w of ``wrt``, the others being constant: zeros where no output depends on w."""
    pairs = [(o, s) for o, s in zip(outputs, seeds, strict=True) if s is not None and o.requires_grad]
    roots = [s if record else s.data for _, s in pairs]
    with cut(wrt):
        found = walk([o for o, _ in pairs], roots, wrt, record=record, free=free)
    totals = {id(x): total for x, total, _ in found}
    return [cotangent(totals.get(id(w)), w) for w in wrt]


def cotangent(total: Any, w: Tensor) -> Tensor:
    """A total of ``walk`` as a Tensor of the dtype of ``w``: a copy of an array, zeros for None."""
    if type(total) is Tensor:
        return total if total.dtype == w.dtype else total.astype(w.dtype)
    return Tensor(np.zeros(w.shape) if total is None else total, dtype=w.dtype)


def outside(tensors: Sequence[Tensor], own: Collection[int], start: int) -> Iterator[Tensor]:
    """What ``tensors`` were computed from and can be differentiated by, where the graph made since ``start`` ends.

    These are tensors that were there at the time ``start``, and leaves made since; not those whose ids are in ``own``.
    """
    seen: set[int] = set()
    stack = [x for x in tensors if x.requires_grad]
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        made = x._made  # noqa: SLF001  a node is plain data
        if made is not None and x.time >= start:
            stack += [i for i in made[1] if type(i) is Tensor and i.requires_grad]
        elif id(x) not in own:
            yield x


def variable(name: str, path: str, x: Any) -> Tensor:
    """What stands for ``x``, a leaf of an argument, while the function is differentiated."""
    if not isinstance(x, (Tensor, np.ndarray, np.generic, int, float)):
        raise TypeError(
            f"{name}: {path} is a {type(x).__name__}; what is differentiated by are floating-point numbers, arrays and "
            "Tensors, in dictionaries, tuples or lists (of a module: dict(module.named_parameters()))"
        )
    dtype = getattr(x, "dtype", np.dtype(type(x)))
    if dtype.kind != "f":
        raise TypeError(
            f"{name}: {path} is {dtype}, and only floating-point values have a derivative; convert it (2.0 for 2), or "
            "leave it out of argnums"
        )
    recorder = thread.recorder
    if type(x) is Tensor and recorder.enabled and (x.requires_grad or recorder.tracing):
        new = reshape(x, shape=x.shape)
    else:
        new = x.detach() if type(x) is Tensor else Tensor(x)
    new.requires_grad = True
    new.name = x.name if type(x) is Tensor else None
    return new


def differentiable(name: str, path: str, x: Any) -> Tensor:
    """``x``, a leaf of a function's result, if it is a floating-point Tensor."""
    if type(x) is not Tensor:
        raise TypeError(
            f"{name}: it returned {described(x)}{f' at {path}' if path else ''}, not a Tensor: compute it from the "
            "arguments with the operations of tinygrad_rnn, without .data, .numpy() and .item()"
        )
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name}: it returned a Tensor of {x.dtype}{f' at {path}' if path else ''}, which has no derivative; "
            "return floating-point Tensors, and with has_aux=True what else you need"
        )
    return x


def direction(what: str, x: Tensor | Any, v: Any) -> Tensor:
    """``v``, a tangent or cotangent of ``x``, as a Tensor of the same shape and dtype."""
    if not isinstance(v, (Tensor, np.ndarray, np.generic, int, float)):
        raise TypeError(f"{what} must be an array, a Tensor or a number, but is {described(v)}")
    shape, dtype = getattr(x, "shape", ()), getattr(x, "dtype", np.dtype(float))
    if getattr(v, "shape", ()) != shape:
        raise ValueError(f"{what} has shape {getattr(v, 'shape', ())}, but what it belongs to has {shape}")
    if type(v) is Tensor:
        return v if v.dtype == dtype else v.astype(dtype)
    return Tensor(v, dtype=dtype)


def positions(name: str, argnums: int | Sequence[int], count: int) -> list[int]:
    """``argnums`` as positions from 0; TypeError or ValueError if there are no such arguments."""
    given = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    for n in given:
        if not isinstance(n, int):
            raise TypeError(f"{name}: argnums is a position of an argument, or several, not {argnums!r}")
        if not -count <= n < count:
            raise ValueError(f"{name}: argnums is {argnums}, but the call has {count} positional argument(s)")
    found = [n % count for n in given]
    if len(set(found)) < len(found):
        raise ValueError(f"{name}: argnums is {argnums}, which names an argument twice")
    return found
