"""Backward is one loop over the recorded operations, latest first.

A Tensor's cotangent, d loss / d tensor, is the sum of one contribution per use. An operation is always later than its
inputs, so when the loop reaches a Tensor, every use of it has been passed and its sum is complete: creation order is a
topological order, and nothing recursive is needed to find one.

The engine alone undoes broadcasting and adds contributions up; rules return plain results. It adds in place only into
buffers that it allocated itself. Contributions of slices, gathers and shared weights stay unexpanded until all of them
are there: see contributions.py.
"""

from __future__ import annotations

import math
import reprlib
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.op import KNOWN_ERRORS, Op, describe, explained, thread
from tinygrad_rnn.tensor import Node, Tensor, as_array

if TYPE_CHECKING:
    from collections.abc import Sequence

ndarray = np.ndarray
by_time = attrgetter("time")


class Sums:
    """The cotangent of each tensor so far, by the tensor's identity: arrays, or Tensors to be differentiated again."""

    __slots__ = ("dense", "owned", "rows", "slices")

    def __init__(self) -> None:
        self.dense: dict[int, Any] = {}
        self.owned: set[int] = set()  # whose `dense` is a buffer made here, so that adding in place is safe
        self.slices: dict[int, list[At]] = {}
        self.rows: dict[int, list[Rows]] = {}

    def add(self, x: Tensor, new: Any) -> None:
        """Add one contribution to the cotangent of ``x``."""
        key, kind, dense = id(x), type(new), self.dense
        if kind is At:
            self.slices.setdefault(key, []).append(new)
            return
        if kind is Rows:
            self.rows.setdefault(key, []).append(new)
            return
        if new.shape != x._data.shape:
            new = unbroadcast(new, x._data.shape)
        if key not in dense:
            dense[key] = new
        elif key in self.owned:
            np.add(dense[key], new, out=dense[key])
        else:
            dense[key] = total = dense[key] + new
            if type(total) is ndarray:  # not a Tensor, nor a scalar, which can't be added to in place
                self.owned.add(key)

    def complete(self, key: int, total: Any) -> Any:
        """``total``, the expanded part of the cotangent of the tensor ``key``, with what was kept unexpanded added."""
        if key in self.slices:
            new = At.total(self.slices.pop(key))
            total = new if total is None else total + new
        if key in self.rows:
            new = Rows.total(self.rows.pop(key))
            total = new if total is None else total + new
        if type(total) is ndarray:
            self.owned.add(key)
        return total


def backward(output: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Add d output / d leaf to ``leaf.grad`` of every leaf that requires grad and that ``output`` was computed from.

    ``gradient`` is the cotangent of ``output``, of its shape; a scalar output needs none (it is 1). ``leaf.grad`` is
    a writable array of the leaf's shape and dtype, shared with nothing; an array that is already there is added to in
    place. The recorded graph is freed as backward goes, unless ``retain_graph``. With ``create_graph`` the gradients
    are Tensors with a graph of their own, for derivatives of higher order (and the graph is retained). Such a gradient
    refers to its leaf, and the leaf to it: set ``leaf.grad = None`` when done, or use ``gradients``.

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
    Arguments and errors as for ``backward``, and TypeError if ``wrt`` is no list or tuple of tensors. Only what lies
    between ``wrt`` and ``output`` is computed.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> (slope,) = gradients(x * x * x, [x], create_graph=True)
    >>> float(slope), float(gradients(slope, [x])[0])
    (12.0, 12.0)
    """
    if not isinstance(wrt, (tuple, list)) or not all(isinstance(w, Tensor) for w in wrt):
        what = f"a {type(wrt).__name__}; write [w] for one" if isinstance(wrt, Tensor) else reprlib.repr(wrt)
        raise TypeError(f"gradients: wrt is a list of tensors, not {what}")
    record = create_graph
    seed = starting_cotangent(output, gradient, record=record)
    found = walk([output], [seed], wrt, record=record, free=not (retain_graph or record))
    totals = {id(x): total if record or owned else np.array(total) for x, total, owned in found}
    return [totals.get(id(w)) for w in wrt]


def walk(
    outputs: Sequence[Tensor],
    seeds: Sequence[Any],
    wrt: Sequence[Tensor] | None,
    *,
    record: bool,
    free: bool,
    sums: Sums | None = None,
) -> list[tuple[Tensor, Any, bool]]:
    """Pull ``seeds``, cotangents of ``outputs``, back: (tensor, cotangent, owned) for each leaf or each of ``wrt``.

    An observer that has a ``pull_back`` takes the place of the loop, to be told of each of its turns.
    """
    order, live = reachable(outputs, wrt)
    wanted = {id(w) for w in wrt or ()}
    sums = sums or Sums()
    for output, seed in zip(outputs, seeds, strict=True):
        sums.add(output, seed)
    pull = pull_back
    for observer in thread.recorder.observers:
        pull = getattr(observer, "pull_back", pull)
    try:
        return pull(order, live, wanted, sums, record=record, free=free)
    except BaseException:
        for output in outputs:
            if output._made is FREED:
                output._made = FAILED
        raise


def pull_back(
    order: list[Tensor], live: set[int] | None, wanted: set[int], sums: Sums, *, record: bool, free: bool
) -> list[tuple[Tensor, Any, bool]]:
    """Take the tensors off ``order``, last first, and add what each contributes to ``sums``; the result is ``walk``'s.

    ``live`` are the identities of the tensors that need a cotangent (None: all that require grad), ``wanted`` those of
    the tensors whose cotangents are asked for besides the leaves'. This is the loop that runs once per recorded
    operation, so it is one piece: calls would cost as much as its work.
    """
    found, recorder = [], thread.recorder
    dense, slices, rows, owned = sums.dense, sums.slices, sums.rows, sums.owned
    op, inputs, params, scope = FREED
    before = recorder.enabled, recorder.scope
    try:
        recorder.enabled = record
        while order:
            out = order.pop()
            key = id(out)
            g = dense.pop(key, None)
            if key in slices or key in rows:
                g = sums.complete(key, g)
            if g is None:
                continue
            if out._made is None or key in wanted:
                found.append((out, g, out._made is None and key in owned))
                if out._made is None:
                    continue
            op, inputs, params, scope = out._made
            value: Any = out
            values: Any = inputs
            if record:
                recorder.scope = scope
            else:
                value, values = out._data, []
                for x in inputs:
                    values.append(x._data if type(x) is Tensor else x)
            contributions = op.joint(g, value, *values, **params) if op.joint else op.rules
            for x, part in zip(inputs, contributions):  # noqa: B905  optional inputs may be left out
                if type(x) is Tensor and x._requires_grad and (live is None or id(x) in live):
                    if op.joint:
                        new = part
                    elif part is None:
                        raise no_rule(op, inputs, x)
                    else:
                        new = part(g, value, *values, **params)
                    if type(new) is ndarray and id(x) not in dense and new.shape == x._data.shape:
                        dense[id(x)] = new  # the most frequent case
                    elif new is not None:
                        sums.add(x, new)
            if free:
                out._made = FREED
    except KNOWN_ERRORS as error:
        raise explained(error, f"backward of {op.name}", inputs, params, scope) from error
    finally:
        recorder.enabled, recorder.scope = before
    return found


def reachable(outputs: Sequence[Tensor], wrt: Sequence[Tensor] | None) -> tuple[list[Tensor], set[int] | None]:
    """The tensors that ``outputs`` were computed from and that require grad, earliest first.

    With ``wrt``, only those that depend on one of ``wrt``, and the identities of these (None means all). Raises
    RuntimeError for a graph that was freed, or in which a value was replaced after it was used.
    """
    seen = {id(output): output for output in outputs}
    order = list(seen.values())
    for out in order:  # which grows meanwhile
        made = out._made
        if made is None:
            continue
        if not made[1]:  # no inputs: FREED or FAILED
            raise made[0].forward()
        time = out.time
        for x in made[1]:
            if type(x) is Tensor:
                if x.time > time:
                    raise stale(out, x)
                if x._requires_grad and id(x) not in seen:
                    seen[id(x)] = x
                    order.append(x)
    order.sort(key=by_time)
    if wrt is None:
        return order, None
    live = {id(w) for w in wrt}
    for x in order:
        if x._made is not None and any(id(i) in live for i in x._made[1]):
            live.add(id(x))
    return [x for x in order if id(x) in live], live


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent (array or Tensor) down to the shape that its input had before broadcasting."""
    if g.shape == shape:
        return g
    lead = len(g.shape) - len(shape)
    axes = tuple(i for i, n in enumerate(g.shape) if i < lead or shape[i - lead] == 1 != n)
    if type(g) is ndarray and 0 < len(axes) < g.ndim and axes[-1] == len(axes) - 1:  # all of them before the others
        rows = g.reshape(math.prod(g.shape[: len(axes)]), math.prod(g.shape[len(axes) :]))
        return np.matmul(np.ones(len(rows), g.dtype), rows).reshape(shape)  # several times as fast as sum
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
    value = gradient._data if isinstance(gradient, Tensor) else as_array("gradient", gradient, output.dtype)
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


def failed() -> RuntimeError:
    """The error for a backward after one that ended with an error."""
    return RuntimeError(
        "backward: an earlier backward() through this graph ended with an error, when part of it had been freed "
        "already; mend what that error names, and compute the loss again"
    )


FAILED = Node(Op(failed, None, {}), (), {}, ())  # stands at the output of a backward that went only a part of its way
FREED = Node(Op(freed, None, {}), (), {}, ())  # stands where a node was that backward has let go


def no_rule(op: Op, inputs: tuple[Any, ...], x: Tensor) -> TypeError:
    """The error for an input that requires grad where the operation has no derivative."""
    name = op.input_names[next(i for i, y in enumerate(inputs) if y is x)]
    return TypeError(f"it has no derivative with respect to its input {name!r}; detach() that input")


def stale(out: Tensor, x: Tensor) -> RuntimeError:
    """The error for ``x``, an input of the operation that made ``out``, whose value was replaced since."""
    node = cast("Node", out.node)
    where = f" [in {describe(node.scope)}]" if node.scope else ""
    name = f" {x.name!r}" if x.name else ""
    return RuntimeError(
        f"backward of {node.op.name}: its input{name} of shape {x.shape} was changed after it was used{where} (an "
        f"optimizer step, or an assignment to .data, between forward and backward); the result of shape {out.shape} "
        "belongs to the old value: call backward() before changing parameters, or compute the loss again"
    )
