"""From recorded operations to NumPy calls.

Each operation's own function is run once on stand-ins for arrays. They take part in NumPy's protocols
(``__array_ufunc__``, ``__array_function__``) and write down what is done to them in a Book, so that no operation knows
of it. Equal calls on equal operands are written down once. A function that looks at numbers, or does what can't be
written down as a NumPy call with a result buffer, becomes a single *opaque* call of that function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.tensor import Array, Tensor, registry


class Opaque(Exception):  # noqa: N818  no error of anyone's
    """What a function does with a stand-in can't be written down call by call."""


class Value(np.lib.mixins.NDArrayOperatorsMixin):
    """A stand-in for an array: ``fn(*args, **kwargs)``.

    ``kind`` is ``input`` for a value that is given and ``view`` for one that shares the memory of its first operand;
    any other is computed: ``ufunc`` (``fn`` takes ``out=``), ``concatenate``, ``where``, ``assemble``, and ``opaque``,
    whose result is copied to where it belongs. ``sample`` is an array of its shape and dtype, while lowering.
    """

    __slots__ = ("args", "book", "dtype", "fn", "kind", "kwargs", "number", "sample", "shape")

    def __init__(  # noqa: PLR0917  written in one place, and often
        self,
        book: Book,
        sample: Any,
        kind: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.book, self.sample, self.kind = book, sample, kind
        self.fn, self.args, self.kwargs = fn, args, kwargs or {}
        self.shape, self.dtype = sample.shape, sample.dtype
        self.number = len(book.values)
        book.values.append(self)

    @property
    def root(self) -> Value:
        """The value whose memory this one is, or is a view of."""
        v = self
        while v.kind == "view":
            v = v.args[0]
        return v

    @property
    def operands(self) -> list[Value]:
        """The values among the arguments."""
        return [a for a in self.args if type(a) is Value]

    # ------------------------------------------------------------------------------------ what arrays can be asked for

    ndim = property(lambda v: len(v.shape))
    size = property(lambda v: v.sample.size)
    itemsize = property(lambda v: v.dtype.itemsize)
    T = property(lambda v: v.book.view(np.transpose, v))
    mT = property(lambda v: v.book.view(np.swapaxes, v, -1, -2))  # noqa: N815  NumPy's name

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, key: Any) -> Value:
        parts = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(part, (int, slice, type(None), type(...))) for part in parts):
            raise Opaque
        return self.book.view(item, self, parts)

    def reshape(self, *shape: Any) -> Value:
        """As of arrays."""
        return self.book.view(np.reshape, self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Value:
        """As of arrays."""
        return self.book.view(np.transpose, self, axes or None)

    def swapaxes(self, axis1: int, axis2: int) -> Value:
        """As of arrays."""
        return self.book.view(np.swapaxes, self, axis1, axis2)

    def __bool__(self) -> bool:
        raise Opaque

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise Opaque

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Value:
        if ufunc.nout != 1 or method not in {"__call__", "reduce"}:
            raise Opaque
        (out,) = kwargs.pop("out", (None,))
        result = self.book.call("ufunc", ufunc if method == "__call__" else ufunc.reduce, inputs, kwargs)
        if out is not None:
            self.book.overwrite(out, result)
        return result

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.book.function(func, args, kwargs)


def item(x: Any, key: tuple[Any, ...]) -> Any:
    """A basic index as a function."""
    return x[key]


VIEWS = {np.reshape, np.transpose, np.swapaxes, np.expand_dims, np.squeeze, np.broadcast_to, np.flip}
REDUCTIONS: dict[Any, Any] = {np.sum: np.add, np.max: np.maximum, np.min: np.minimum, np.prod: np.multiply}
TAKE_OUT = {np.clip, np.cumsum, np.mean}
ABOUT = {np.shape, np.ndim, np.size}
SMALL = 4096  # bytes up to which constants are compared by their contents


class Book:
    """All calls written down so far, in an order in which they can be made."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.memo: dict[Any, Value] = {}
        self.current: dict[int, Value] = {}  # what stands, in the function being run, for a value that it overwrote

    def given(self, sample: Array) -> Value:
        """A value that comes from outside."""
        return Value(self, sample, "input", np.asarray)

    def write(self, kind: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Any, sample: Any) -> Value:
        """A call, unless the same was written down before."""
        key = fn, key_of(args), key_of(tuple(sorted(kwargs.items())))
        if key not in self.memo:
            self.memo[key] = Value(self, sample, kind, fn, args, kwargs)
        return self.memo[key]

    def view(self, fn: Callable[..., Any], x: Any, *args: Any) -> Value:
        """A view of ``x``; a copy where NumPy has to make one."""
        x = self.latest(x)
        sample = fn(x.sample, *args)
        if type(sample) is np.ndarray and sample.__array_interface__ == x.sample.__array_interface__:
            return x  # type: ignore[no-any-return]
        if isinstance(sample, np.ndarray) and np.may_share_memory(sample, x.sample) and sample.size:
            return self.write("view", fn, (x, *args), {}, sample)
        return self.write("opaque", fn, (x, *args), {}, np.array(sample))

    def call(self, kind: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
        """A call with a result of its own."""
        args = tuple(self.latest(a) for a in args)
        if any(isinstance(a, (tuple, list)) and any(type(i) is Value for i in a) for a in args):
            raise Opaque
        with np.errstate(all="ignore"):
            sample = fn(*[a.sample if type(a) is Value else a for a in args], **kwargs)
        return self.write(kind, fn, args, kwargs, np.array(sample))

    def function(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A NumPy function that is no ufunc."""
        x = args[0]
        if func in VIEWS:
            return self.view(func, x, *args[1:], *kwargs.values())
        if func in ABOUT:
            return func(x.sample)
        if func in REDUCTIONS:
            options = dict(zip(("axis",), args[1:], strict=False), **kwargs)
            if set(options) <= {"axis", "keepdims"}:
                options = {"axis": options.get("axis"), "keepdims": bool(options.get("keepdims", False))}
                return self.call("ufunc", REDUCTIONS[func].reduce, (x,), options)
        if func is np.concatenate:
            arrays, axis = [self.latest(a) for a in x], args[1] if len(args) > 1 else kwargs.get("axis", 0)
            if len(arrays) == 1:
                return arrays[0]
            sample = np.concatenate([a.sample if type(a) is Value else a for a in arrays], axis)
            return self.write("concatenate", func, tuple(arrays), {"axis": axis}, sample)
        kind = "ufunc" if func in TAKE_OUT else "where" if func is np.where and len(args) == 3 else "opaque"
        return self.call(kind, func, args, kwargs)

    def latest(self, x: Any) -> Any:
        """What stands now for ``x``."""
        while type(x) is Value and x.number in self.current:
            x = self.current[x.number]
        return x

    def overwrite(self, out: Any, new: Value) -> None:
        """The function being run put ``new`` where its own intermediate result ``out`` was."""
        views = type(out) is Value and any(v.kind == "view" and v.args[0] is out for v in self.values)
        if type(out) is not Value or views or out.kind in {"view", "input"} or out.shape != new.shape:
            raise Opaque
        self.current[out.number] = new

    def operation(self, out: Tensor, known: dict[int, Any]) -> Any:
        """Write down the operation that made ``out``; ``known`` has what stands for each tensor so far."""
        node = out.node
        if node is None:
            return np.asarray(out.data)
        args = tuple(known[id(x)] if type(x) is Tensor else x for x in node.inputs)
        if not any(type(a) is Value for a in args):
            return np.asarray(out.data)
        forward, self.current = node.op.forward, {}
        if node.op is registry["assemble"] and len(args) == len(node.params["keys"]):  # slices, no gathers
            return self.write("assemble", forward, args, node.params, np.array(out.data))
        try:
            result = self.latest(forward(*args, **node.params))
            if type(result) is Value and (result.shape, result.dtype) == (out.shape, out.dtype):
                return result
        except (Opaque, TypeError, AttributeError, ValueError):
            pass
        self.current = {}
        return self.call("opaque", forward, args, node.params)

    def operations(self, ends: Sequence[Tensor], known: dict[int, Any]) -> None:
        """Write down all operations that lead from what is known to ``ends``, earliest first."""
        found = {id(x): x for x in ends if id(x) not in known}
        for x in (order := list(found.values())):  # which grows meanwhile
            for operand in x.node.inputs if x.node is not None else ():
                if type(operand) is Tensor and id(operand) not in known and id(operand) not in found:
                    found[id(operand)] = operand
                    order.append(operand)
        for x in sorted(order, key=lambda x: x.time):
            known[id(x)] = self.operation(x, known)


def key_of(x: Any) -> Any:
    """Something hashable that is equal for equal operands."""
    if type(x) is Value:
        return "value", x.number
    if isinstance(x, np.ndarray):
        return ("array", x.shape, x.dtype, x.tobytes()) if x.nbytes <= SMALL else ("array", id(x))
    if isinstance(x, (tuple, list)):
        return tuple(key_of(i) for i in x)
    return type(x).__name__, repr(x)


def as_value(x: Any, book: Book) -> Value:
    """``x`` itself, or a value for a constant array."""
    return x if type(x) is Value else book.write("opaque", np.array, (np.asarray(x),), {}, np.array(x))


def closure(ends: Sequence[Value]) -> set[int]:
    """The numbers of all values that ``ends`` are computed from, and of ``ends``."""
    seen, stack = set(), list(ends)
    while stack:
        v = stack.pop()
        if v.number not in seen:
            seen.add(v.number)
            stack += v.operands
    return seen
