"""Backward is one loop over the recorded operations, latest first.

A Tensor's cotangent, d loss / d tensor, is the sum of one contribution per use. An operation is always later than its
inputs, so when the loop reaches a Tensor, every use of it has been passed and its sum is complete: creation order is a
topological order, and nothing recursive is needed to find one.

The engine alone undoes broadcasting and adds contributions up; rules return plain results. It adds in place only into
buffers that it allocated itself. Two kinds of contribution stay unexpanded until they are added:

* ``At(value, arrays, key, shape)`` is zero outside an index: T slices of one tensor cost O(size) together, not
  O(T size).
* ``Rows(a, b)`` is the matrix aᵀ b, a sum over rows. A weight that T steps share collects T of them, and they become
  one product over the rows of all steps.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.op import KNOWN_ERRORS, Op, describe, explained, thread
from tinygrad_rnn.tensor import ARRAY, Array, Node, Tensor, registry

if TYPE_CHECKING:
    from collections.abc import Sequence

by_time = attrgetter("time")


class At:
    """A cotangent that is ``value`` at an index of an array of ``shape``, zero elsewhere; repeated indices add up.

    The index is ``key`` with the index arrays ``arrays`` in the places of ``ARRAY``, as ``getitem`` has it.
    """

    __slots__ = ("arrays", "key", "shape", "value")

    def __init__(self, value: Any, arrays: tuple[Any, ...], key: tuple[Any, ...], shape: tuple[int, ...]) -> None:
        self.value, self.arrays, self.key, self.shape = value, arrays, key, shape

    def dense(self) -> Any:
        """The whole array; a Tensor if ``value`` is one."""
        return registry["scatter_add"](self.value, *self.arrays, key=self.key, shape=self.shape)

    def add_to(self, buffer: Array) -> None:
        """Add in place: the cost is the size of ``value``, not of ``buffer``."""
        if self.arrays:
            scatter(buffer, self.value, self.arrays, self.key)
        else:
            buffer[self.key] += self.value


class Rows:
    """The cotangent aᵀ b of a matrix [I, J], from ``a`` [..., I] and ``b`` [..., J]: a sum over all leading axes."""

    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b

    def dense(self) -> Any:
        """The matrix; a Tensor if ``a`` or ``b`` is one."""
        return self.a.reshape(-1, self.a.shape[-1]).T @ self.b.reshape(-1, self.b.shape[-1])

    @staticmethod
    def total(parts: list[Rows]) -> Array:
        """The sum of many, as one product over the rows of all."""
        if len(parts) == 1:
            return parts[0].dense()  # type: ignore[no-any-return]
        a = np.concatenate([part.a.reshape(-1, part.a.shape[-1]) for part in parts])
        b = np.concatenate([part.b.reshape(-1, part.b.shape[-1]) for part in parts])
        return np.matmul(a.T, b)  # type: ignore[no-any-return]


class Sums:
    """The cotangent of each tensor so far, by the tensor's identity."""

    __slots__ = ("dense", "owned", "record", "rows")

    def __init__(self, *, record: bool) -> None:
        self.record = record  # whether cotangents are Tensors, to be differentiated again
        self.dense: dict[int, Any] = {}
        self.owned: set[int] = set()  # whose `dense` is a buffer made here, so that adding in place is safe
        self.rows: dict[int, list[Rows]] = {}

    def add(self, x: Tensor, new: Any) -> None:
        """Add one contribution to the cotangent of ``x``."""
        key, kind = id(x), type(new)
        if self.record:
            new = unbroadcast(new.dense() if kind in (At, Rows) else new, x._data.shape)
            self.dense[key] = self.dense[key] + new if key in self.dense else new
        elif kind is Rows:
            self.rows.setdefault(key, []).append(new)
        elif kind is At:
            if key not in self.owned:
                old = self.dense.get(key)
                self.dense[key] = np.zeros(new.shape, x._data.dtype) if old is None else np.array(old)
                self.owned.add(key)
            new.add_to(self.dense[key])
        else:
            if new.shape != x._data.shape:
                new = unbroadcast(new, x._data.shape)
            old = self.dense.get(key)
            if old is None:
                self.dense[key] = new
            elif key in self.owned:
                np.add(old, new, out=old)
            else:
                self.dense[key] = np.asarray(old + new)
                self.owned.add(key)

    def take(self, x: Tensor) -> tuple[Any, bool]:
        """The complete cotangent of ``x`` (None if it got none), and whether it is a buffer nothing else refers to."""
        key = id(x)
        total, owned = self.dense.pop(key, None), key in self.owned
        self.owned.discard(key)
        if parts := self.rows.pop(key, None):
            product = Rows.total(parts)
            return (product if total is None else product + total), True
        return total, owned


def backward(output: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Add d output / d leaf to ``leaf.grad`` of every leaf that requires grad and that ``output`` was computed from.

    ``gradient`` is the cotangent of ``output``, of its shape; a scalar output needs none (it is 1). ``leaf.grad`` is
    a writable array of the leaf's shape and dtype, shared with nothing; an array that is already there is added to in
    place. The recorded graph is freed as backward goes, unless ``retain_graph``. With ``create_graph`` the gradients
    are Tensors with a graph of their own, for derivatives of higher order (and the graph is retained).

    Raises RuntimeError if ``output`` does not require grad, is no scalar and comes without ``gradient``, or if its
    graph was freed by an earlier backward or has had a value replaced since it was recorded.
    """
    record = create_graph
    seed = starting_cotangent(output, gradient, record=record)
    for leaf, total, owned in walk([output], [seed], None, record=record, free=not (retain_graph or record)):
        if leaf.grad is None:
            leaf.grad = total if record or (owned and total.dtype == leaf.dtype) else np.array(total, leaf.dtype)
        elif record or type(leaf.grad) is Tensor:
            leaf.grad = leaf.grad + total
        else:
            np.add(leaf.grad, total, out=leaf.grad, casting="same_kind")


def gradients(
    output: Tensor,
    wrt: Sequence[Tensor],
    gradient: Any = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> list[Any]:
    """d output / d w for each ``w`` of ``wrt``, leaves or not, without touching any ``.grad``.

    The result holds arrays, or Tensors with ``create_graph``; None for a tensor that ``output`` does not depend on.
    Arguments and errors as for ``backward``; only what lies between ``wrt`` and ``output`` is computed.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> (slope,) = gradients(x * x * x, [x], create_graph=True)
    >>> float(slope), float(gradients(slope, [x])[0])
    (12.0, 12.0)
    """
    record = create_graph
    seed = starting_cotangent(output, gradient, record=record)
    found = walk([output], [seed], wrt, record=record, free=not (retain_graph or record))
    totals = {id(x): total if record or owned else np.array(total) for x, total, owned in found}
    return [totals.get(id(w)) for w in wrt]


def walk(
    outputs: Sequence[Tensor], seeds: Sequence[Any], wrt: Sequence[Tensor] | None, *, record: bool, free: bool
) -> list[tuple[Tensor, Any, bool]]:
    """Pull ``seeds``, cotangents of ``outputs``, back: (tensor, cotangent, owned) for each leaf or each of ``wrt``."""
    order, live = reachable(outputs, wrt)
    wanted = None if wrt is None else {id(w) for w in wrt}
    sums, found, recorder = Sums(record=record), [], thread.recorder
    before = recorder.enabled, recorder.scope
    for out, seed in zip(outputs, seeds, strict=True):
        sums.add(out, seed)
    try:
        recorder.enabled = record
        while order:
            out = order.pop()
            g, owned = sums.take(out)
            if g is None:
                continue
            node = out.node
            if node is None or (wanted and id(out) in wanted):
                found.append((out, g, owned and node is None))
            if node is None:
                continue
            recorder.scope = node.scope
            try:
                pull_through(out, node, g, sums, live)
            except KNOWN_ERRORS as error:
                name = f"backward of {node.op.name}"
                raise explained(error, name, node.inputs, node.params, node.scope) from error
            if free:
                out.node = FREED
    finally:
        recorder.enabled, recorder.scope = before
    return found


def pull_through(out: Tensor, node: Node, g: Any, sums: Sums, live: set[int]) -> None:
    """From ``g``, the cotangent of ``out``, to contributions to the inputs of the operation that made it."""
    op, inputs, params, time = node.op, node.inputs, node.params, out.time
    values = []
    for x in inputs:
        if type(x) is Tensor:
            if x.time > time:
                raise stale(out, node, x)
            values.append(x if sums.record else x._data)
        else:
            values.append(x)
    value = out if sums.record else out._data
    if op.joint:
        for x, new in zip(inputs, op.joint(g, value, *values, **params), strict=True):
            if new is not None and type(x) is Tensor and id(x) in live:
                sums.add(x, new)
        return
    for x, rule in zip(inputs, op.rules):  # noqa: B905  optional inputs may be left out
        if type(x) is Tensor and id(x) in live:
            if rule is None:
                name = op.input_names[op.rules.index(None)]
                raise TypeError(f"{op.name} has no derivative with respect to its input {name!r}; detach() it")
            sums.add(x, rule(g, value, *values, **params))


def reachable(outputs: Sequence[Tensor], wrt: Sequence[Tensor] | None) -> tuple[list[Tensor], set[int]]:
    """The tensors that ``outputs`` were computed from and that require grad, earliest first, and their identities.

    With ``wrt``, only those that depend on one of ``wrt``.
    """
    live, stack = {id(out): out for out in outputs}, list(outputs)
    while stack:
        node = stack.pop().node
        if node is None:
            continue
        if node is FREED:
            raise freed()
        for x in node.inputs:
            if type(x) is Tensor and x.requires_grad and id(x) not in live:
                live[id(x)] = x
                stack.append(x)
    order = sorted(live.values(), key=by_time)
    if wrt is None:
        return order, set(live)
    needed = {id(w) for w in wrt}
    for x in order:
        if x.node and any(id(i) in needed for i in x.node.inputs):
            needed.add(id(x))
    return [x for x in order if id(x) in needed], needed


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent (array or Tensor) down to the shape that its input had before broadcasting."""
    if g.shape == shape:
        return g
    lead = len(g.shape) - len(shape)
    axes = tuple(i for i, n in enumerate(g.shape) if i < lead or shape[i - lead] == 1 != n)
    if type(g) is np.ndarray and axes == (0,) and g.ndim == 2:
        return np.matmul(np.ones(len(g), g.dtype), g).reshape(shape)  # several times the speed of sum(0)
    return g.sum(axis=axes).reshape(shape) if axes else g.reshape(shape)


def starting_cotangent(output: Tensor, gradient: Any, *, record: bool) -> Any:
    """``gradient`` checked against ``output``, as an array or, if it is to be recorded, a Tensor; 1 for a scalar."""
    if not output.requires_grad:
        raise RuntimeError(
            "backward: this tensor does not require grad: none of the tensors it was computed from does, or it was "
            "computed under no_grad() or detached; make a leaf with Tensor(data, requires_grad=True)"
        )
    if gradient is None:
        if output.size != 1:
            raise RuntimeError(
                f"backward: only a scalar has an implicit gradient of 1, but this tensor has shape {output.shape}; "
                "reduce it (such as .sum() or .mean()) or pass gradient= of that shape"
            )
        gradient = np.ones(output.shape, output.dtype)
    value = gradient._data if isinstance(gradient, Tensor) else np.asarray(gradient, output.dtype)
    if value.shape != output.shape:
        raise ValueError(f"backward: gradient has shape {value.shape}, but the tensor it belongs to has {output.shape}")
    if record:
        return gradient if isinstance(gradient, Tensor) else Tensor(value)
    return value


def freed() -> RuntimeError:
    """The error for a second backward through one graph."""
    return RuntimeError(
        "backward: this graph was freed by an earlier backward(). To go through it again, give the first call "
        "retain_graph=True. In truncated backpropagation through time the state carried over from the last window "
        "still holds that window's graph: detach() it between windows"
    )


FREED = Node(Op(freed, None, {}), (), {}, ())  # stands where a node was that backward has let go


def stale(out: Tensor, node: Node, x: Tensor) -> RuntimeError:
    """The error for a value that was replaced between forward and backward."""
    where = f" [in {describe(node.scope)}]" if node.scope else ""
    name = f" {x.name!r}" if x.name else ""
    return RuntimeError(
        f"backward of {node.op.name}: its input{name} of shape {x.shape} was changed after it was used{where} (an "
        f"optimizer step, or an assignment to .data, between forward and backward); the result of shape {out.shape} "
        "belongs to the old value: call backward() before changing parameters, or compute the loss again"
    )


def scatter(buffer: Array, value: Array, arrays: tuple[Any, ...], key: tuple[Any, ...]) -> None:
    """Add ``value`` in place to ``buffer`` at the index that ``key`` and ``arrays`` make; repeated indices add up."""
    if any(a.dtype.kind == "b" for a in arrays):  # a mask selects no element twice
        buffer[fill(key, arrays)] += value
    elif key == (ARRAY,) and buffer.ndim > 1 and arrays[0].size > MANY_ROWS:
        scatter_rows(buffer, value, arrays[0])
    else:
        np.add.at(buffer, fill(key, arrays), value)


MANY_ROWS = 32  # from here on sorting the rows costs less than np.add.at


def scatter_rows(buffer: Array, value: Array, index: Array) -> None:
    """``buffer[index[n]] += value[n]`` for all n: the rows of each target brought together, each group summed once.

    A group is summed as a product with ones, which BLAS does several times as fast as ``np.add.reduceat``.
    """
    index = index.reshape(-1) % len(buffer)
    order = np.argsort(index, kind="stable")
    rows = value.reshape(index.size, -1)[order]
    targets, starts = np.unique(index[order], return_index=True)
    flat, ones = buffer.reshape(len(buffer), -1), np.ones(index.size, rows.dtype)
    for target, start, stop in zip(targets, starts, [*starts[1:], index.size], strict=True):
        flat[target] += np.dot(ones[start:stop], rows[start:stop])


def fill(key: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """A getitem key with its index arrays in place."""
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY else part for part in key)
