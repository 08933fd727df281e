"""A Tensor is an array that remembers the operation that made it. Read this file first, then op.py, then backward.py.

A recorded Tensor has a Node: the operation, its inputs and its static parameters. Inputs are Tensors with nodes of
their own, so a result holds the whole graph behind it and nothing holds the result: edges run from results to inputs
only, there are no cycles, and reference counting frees a graph as soon as its last result goes.

Two rules keep a recorded graph true to the values it was computed from:

* The array inside a Tensor is read-only. ``t.data[0] = 1`` fails at once, with NumPy's own error.
* ``t.data = new`` replaces it, and stamps the Tensor with a new time. Backward refuses to use a Tensor whose stamp is
  later than the operation that read it.
"""

from __future__ import annotations

import copy
import difflib
import itertools
import reprlib
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np

from tinygrad_rnn.messages import INSTEAD, POSITIONAL, UFUNCS, called, index_text, masks, no_function, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from tinygrad_rnn.op import Op

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Axes: TypeAlias = int | tuple[int, ...] | None
Scope: TypeAlias = tuple[str | int, ...]  # where in a model: a str names a module, an int is a time step

clock = itertools.count()  # one tick for every value made or replaced; `next` is atomic, so threads can share it
registry: dict[str, Op] = {}  # every operation by its name: op.py fills it, the methods below look operations up in it


class Node(NamedTuple):
    """How a Tensor was made, as plain data: ``op(*inputs, **params)``, recorded inside ``scope``."""

    op: Op
    inputs: tuple[Any, ...]
    params: dict[str, Any]
    scope: Scope

    def __repr__(self) -> str:
        return f"Node({self.op.name}{shapes_of(self.inputs)}{f', {self.params}' if self.params else ''})"


class Tensor:
    """An array of any shape, with the operation that made it.

    ``Tensor(data)`` copies ``data`` (array, number or nested list; NumPy decides the dtype unless ``dtype`` is given).
    With ``requires_grad=True`` the Tensor is a leaf whose gradient ``backward`` accumulates in ``.grad``, a writable
    array of the same shape and dtype that nothing else refers to.

    >>> a = Tensor(1.0, requires_grad=True)
    >>> b = a + a
    >>> c = b + b
    >>> c.backward()
    >>> float(a.grad)
    4.0

    Why 4, and why an order is needed: ``c`` reaches ``b`` along two edges, and ``b`` reaches ``a`` along two. Backward
    must have both contributions to ``b`` (1 + 1) before it goes on to ``a``. Walking results before inputs, in
    descending order of creation, guarantees that; going on to ``a`` after the first contribution would count it short.

    Raises TypeError if ``requires_grad`` is asked of integers or booleans, or ``data`` is not numeric.
    """

    __slots__ = ("__weakref__", "_data", "_made", "_requires_grad", "grad", "name", "time")
    __hash__ = object.__hash__
    _data: Array
    _requires_grad: bool
    _made: tuple[Op, tuple[Any, ...], dict[str, Any], Scope] | None  # a Node, mostly as the bare tuple: 6x as quick
    grad: Any  # None, an array, or (after backward with create_graph=True) a Tensor
    time: int  # tick of `clock` at which the value was made or last replaced
    name: str | None  # of a parameter, for pictures and messages

    def __init__(
        self,
        data: npt.ArrayLike | Tensor,
        requires_grad: bool = False,
        *,
        dtype: npt.DTypeLike | None = None,
        name: str | None = None,
    ) -> None:
        array = as_array("Tensor: data", data._data if isinstance(data, Tensor) else data, dtype)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"Tensor: data must be numbers or booleans, but this is an array of {array.dtype}")
        array.setflags(write=False)
        self._data = array
        self._made = None
        self.requires_grad = requires_grad
        self.grad = None
        self.time = next(clock)
        self.name = name

    @property
    def data(self) -> Array:
        """The value: a read-only array. Assign to replace it (``p.data = p.data - lr * p.grad``)."""
        return self._data

    @data.setter
    def data(self, value: npt.ArrayLike) -> None:
        array = as_array("data", value, self._data.dtype)
        if array.shape != self._data.shape:
            raise ValueError(
                f"data: a tensor keeps its shape; this one has {self._data.shape}, the new value {array.shape}"
            )
        if self._made is not None:
            raise TypeError(
                "data: only a leaf's value can be replaced; this tensor was computed, so compute a new one or detach()"
            )
        array.setflags(write=False)
        self._data = array
        self.time = next(clock)

    def rebind(self, array: Array) -> None:
        """Make ``array`` itself (not a copy) the value of this leaf: an optimizer's slice of one flat buffer.

        The caller keeps the right to write to ``array``, and calls ``touch`` when it has.
        """
        view = array.view()
        view.setflags(write=False)
        self._data = view
        self.touch()

    def touch(self) -> None:
        """Say that the value has changed, so that backward refuses graphs recorded before."""
        self.time = next(clock)

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for it. Assign to freeze a leaf (False) or to free it (True)."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"Tensor: requires_grad is True or False, not {reprlib.repr(value)}")
        if value and self._data.dtype.kind != "f":
            raise TypeError(
                f"Tensor: only floating-point tensors can require grad, but this is {self._data.dtype}; use dtype=float"
            )
        if self._made is not None and not value:
            raise TypeError("requires_grad: only a leaf can be frozen; this tensor was computed, so detach() it")
        self._requires_grad = bool(value)

    @property
    def node(self) -> Node | None:
        """How this tensor was made: its operation, inputs, parameters and scope; None for a leaf or constant."""
        made = self._made
        return made if made is None or type(made) is Node else Node(*made)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._data.dtype

    def detach(self) -> Tensor:
        """A Tensor of the same value with no history: gradients stop here."""
        out = Tensor.__new__(Tensor)
        out._data = snapshot(self._data)
        out._requires_grad = False
        out._made = out.grad = out.name = None
        out.time = self.time
        return out

    def numpy(self) -> Array:
        """The value as a read-only array, without history; ``.copy()`` it to write."""
        return self._data

    def item(self) -> float:
        """The value of a tensor of one element, as a Python number."""
        if self._data.size != 1:
            raise ValueError(
                f"only a tensor of size 1 is a Python number, but this one has shape {self.shape}; reduce it with "
                ".sum() or .mean(), or index it; to choose element by element, write where(condition, a, b)"
            )
        return cast("float", self._data.item())

    def backward(self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add d self / d leaf to ``leaf.grad`` for every leaf behind this tensor; see ``backward.backward``."""
        from tinygrad_rnn.backward import backward

        backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def __repr__(self) -> str:
        tail = f", name={self.name!r}" if self.name else ""
        made = f", {self.node!r}" if self.node is not None else ", requires_grad=True" if self.requires_grad else ""
        body = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=100)
        return f"Tensor({body}, {self._data.dtype}{made}{tail})"

    # ------------------------------------------------------------------------------------------- Python's protocols

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is a leaf with an array of its own: what ``copy.copy`` and ``multiprocessing`` ask for."""
        if self._made is not None:
            raise TypeError(
                f"only a leaf can be copied or sent to another process, but this tensor of shape {self.shape} was "
                "computed and has its graph behind it; detach() it first"
            )
        return Tensor, (self._data, self._requires_grad), (None, {"name": self.name})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A copy with a copy of its gradient."""
        twin = copy.copy(self)
        twin.grad = copy.deepcopy(self.grad, memo)
        return twin

    def __format__(self, spec: str) -> str:
        """``f"{loss:.3f}"`` formats the number in a tensor of one element; without a format it is ``str``."""
        return format(self.item(), spec) if spec else str(self)

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return iter([self[i] for i in range(len(self))])

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self._requires_grad:
            raise TypeError(
                f"a tensor that requires grad (shape {self.shape}) was about to become a plain array, which would cut "
                "the graph silently; say so with .detach(), or use the tensor's own operations"
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """``array * tensor`` and ``np.tanh(tensor)`` mean the operation of this package."""
        op = registry.get(UFUNCS.get(ufunc.__name__, ufunc.__name__))
        if op is None or method != "__call__" or kwargs:
            name = f"{ufunc.__name__}{'' if method == '__call__' else '.' + method}"
            raise no_function(name, op.name if op else None, f" with {', '.join(kwargs)}" if kwargs else "")
        return op(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise no_function(func.__name__, func.__name__ if func.__name__ in registry else None)

    def __setitem__(self, index: Any, value: Any) -> None:
        key = index_text(index if isinstance(index, tuple) else (index,))
        raise TypeError(
            f"t[{key}] = value would change a tensor of shape {self.shape} in place, but backward needs the values "
            f"that were computed; make a new tensor: mask = np.zeros({self.shape}, bool); mask[{key}] = True; "
            "t = where(mask, value, t). To replace all of a leaf's value, assign to t.data"
        )

    # ------------------------------------------------------------- operations as methods, looked up when they are used

    def __add__(self, other: Any) -> Tensor:
        return registry["add"](self, other)

    def __radd__(self, other: Any) -> Tensor:
        return registry["add"](other, self)

    def __sub__(self, other: Any) -> Tensor:
        return registry["sub"](self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return registry["sub"](other, self)

    def __mul__(self, other: Any) -> Tensor:
        return registry["mul"](self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return registry["mul"](other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return registry["div"](self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return registry["div"](other, self)

    def __pow__(self, other: Any) -> Tensor:
        return registry["pow"](self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return registry["pow"](other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return registry["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return registry["matmul"](other, self)

    def __neg__(self) -> Tensor:
        return registry["neg"](self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return registry["abs"](self)

    def __and__(self, other: Any) -> Tensor:
        return registry["minimum"](*masks("&", self, other))

    def __or__(self, other: Any) -> Tensor:
        return registry["maximum"](*masks("|", self, other))

    def __invert__(self) -> Tensor:
        return registry["equal"](*masks("~", self), False)

    def __lt__(self, other: Any) -> Tensor:
        return registry["less"](self, other)

    def __le__(self, other: Any) -> Tensor:
        return registry["less_equal"](self, other)

    def __gt__(self, other: Any) -> Tensor:
        return registry["greater"](self, other)

    def __ge__(self, other: Any) -> Tensor:
        return registry["greater_equal"](self, other)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]  # elementwise, as for arrays
        return registry["equal"](self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]  # elementwise, as for arrays
        return registry["not_equal"](self, other)

    def __getitem__(self, index: Any) -> Tensor:
        """NumPy's indexing: integers, slices with steps, ``...``, ``None``, integer arrays, boolean masks."""
        if type(index) is int or type(index) is slice:
            return registry["getitem"](self, key=(index,))
        key = index if type(index) is tuple else (index,)
        arrays = [k for k in key if not isinstance(k, STATIC_KEYS)]
        if arrays:
            key = tuple(k if isinstance(k, STATIC_KEYS) else ARRAY for k in key)
            arrays = [k if isinstance(k, (Tensor, np.ndarray)) else as_index(k) for k in arrays]
        return registry["getitem"](self, *arrays, key=key)

    def __getattr__(self, name: str) -> Callable[..., Tensor]:
        """Every operation is a method: ``t.tanh()`` is ``tanh(t)``, ``t.softmax(-1)`` is ``softmax(t, axis=-1)``."""
        if name in registry:
            return partial(called, registry[name], self) if name in POSITIONAL else partial(registry[name], self)
        hint = f"; write {INSTEAD[name]}" if name in INSTEAD else closest(name, [*registry, *dir(Tensor)])
        raise AttributeError(f"a Tensor has no attribute or operation {name!r}{hint}")

    @property
    def T(self) -> Tensor:
        """The tensor with its axes in reverse order."""
        return registry["transpose"](self)

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes exchanged."""
        return registry["swapaxes"](self, axis1=-1, axis2=-2)

    def sum(self, axis: Axes = None, *, keepdims: bool = False) -> Tensor:
        """Sum over ``axis`` (an int, a tuple, or None for all)."""
        return registry["sum"](self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axes = None, *, keepdims: bool = False) -> Tensor:
        """Mean over ``axis`` (an int, a tuple, or None for all)."""
        return registry["mean"](self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axes = None, *, keepdims: bool = False) -> Tensor:
        """Largest value over ``axis``; among equal ones the gradient is shared evenly."""
        return registry["max"](self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axes = None, *, keepdims: bool = False) -> Tensor:
        """Smallest value over ``axis``; among equal ones the gradient is shared evenly."""
        return registry["min"](self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; one length may be -1."""
        return registry["reshape"](self, shape=unpacked(shape))

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in the order ``axes``, or reversed when none are given."""
        return registry["transpose"](self, axes=unpacked(axes) or None)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Axes ``axis1`` and ``axis2`` exchanged."""
        return registry["swapaxes"](self, axis1=axis1, axis2=axis2)

    def astype(self, dtype: npt.DTypeLike) -> Tensor:
        """The value in another dtype; the gradient comes back in this one's."""
        try:
            new = np.dtype(dtype)
        except (TypeError, ValueError):
            raise TypeError(f"astype: {dtype!r} is no dtype; give one such as np.float32") from None
        return registry["astype"](self, dtype=new)


ARRAY = "array"  # stands in a getitem key for an index that is an array; a word, so that keys compare and print
STATIC_KEYS = (int, slice, type(None), type(...), np.integer)


def as_index(k: Any) -> Array:
    """A list in an index as an array; an empty one holds no floats, but no integers."""
    return np.asarray(k, None if np.size(k) else int)


def plain(x: Any) -> Any:
    """The array inside a Tensor; anything else as it is."""
    return x._data if type(x) is Tensor else x


def as_array(what: str, value: Any, dtype: npt.DTypeLike | None) -> Array:
    """A new array of ``value``; the error for what can't be one says ``what`` it was to be."""
    try:
        return np.array(value, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        kind = f" of dtype {dtype}" if dtype is not None else ""
        raise TypeError(f"{what} must be an array of numbers{kind}, not {reprlib.repr(value)}: {error}") from None


def snapshot(x: Any) -> Any:
    """``x`` in a form that stays as it is: an array that could still be changed, directly or as a view, is copied."""
    if type(x) is np.ndarray and (x.flags.writeable or (type(x.base) is np.ndarray and x.base.flags.writeable)):
        x = x.copy()
        x.setflags(write=False)
    return x


def shapes_of(inputs: tuple[Any, ...]) -> str:
    """The inputs of an operation as text: shapes of tensors and arrays, other values as they are."""
    return f"({', '.join(str(x.shape) if hasattr(x, 'shape') else repr(x) for x in inputs)})"


def closest(name: str, known: list[str]) -> str:
    """``"; did you mean 'tanh'?"``, or nothing when no known name is near."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
