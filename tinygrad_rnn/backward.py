"""Backward is one loop over the recorded operations, latest first.

A Tensor's cotangent, d loss / d tensor, is the sum of one contribution per use. An operation is always later than its
inputs, so when the loop reaches a Tensor, every use of it has been passed and its sum is complete: creation order is a
topological order, and nothing recursive is needed to find one.

The engine alone undoes broadcasting and adds contributions up; rules return plain results. It adds in place only into
buffers that it allocated itself. Contributions of slices, gathers and shared weights stay unexpanded until all of them
are there: see contributions.py.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.op import KNOWN_ERRORS, Op, describe, explained, thread
from tinygrad_rnn.tensor import Node, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

by_time = attrgetter("time")


class Sums:
    """The cotangent of each tensor so far, by the tensor's identity."""

    __slots__ = ("dense", "owned", "record", "rows", "slices")

    def __init__(self, *, record: bool) -> None:
        self.record = record  # whether cotangents are Tensors, to be differentiated again
        self.dense: dict[int, Any] = {}
        self.owned: set[int] = set()  # whose `dense` is a buffer made here, so that adding in place is safe
        self.slices: dict[int, list[At]] = {}
        self.rows: dict[int, list[Rows]] = {}

    def add(self, x: Tensor, new: Any) -> None:
        """Add one contribution to the cotangent of ``x``."""
        key, kind, dense = id(x), type(new), self.dense
        if kind is At or kind is Rows:
            if not self.record:
                (self.slices if kind is At else self.rows).setdefault(key, []).append(new)
                return
            new = new.dense()
        if new.shape != x._data.shape:
            new = unbroadcast(new, x._data.shape)
        if key not in dense:
            dense[key] = new
        elif key in self.owned:
            np.add(dense[key], new, out=dense[key])
        else:
            dense[key] = total = dense[key] + new
            if type(total) is np.ndarray:  # not a Tensor, nor a scalar, which can't be added to in place
                self.owned.add(key)

    def take(self, x: Tensor) -> Any:
        """The complete cotangent of ``x``; None if it got none."""
        key = id(x)
        total = self.dense.pop(key, None)
        if key in self.slices:
            new = At.total(self.slices.pop(key))
            total = new if total is None else total + new
            self.owned.add(key)
        if key in self.rows:
            new = Rows.total(self.rows.pop(key))
            total = new if total is None else total + new
            self.owned.add(key)
        return total


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
    for leaf, total, owned in walk(output, seed, None, record=record, free=not (retain_graph or record)):
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
    found = walk(output, seed, wrt, record=record, free=not (retain_graph or record))
    totals = {id(x): total if record or owned else np.array(total) for x, total, owned in found}
    return [totals.get(id(w)) for w in wrt]


def walk(
    output: Tensor, seed: Any, wrt: Sequence[Tensor] | None, *, record: bool, free: bool
) -> list[tuple[Tensor, Any, bool]]:
    """Pull ``seed``, the cotangent of ``output``, back: (tensor, cotangent, owned) for each leaf or each of ``wrt``."""
    order, live = reachable(output, wrt)
    wanted = {id(w) for w in wrt or ()}
    sums, found, recorder = Sums(record=record), [], thread.recorder
    before = recorder.enabled, recorder.scope
    sums.add(output, seed)
    try:
        recorder.enabled = record
        while order:
            out = order.pop()
            g = sums.take(out)
            node = out.node
            if g is None:
                continue
            if node is None or id(out) in wanted:
                found.append((out, g, node is None and id(out) in sums.owned))
            if node is not None:
                sums.owned.discard(id(out))  # the identity may soon be another tensor's
                if record:
                    recorder.scope = node.scope
                pull_through(out, node, g, sums, live)
                if free:
                    out.node = FREED
    finally:
        recorder.enabled, recorder.scope = before
    return found


def pull_through(out: Tensor, node: Node, g: Any, sums: Sums, live: set[int] | None) -> None:
    """From ``g``, the cotangent of ``out``, to contributions to the inputs of the operation that made it."""
    op, inputs, params = node.op, node.inputs, node.params
    if sums.record:
        value: Any = out
        values: Any = inputs
    else:
        value = out._data
        values = [x._data if type(x) is Tensor else x for x in inputs]
    try:
        if op.joint:
            for x, new in zip(inputs, op.joint(g, value, *values, **params), strict=True):
                if new is not None and type(x) is Tensor and x.requires_grad and (live is None or id(x) in live):
                    sums.add(x, new)
            return
        for x, rule in zip(inputs, op.rules):  # noqa: B905  optional inputs may be left out
            if type(x) is Tensor and x.requires_grad and (live is None or id(x) in live):
                if rule is None:
                    raise no_rule(node, x)
                sums.add(x, rule(g, value, *values, **params))
    except KNOWN_ERRORS as error:
        raise explained(error, f"backward of {op.name}", inputs, params, node.scope) from error


def reachable(output: Tensor, wrt: Sequence[Tensor] | None) -> tuple[list[Tensor], set[int] | None]:
    """The tensors that ``output`` was computed from and that require grad, earliest first.

    With ``wrt``, only those that depend on one of ``wrt``, and the identities of these (None means all). Raises
    RuntimeError for a graph that was freed, or in which a value was replaced after it was used.
    """
    order, seen = [output], {id(output)}
    for out in order:  # which grows meanwhile
        node = out.node
        if node is None:
            continue
        if node is FREED:
            raise freed()
        time = out.time
        for x in node.inputs:
            if type(x) is Tensor:
                if x.time > time:
                    raise stale(out, node, x)
                if x.requires_grad and id(x) not in seen:
                    seen.add(id(x))
                    order.append(x)
    order.sort(key=by_time)
    if wrt is None:
        return order, None
    live = {id(w) for w in wrt}
    for x in order:
        if x.node is not None and any(id(i) in live for i in x.node.inputs):
            live.add(id(x))
    return [x for x in order if id(x) in live], live


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


def no_rule(node: Node, x: Tensor) -> TypeError:
    """The error for an input that requires grad where the operation has no derivative."""
    name = node.op.input_names[next(i for i, y in enumerate(node.inputs) if y is x)]
    return TypeError(f"it has no derivative with respect to its input {name!r}; detach() that input")


def stale(out: Tensor, node: Node, x: Tensor) -> RuntimeError:
    """The error for a value that was replaced between forward and backward."""
    where = f" [in {describe(node.scope)}]" if node.scope else ""
    name = f" {x.name!r}" if x.name else ""
    return RuntimeError(
        f"backward of {node.op.name}: its input{name} of shape {x.shape} was changed after it was used{where} (an "
        f"optimizer step, or an assignment to .data, between forward and backward); the result of shape {out.shape} "
        "belongs to the old value: call backward() before changing parameters, or compute the loss again"
    )
