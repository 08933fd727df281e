"""What the tests of the plan share: one computation both ways, and random cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients
from tinygrad_rnn.scan import scan
from tinygrad_rnn.tensor import Array
from tinygrad_rnn.tree import flat

Step = Callable[..., tuple[Any, Tensor]]


def weighted(results: Sequence[Tensor]) -> Tensor:
    """A scalar in which every element of every floating-point result has a weight of its own."""
    total = Tensor(0.0, dtype=results[0].dtype)
    for k, r in enumerate(results):
        if r.requires_grad:
            weights = np.cos(np.arange(r.size) + k).reshape(r.shape).astype(r.dtype)
            total = total + (r * weights).sum() + (r * r * weights).sum() * 0.5
    return total


def both_ways(
    step: Step, state: Any, xs: Sequence[Any], wrt: Sequence[Tensor], *, reverse: bool = False, second: bool = False
) -> list[list[Array]]:
    """Values and gradients, unrolled and planned (twice, so that buffers are used again)."""
    found = []
    for unroll in (True, False, False):
        last, ys = scan(step, state, tuple(xs), reverse=reverse, unroll=unroll)
        results = [ys, *flat(last)]
        arrays = [r.data for r in results]
        loss = weighted(results)
        if not loss.requires_grad:
            arrays += [np.zeros(w.shape) for w in wrt]
        else:
            firsts = gradients(loss, wrt, create_graph=second)
            arrays += [
                np.zeros(w.shape) if g is None else np.array(g.data if second else g)
                for g, w in zip(firsts, wrt, strict=True)
            ]
            squares = [(g * g).sum() for g in firsts if second and g is not None and g.requires_grad]
            if squares:
                seconds = gradients(sum(squares[1:], squares[0]), wrt)
                arrays += [np.zeros(0) if g is None else g for g in seconds]
        found.append(arrays)
    return found


def assert_agree(found: Sequence[Sequence[Array]], tolerance: float) -> None:
    unrolled, *planned = found
    for other in planned:
        assert len(unrolled) == len(other)
        for a, b in zip(unrolled, other, strict=True):
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            scale = max(1.0, float(np.abs(a).max(initial=0)))
            np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * scale)


UNARY: list[Callable[[Tensor], Tensor]] = [
    tg.tanh, tg.sigmoid, tg.relu, tg.neg, tg.sign, tg.softplus, lambda x: tg.exp(tg.clip(x, min=-2.0, max=1.0)),
    tg.softmax, tg.log_softmax, lambda x: x - x.mean(axis=-1, keepdims=True),
    lambda x: tg.logsumexp(x, axis=-1, keepdims=True) + x,
    lambda x: x / tg.sqrt(tg.var(x, axis=-1, keepdims=True) + 1), lambda x: tg.flip(x, axis=-1),
    lambda x: tg.roll(x, shift=1, axis=-1), lambda x: tg.concatenate(x[:, 2:], x[:, :2], axis=-1),
    lambda x: tg.concatenate(*tg.split(x, 2, axis=-1)[::-1], axis=-1) * x, lambda x: x.max(axis=-1, keepdims=True) + x,
    lambda x: tg.tanh(x[:, :1]) + x, lambda x: x.T.T * 0.5, lambda x: tg.pad(x[:, 1:3], widths=((0, 0), (1, 1))),
    lambda x: x.reshape(-1).reshape(x.shape[0], -1) * 2, lambda x: tg.abs(x) + 1, lambda x: tg.cumsum(x, axis=-1) * 0.2,
    lambda x: tg.norm(x, axis=-1, keepdims=True) * 0.1 + x[::-1], lambda x: x * tg.tanh(x) * tg.sigmoid(x),
    lambda x: tg.concatenate(*map(tg.sigmoid, tg.split(x, 2, axis=-1)), axis=-1),
    lambda x: tg.expand_dims(x, axis=1)[:, 0],
]  # fmt: skip
BINARY: list[Callable[[Tensor, Tensor], Tensor]] = [
    tg.add, tg.sub, tg.mul, lambda x, y: x / (tg.abs(y) + 1), tg.maximum, tg.minimum,
    lambda x, y: tg.where(x > y, x, y * 0.5), lambda x, y: x * tg.sigmoid(y),
]  # fmt: skip


@st.composite
def cells(draw: st.DrawFn, features: int = 4) -> tuple[Step, int, int]:
    """A random step on states [B, features], with the number of states and of weights [features, features] it reads.

    A program of random operations on states, two inputs, a mask and products with closed-over weights; each state and y
    is one of the values that it makes.
    """
    states, weights = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    index = st.integers(0, 10_000)
    kind = st.sampled_from(["unary", "unary", "binary", "binary", "product", "linear", "bias", "mask"])
    program = draw(st.lists(st.tuples(kind, index, index, index), min_size=1, max_size=9))
    ends = draw(st.lists(index, min_size=states + 1, max_size=states + 1))

    def make(parameters: Sequence[Tensor]) -> Step:
        def step(state: tuple[Tensor, ...], x: Tensor, z: Tensor, mask: Tensor) -> tuple[Any, Tensor]:
            values = [*state, x, z]
            for name, a, b, c in program:
                p, q = values[a % len(values)], values[b % len(values)]
                if name == "unary":
                    new = UNARY[c % len(UNARY)](p)
                elif name == "binary" or not parameters:
                    new = BINARY[c % len(BINARY)](p, q)
                elif name == "product":
                    new = p @ parameters[c % len(parameters)]
                elif name == "linear":
                    new = tg.linear(p, parameters[c % len(parameters)], q)
                elif name == "bias":
                    new = p * parameters[c % len(parameters)][b % features] + parameters[0][0]
                else:
                    new = tg.where(mask, p, q)
                values.append(new)
            after = [tg.tanh(values[-1 - e % len(values)]) if e % 3 else values[-1 - e % len(values)] for e in ends]
            return tuple(tg.clip(s, min=-3.0, max=3.0) for s in after[:-1]), after[-1]

        return step

    return make, states, weights  # type: ignore[return-value]
