"""Checkpointing: what happens inside of a function is not kept for the backward pass, but computed again in it.

A recorded graph keeps every intermediate value. With ``checkpoint(f)`` a call of f is one node that keeps its inputs
and results only; when backward comes to it, f is run again, with recording on, and differentiated there and then. So
the memory is that of the node boundaries and of one call at a time. A recurrent network of T steps in √T pieces of √T
steps needs O(√T) instead of O(T), for one more forward pass (Chen et al. 2016, arXiv:1604.06174; for backpropagation
through time Gruslys et al. 2016, arXiv:1606.03401; the idea is that of Griewank 1992).

Derivatives of higher order need nothing of their own: what backward does at the node, from cotangent and inputs to
cotangents, is again a function of tensors. Where the backward pass is itself recorded, that function is checkpointed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np

from tinygrad_rnn.derivatives.point import outside, pulled, recording
from tinygrad_rnn.derivatives.reverse import named
from tinygrad_rnn.gradcheck import Function
from tinygrad_rnn.op import op, thread
from tinygrad_rnn.ops import astype, getitem, reshape
from tinygrad_rnn.tensor import Array, Scope, Tensor, clock, snapshot
from tinygrad_rnn.tree import leaves, rebuilt

Body: TypeAlias = Callable[..., Any]  # of Tensors that are leaves, to nested Tensors
by_time = attrgetter("time")


def checkpoint(fun: Function, *, rng: np.random.Generator | Sequence[np.random.Generator] = ()) -> Function:
    """``fun`` with the same result and derivatives of any order, but computed anew in backward instead of kept.

    ``fun`` takes and returns Tensors, also nested and among other things, and may read Tensors from outside, such as
    the parameters of a module: all get their gradients.

    Random numbers: ``fun`` is run twice, so it must draw the same ones twice. Name the generators that it draws from in
    ``rng``. Backward sets them to the state that they had before the first run, and afterwards to where they had come
    meanwhile, so that everything outside draws what it would have drawn without ``checkpoint``. If ``fun`` is run
    inside of another checkpoint, that needs to know its generators too. A second run that gives other values is found
    out: RuntimeError.

    Results are the same to the bit, and so are gradients of what is used by one checkpointed call alone. A tensor that
    several calls share, as a recurrent weight, gets one sum from each, which are added up in another order than
    without ``checkpoint``: the same to rounding.

    >>> from tinygrad_rnn import tanh
    >>> x = Tensor(1.0, requires_grad=True)
    >>> y = checkpoint(lambda x: tanh(tanh(x)))(x)
    >>> y.node.op.name, y.backward(), round(float(x.grad), 6)
    ('recomputed', None, 0.246868)
    """
    generators = tuple(rng) if isinstance(rng, (tuple, list)) else (rng,)
    if not all(isinstance(generator, np.random.Generator) for generator in generators):
        raise TypeError(f"checkpoint: rng is a numpy.random.Generator or a tuple of several, not {rng!r}")

    def recomputing(*args: Any, **kwargs: Any) -> Any:
        recorder = thread.recorder
        if not recorder.enabled or recorder.tracing:  # nothing is kept anyway, or a plan decides what is
            return fun(*args, **kwargs)
        given = [snapshot(x) for _, x in leaves((args, kwargs))]
        form = rebuilt((args, kwargs), iter(range(len(given))))
        places = [i for i, x in enumerate(given) if wanted(x)]

        def body(*xs: Tensor) -> Any:
            values = list(given)
            for i, x in zip(places, xs, strict=True):
                values[i] = x
            positional, keyword = rebuilt(form, iter(values))
            return fun(*positional, **keyword)

        return as_one_node(body, [given[i] for i in places], generators)

    return named("checkpoint", fun, recomputing)


def as_one_node(body: Body, inputs: Sequence[Tensor], generators: Sequence[np.random.Generator] = ()) -> Any:
    """``body(*inputs)``, of which only the results are kept; those that can be differentiated come from one node."""
    states, start = [g.bit_generator.state for g in generators], next(clock)
    xs = [leaf(x) for x in inputs]
    result = body(*xs)
    parts = [x for _, x in leaves(result)]
    live = [x for x in parts if wanted(x)]
    if not live:
        return result
    reads = sorted(outside(live, set(map(id, xs)), start), key=by_time)
    forms = [(x.shape, x.dtype) for x in live]
    call = Call(
        body, [x.requires_grad for x in xs], reads, generators, states, thread.recorder.scope, forms, joined(live)
    )
    out = iter(call.split(recomputed(*inputs, *reads, call=call)))
    return rebuilt(result, iter([next(out) if wanted(x) else x for x in parts]))


@dataclass(frozen=True, repr=False)
class Call:
    """What it takes to make a call again: ``body`` and the world as it was.

    ``asked`` says which of its arguments required grad; ``reads`` are the Tensors from outside that it read besides
    them; ``states`` those of its ``generators``; ``forms`` the shapes and dtypes of its results and ``value`` their
    elements, one after the other.
    """

    body: Body
    asked: Sequence[bool]
    reads: Sequence[Tensor]
    generators: Sequence[np.random.Generator]
    states: Sequence[Any]
    scope: Scope
    forms: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]
    value: Array

    def pull(self, g: Tensor, *xs: Tensor, record: bool) -> list[Tensor]:
        """The cotangents of ``xs`` and of ``reads``, from that of the results and the body run again on ``xs``."""
        recorder = thread.recorder
        before, recorder.scope = recorder.scope, self.scope
        try:
            with recording(), rewound(self.generators, self.states):
                live = [x for _, x in leaves(self.body(*xs)) if wanted(x)]
        finally:
            recorder.scope = before
        self.check(live)
        return pulled(live, self.split(g), [*xs, *self.reads], record=record, free=not record)

    def split(self, flat: Tensor) -> list[Tensor]:
        """The results, or their cotangents, from their elements one after the other."""
        if len(self.forms) == 1:
            return [flat]
        ends = list(accumulate((math.prod(shape) for shape, _ in self.forms), initial=0))
        pieces = [getitem(flat, key=(slice(start, stop),)) for start, stop in pairwise(ends)]
        return [
            astype(reshape(piece, shape=shape), dtype=dtype)
            for piece, (shape, dtype) in zip(pieces, self.forms, strict=True)
        ]

    def check(self, again: Sequence[Tensor]) -> None:
        """Raise RuntimeError unless the body gave the same once more: to half of the digits, as no sum is sacred."""
        if [(x.shape, x.dtype) for x in again] == self.forms:
            tolerance = np.finfo(self.value.dtype).eps ** 0.5
            scale = np.abs(self.value[np.isfinite(self.value)]).max(initial=0)
            if np.allclose(joined(again), self.value, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
                return
        raise RuntimeError(
            "checkpoint: run again in backward, the function gave other values than before. If it draws random numbers "
            "(dropout, zoneout), name its generators, as in checkpoint(f, rng=dropout.rng), here and in each "
            "checkpoint around; otherwise it depends on something that has changed since"
        )


def recomputed_rule(g: Any, out: Any, *inputs: Any, call: Call) -> Sequence[Any]:
    """The call made again and differentiated; where that is to be recorded, as one node again."""
    if type(out) is Tensor:
        return as_one_node(partial(call.pull, record=True), [g, *inputs[: len(call.asked)]])  # type: ignore[no-any-return]
    xs = [Tensor(x, asked) for x, asked in zip(inputs, call.asked, strict=False)]
    return [x.data for x in call.pull(Tensor(g), *xs, record=False)]


@op(recomputed_rule)
def recomputed(*inputs: Any, call: Call) -> Array:  # noqa: ARG001  they are the node's edges
    """The results of a checkpointed call: of its arguments and what else it reads, to their elements."""
    return call.value


def joined(tensors: Sequence[Tensor]) -> Array:
    """The value of the only one, or the elements of all, one after the other."""
    return tensors[0].data if len(tensors) == 1 else np.concatenate([x.data.reshape(-1) for x in tensors])


def wanted(x: Any) -> bool:
    """Whether ``x`` is a Tensor that requires grad."""
    return type(x) is Tensor and x.requires_grad


def leaf(x: Tensor) -> Tensor:
    """A Tensor of the same value and name without history, which requires grad if ``x`` does."""
    new = x.detach()
    new.requires_grad, new.name = x.requires_grad, x.name
    return new


@contextmanager
def rewound(generators: Sequence[np.random.Generator], states: Sequence[Any]) -> Iterator[None]:
    """Set ``generators`` to earlier ``states``, and in the end to where they are now."""
    now = [g.bit_generator.state for g in generators]
    set_states(generators, states)
    try:
        yield
    finally:
        set_states(generators, now)


def set_states(generators: Sequence[np.random.Generator], states: Sequence[Any]) -> None:
    """Set each of ``generators`` to its state."""
    for generator, state in zip(generators, states, strict=True):
        generator.bit_generator.state = state
