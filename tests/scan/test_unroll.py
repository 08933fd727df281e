from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_rnn import Tensor, concatenate, gradcheck, gradients, tanh
from tinygrad_rnn.op import thread
from tinygrad_rnn.scan import Pure, scan
from tinygrad_rnn.tensor import Array


def running(total: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return total + x, total * 1.0


def test_state_runs_forwards_and_outputs_keep_the_order_of_time() -> None:
    x = Tensor(np.array([1.0, 2.0, 4.0]))
    last, out = scan(running, Tensor(0.0), (x,))
    assert last.item() == 7
    assert_array_equal(out.data, [0, 1, 3])
    last, out = scan(running, Tensor(0.0), (x,), reverse=True)
    assert last.item() == 7
    assert_array_equal(out.data, [6, 4, 0])


def test_state_of_any_form_and_several_inputs() -> None:
    def step(state: dict[str, Any], x: Tensor, y: Tensor) -> tuple[dict[str, Any], Tensor]:
        return {"a": state["b"], "b": (state["a"][0] + x * y,)}, x - y

    x, y = Tensor(np.arange(4.0)), Tensor(np.ones(4))
    last, out = scan(step, {"a": (Tensor(0.0),), "b": (Tensor(10.0),)}, (x, y))
    assert (last["a"][0].item(), last["b"][0].item()) == (2.0, 14.0)
    assert_array_equal(out.data, [-1, 0, 1, 2])


def test_gradients_through_time_forwards_and_in_reverse() -> None:
    rng = np.random.default_rng(0)
    T, B, F, H = 5, 2, 3, 4

    def both(x: Tensor, h: Tensor, w: Tensor, u: Tensor) -> list[Tensor]:
        def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            h = tanh(x @ w + h @ u)
            return h, h * 2.0

        ahead, back = scan(step, h, (x,)), scan(step, h, (x,), reverse=True)
        return [concatenate(ahead[1], back[1], axis=-1).sum(axis=1), ahead[0] * back[0]]

    shapes: list[tuple[int, ...]] = [(T, B, F), (B, H), (F, H), (H, H)]
    gradcheck(both, [rng.uniform(-1, 1, shape) for shape in shapes])


def test_each_step_is_recorded_in_its_scope_with_the_operations_of_the_step_alone() -> None:
    seen: list[Tensor] = []
    x = Tensor(np.ones((4, 3)), requires_grad=True)
    thread.recorder.observers = (seen.append,)
    try:
        scan(running, Tensor(np.zeros(3)), (x,), reverse=True)
    finally:
        thread.recorder.observers = ()
    names = [(made.node.op.name, made.node.scope) for made in seen if made.node]
    first = [("getitem", (3,)), ("add", (3,))]  # total * 1.0 is of a state that needs no gradient yet
    assert names[:2] == first
    assert names[2:] == [(name, (t,)) for t in (2, 1, 0) for name in ("getitem", "add", "mul")] + [("stack", ())]


def test_the_cost_of_reading_inputs_is_linear_in_time() -> None:
    """The gradient of [T, ...] is put together once, not summed T times."""
    x = Tensor(np.ones((2000, 2)), requires_grad=True)
    last, _ = scan(running, Tensor(np.zeros(2)), (x,))
    last.sum().backward()
    assert_allclose(x.grad, 1)


def errors() -> list[Any]:
    one, two, none = (Tensor(np.ones((n, 2))) for n in (3, 4, 0))
    start: Array | Tensor = Tensor(np.zeros(2))
    return [
        ((running, start, one), TypeError, r"scan: xs is a tuple of what each step takes, not a Tensor; write \(x,\)"),
        ((running, start, (one, two)), ValueError, r"one common number of steps T > 0, but have \[3, 4\]"),
        ((running, start, (none,)), ValueError, r"T > 0, but have \[0\]"),
        ((running, start, ()), ValueError, r"T > 0, but have \[\]"),
        ((lambda h, x: h + x, start, (one,)), TypeError, r"step returns a tuple \(state, output\), not a Tensor"),
        ((lambda h, x: (h, h, h), start, (one,)), TypeError, r"step returns a tuple \(state, output\)"),
    ]


@pytest.mark.parametrize(("arguments", "error", "message"), errors())
def test_misuse_is_explained(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        scan(*arguments)


def test_an_error_in_a_step_names_the_step() -> None:
    def growing(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = concatenate(h, x[:1]) * x[: len(h) + 1]
        return h, x

    with pytest.raises(ValueError, match=r"mul\(\(4,\), \(3,\)\): .* \[in t=3\]"):
        scan(growing, Tensor(np.ones(0)), (Tensor(np.ones((5, 3))),))
    assert thread.recorder.scope == ()


@pytest.mark.parametrize("unroll", [True, False])
def test_shared_tensors_are_handed_to_every_step(unroll: bool) -> None:
    """Other ones at each call, also to a Pure step, whose other tensors are remembered."""

    @Pure
    def step(h: Tensor, x: Tensor, w: Tensor, unused: Tensor) -> tuple[Tensor, Tensor]:
        h = h * w + x
        return h, h * w

    x, start = Tensor([1.0, 2.0, 3.0], True), Tensor(0.5)
    for value in (2.0, -1.0, 3.0):
        w = Tensor(value, value > 0)
        last, ys = scan(step, start, (x,), shared=(w, Tensor(7.0)), unroll=unroll)
        assert_allclose(last.data, 0.5 * value**3 + value**2 + 2 * value + 3)
        assert_allclose(ys.data[-1], last.data * value)
        if w.requires_grad:
            (slope,) = gradients(last, [w])
            assert_allclose(slope, 1.5 * value**2 + 2 * value + 2)
