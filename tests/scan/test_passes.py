"""What a plan takes out of its loop: it computes the same, with fewer calls that wait for the step before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.scan.agreement import assert_agree, both_ways
from tinygrad_rnn import Tensor, gradients, nn
from tinygrad_rnn.op import thread
from tinygrad_rnn.scan import passes, plan, planned, scan
from tinygrad_rnn.scan.plan import Plan
from tinygrad_rnn.scan.planned import samples_of
from tinygrad_rnn.scan.trace import record
from tinygrad_rnn.tree import flat

T, B, F, H = 5, 3, 4, 6


def plan_of(step: Callable[..., Any], state: Tensor | tuple[Tensor, ...], *xs: Tensor) -> Plan:
    """The plan of a step whose state is a tensor or a tuple of tensors."""
    states = flat(state)
    rebuild = (lambda parts: parts[0]) if isinstance(state, Tensor) else tuple
    tape, outside = record(step, states, xs, (), rebuild)
    return Plan(tape, samples_of(states, xs, outside.invariants(())))


def plan_of_cell(cell: nn.Cell, batch: int = B) -> Plan:
    def step(state: Any, *projected: Tensor) -> tuple[Any, Tensor]:
        state = cell.step(state, *projected)
        return state, flat(state)[0]

    x = Tensor(np.ones((1, batch, F)), True, dtype=np.float32)
    return plan_of(step, cell.zero_state((batch,)), *cell.project(x))


def counts(found: Plan) -> list[int]:
    return [len(part) for program in (found.forward, found.backward) for part in program]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (nn.RNNCell(F, H), [0, 3, 0, 2, 3, 0]),
        (nn.LSTMCell(F, H), [0, 16, 0, 13, 10, 0]),
        (nn.GRUCell(F, H), [0, 13, 0, 11, 8, 2]),
    ],
)
def test_calls_left_in_the_loop(cell: nn.Cell, expected: list[int]) -> None:
    """[before, in, after] the loop, forward and backward."""
    assert counts(plan_of_cell(cell)) == expected


def test_large_values_stay_in_the_loop_where_they_are_in_the_cache() -> None:
    before, loop, after = counts(plan_of_cell(nn.LSTMCell(F, 64), batch=64))[3:]
    assert (before, after) == (0, 0)
    assert loop == 23


def test_a_projection_inside_the_step_is_one_product_for_all_steps() -> None:
    """Forward for what is read, backward for the cotangent of the input; and so is one of what comes out."""
    W, U, V = (Tensor(np.ones((H, H), np.float32), True) for _ in range(3))

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = tg.tanh(tg.linear(x, W) + tg.linear(h, U))
        return h, tg.linear(h, V)

    found = plan_of(step, Tensor(np.ones((400, H), np.float32), True), Tensor(np.ones((T, 400, H), np.float32), True))
    products = [sum(v.fn is np.matmul for v in part) for program in (found.forward, found.backward) for part in program]
    assert products == [1, 1, 1, 1, 1, 1]


def test_what_a_step_makes_of_outside_tensors_alone_is_recorded_once() -> None:
    W = Tensor(np.eye(4), True)
    seen: list[Tensor] = []

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        normed = W / tg.sqrt((W * W).sum())
        h = tg.tanh(h @ normed + x)
        return h, h

    with mock.patch.object(thread.recorder, "observers", (seen.append,)):
        _, ys = scan(step, Tensor(np.ones((B, 4))), (Tensor(np.ones((T, B, 4))),), unroll=False)
    names = [x.node.op.name for x in seen if x.node]
    assert names == ["mul", "sum", "sqrt", "div", "planned_scan", "reshape", "getitem"]
    loop = scan(step, Tensor(np.ones((B, 4))), (Tensor(np.ones((T, B, 4))),))[1]
    firsts = [gradients((y * y).sum(), [W], create_graph=True)[0] for y in (ys, loop)]
    seconds = [gradients((g * g).sum(), [W])[0] for g in firsts]
    assert_agree([[f.data, s] for f, s in zip(firsts, seconds, strict=True)], 1e-12)


def test_two_inputs_may_have_one_cotangent() -> None:
    """It is computed after the loop, for one of them, and copied to the other."""
    r = np.random.default_rng(0)
    x, z = (Tensor(r.normal(size=(T, B, 4)), True) for _ in range(2))
    W, U = (Tensor(r.normal(size=(4, 4)), True) for _ in range(2))

    def step(h: Tensor, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        h = tg.tanh(tg.linear(x + z, W) + tg.linear(h, U))
        return h, h

    assert_agree(both_ways(step, Tensor(np.zeros((B, 4))), (x, z), [x, z, W, U]), 1e-12)


CELLS: list[tuple[type[nn.Cell], dict[str, Any]]] = [
    (nn.RNNCell, {}),
    (nn.RNNCell, {"layer_norm": True}),
    (nn.LSTMCell, {"peephole": True}),
    (nn.LSTMCell, {"coupled": True, "proj_size": 2}),
    (nn.LSTM1997Cell, {}),
    (nn.GRUCell, {}),
    (nn.GRUCell, {"reset": "before", "update": "replace"}),
]


@pytest.mark.parametrize("small", [0, passes.SMALL])
@pytest.mark.parametrize(("make", "options"), CELLS)
def test_every_pass_keeps_values_and_gradients(make: Any, options: dict[str, Any], small: int) -> None:
    """With all values taken for large, and with all taken for small."""
    cell = make(F, H, dtype=np.float64, rng=0, **options)
    r = np.random.default_rng(1)
    x, state = Tensor(r.normal(size=(T, B, F)), True), cell.zero_state((B,), np.float64)

    def step(state: Any, x: Tensor) -> tuple[Any, Tensor]:
        state = cell(x, state)
        return state, flat(state)[0] * x.sum()

    with mock.patch.object(plan, "SMALL", small), mock.patch.object(passes, "SMALL", small):
        planned.PLANS.found.clear()
        assert_agree(both_ways(step, state, (x,), [x, *cell.parameters()]), 1e-12)
    planned.PLANS.found.clear()


LIFTED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "views": lambda x, w: tg.tanh(x.T)[::-1, None].swapaxes(0, -1) * tg.expand_dims(x, axis=1),
    "squeeze": lambda x, w: tg.squeeze(tg.exp(x)[:, :1, None], axis=(1, 2)) * 2.0,
    "reshape": lambda x, w: (x * x).reshape(-1) * x.reshape(x.size),
    "reshape of a slice": lambda x, w: (x * x)[:, 1:].reshape(-1) * 3.0,
    "permute": lambda x, w: tg.transpose((x * x)[None], axes=(2, 0, 1)) * 3.0,
    "reductions": lambda x, w: (
        x.sum(axis=0, keepdims=True) * x.max(axis=-1, keepdims=True) + x.sum() + x.min(axis=1)[0]
    ),
    "joins": lambda x, w: tg.concatenate(x * 2.0, tg.stack(x[0], x[1]), axis=0) * tg.exp(w[0]),
    "choice": lambda x, w: tg.where(x > 0, x * w, x - w[0]) * tg.where(x > 0, x, 0.5),
    "products": lambda x, w: (x @ w) @ w[:, :1] + x.T @ x[:, :1] + w @ x,
    "vectors": lambda x, w: (x * x)[0] * w[1] + x[1, 2],
    "slices written": lambda x, w: tg.pad((x * x)[1:], widths=((1, 0), (0, 0))) * x,
}


@pytest.mark.parametrize("name", LIFTED)
def test_every_call_for_all_steps_at_once(name: str) -> None:
    """What depends on the input alone, whatever it is made of; the state only adds up."""
    r = np.random.default_rng(3)
    x, w = Tensor(r.normal(size=(T, 4, 4)), True), Tensor(r.normal(size=(4, 4)), True)

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        value = LIFTED[name](x, w)
        h = h * 0.5 + value.sum()
        return h, value * h

    assert_agree(both_ways(step, Tensor(0.5), (x,), [x, w]), 1e-12)
    assert plan_of(step, Tensor(0.5), x).forward.ahead
