"""checkpoint: the same results and derivatives, with less memory and the same random numbers."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradcheck, gradgradcheck, gradients, nn, no_grad
from tinygrad_rnn.derivatives import checkpoint
from tinygrad_rnn.op import thread
from tinygrad_rnn.scan import scan
from tinygrad_rnn.scope import scope

X = np.array([1.0, -2.0, 0.5])


def plainly(fun: Any, **_: Any) -> Any:
    return fun


def everything(loss: Tensor, wrt: list[Tensor]) -> list[Any]:
    """Gradients of first, second and third order, as arrays."""
    found: list[Any] = []
    for _ in range(3):
        first = gradients(loss, wrt, create_graph=True)
        found += [g.data for g in first]
        loss = sum(((g * g * g).sum() for g in first), start=Tensor(0.0))
    return found


def stacked(wrap: Any, *, nested: bool = False) -> list[Any]:
    """Layers with dropout, each checkpointed by itself, and all of them once more if nested."""
    rng = np.random.default_rng(0)
    dropout = nn.Dropout(0.5, rng=7)
    layers = [nn.Linear(3, 3, dtype=np.float64, rng=rng) for _ in range(3)]
    x = Tensor(rng.normal(size=(4, 3)), requires_grad=True)

    def all_layers(x: Tensor) -> Tensor:
        for layer in layers:
            x = wrap(lambda x, layer=layer: dropout(tg.tanh(layer(x))), rng=dropout.rng)(x)
        return x

    run = wrap(all_layers, rng=[dropout.rng]) if nested else all_layers
    out = run(x)
    found = [out.data, *everything((out**3).sum(), [x, *(p for layer in layers for p in layer.parameters())])]
    return [*found, dropout.rng.random(3)]


@pytest.mark.parametrize("nested", [False, True])
def test_layers_with_dropout_are_the_same_to_the_bit_in_every_order(nested: bool) -> None:
    ours, theirs = stacked(checkpoint, nested=nested), stacked(plainly)
    firsts = 1 + 7
    for a, b in zip(ours[:firsts], theirs[:firsts], strict=True):
        assert_array_equal(a, b)
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert_array_equal(ours[-1], theirs[-1])  # what is drawn afterwards


def test_backward_is_the_same_to_the_bit() -> None:
    for create_graph in (False, True):
        grads = []
        for wrap in (checkpoint, plainly):
            lstm = nn.LSTM(3, 4, 2, dropout=0.3, rng=0, dtype=np.float64)
            x = Tensor(np.random.default_rng(1).normal(size=(5, 2, 3)), requires_grad=True)
            (wrap(lstm, rng=lstm.dropout.rng)(x)[0] ** 2).sum().backward(create_graph=create_graph)
            leaves = [x, *lstm.parameters()]
            grads.append([p.grad.data if create_graph else p.grad for p in leaves])
            for p in leaves:
                p.grad = None
        for a, b in zip(*grads, strict=True):
            assert_array_equal(a, b)


def entangled(wrap: Any) -> list[Any]:
    """A function that reads, from outside, tensors that depend on each other and on its arguments."""
    w = Tensor(np.random.default_rng(0).normal(size=(3, 3)), requires_grad=True)
    x = Tensor(X, requires_grad=True)
    v = w * 2
    u = tg.tanh(v)

    def f(a: dict[str, Tensor], n: int, *, y: Tensor) -> Any:
        return {"a": tg.tanh(v @ a["x"]) + u @ y, "b": ((a["x"] * y * x).sum().astype(np.float32), n, None), "c": x}

    out = wrap(f)({"x": x * 2}, 3, y=v @ x)
    total, n, nothing = out["b"]
    assert (n, nothing, total.dtype, out["c"].shape) == (3, None, np.float32, (3,))
    return everything((out["a"] ** 2).sum() * total.astype(np.float64) + out["c"][0], [w, x])


def test_what_a_function_reads_from_outside_gets_its_gradient_once() -> None:
    for a, b in zip(entangled(checkpoint), entangled(plainly), strict=True):
        assert_allclose(a, b, rtol=1e-6)  # one intermediate is float32
    v = Tensor(2.0, requires_grad=True)
    w = v * 3
    out = checkpoint(lambda: v * w)()
    assert out.node is not None
    assert out.node.inputs[0] is v
    assert out.node.inputs[1] is w
    out.backward()  # 3 v²
    assert v.grad == 12


def test_first_and_second_derivatives_are_central_differences() -> None:
    f = checkpoint(lambda x, y: (tg.tanh(x) @ y, tg.exp(x).sum(), x))
    assert gradcheck(f, [X, np.ones((3, 2))])
    assert gradgradcheck(f, [X, np.ones((3, 2))])
    inner = checkpoint(lambda x: tg.sigmoid(x) * x)
    assert gradgradcheck(checkpoint(lambda x: inner(inner(x)) * x), [X])


def unrolled(wrap: Any, segment: int) -> tuple[Any, list[Tensor]]:
    """An LSTM over T = 200 steps, with a loss at each, in segments; and its parameters."""
    T, B, F, H = 200, 4, 3, 16
    cell, head = nn.LSTMCell(F, H, rng=0, dtype=np.float64), nn.Linear(H, 2, rng=1, dtype=np.float64)
    x = Tensor(np.random.default_rng(1).normal(size=(T, B, F)))

    def steps(state: Any, xs: Tensor) -> Any:
        total = Tensor(0.0)
        for t in range(len(xs)):
            state = cell(xs[t], state)
            total = total + (head(state[0]) ** 2).sum()
        return state, total

    def loss() -> Tensor:
        state, total = cell.zero_state((B,), np.float64), Tensor(0.0)
        for start in range(0, T, segment):
            state, part = wrap(steps)(state, x[start : start + segment])
            total = total + part
        return total

    return loss, [*cell.parameters(), *head.parameters()]


def peak(wrap: Any, segment: int = 14) -> tuple[int, float, list[Any]]:
    """Peak memory in bytes of forward and backward, the loss, and the gradients."""
    loss, parameters = unrolled(wrap, segment)
    loss().backward()  # what is made once is there
    for p in parameters:
        p.grad = None
    tracemalloc.start()
    value = loss()
    value.backward()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most, value.item(), [p.grad for p in parameters]


def test_peak_memory_over_200_steps_is_below_half() -> None:
    ours, value, grads = peak(checkpoint)
    theirs, same, expected = peak(plainly)
    assert value == same
    for a, b in zip(grads, expected, strict=True):
        assert_allclose(a, b, rtol=1e-11, atol=1e-13 * np.abs(b).max())
    assert ours < theirs / 4


def test_memory_of_a_segment_is_gone_when_it_has_run() -> None:
    loss, _ = unrolled(checkpoint, 14)
    loss().backward()
    tracemalloc.start()
    value = loss()
    held, _ = tracemalloc.get_traced_memory()
    value.backward()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200_000  # the states between segments and the slices of x; the graph of 200 steps is millions
    assert after < held


def test_planned_scans_inside_and_checkpoints_inside_of_planned_steps() -> None:
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(6, 2, 3)), rng.normal(size=(2, 4))
    results = []
    for wrap in (checkpoint, plainly):
        layer = nn.GRU(3, 4, unroll=False, rng=0, dtype=np.float64)
        xs = Tensor(x, requires_grad=True)
        results.append(everything((wrap(layer)(xs)[0] ** 2).sum(), [xs, *layer.parameters()]))
        cell = nn.GRUCell(3, 4, rng=1, dtype=np.float64)
        step = wrap(lambda h, x, cell=cell: (cell(x, h),) * 2)
        _, ys = scan(step, Tensor(h), (xs,), unroll=False)
        results[-1] += everything((ys**2).sum(), [xs, *cell.parameters()])
    for a, b in zip(*results, strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_nothing_is_recorded_where_nothing_is_kept() -> None:
    f = checkpoint(lambda x: x * x)
    assert f(Tensor(X)).node is None
    x = Tensor(X, requires_grad=True)
    with no_grad():
        assert f(x).node is None
    assert f(x).node.op.name == "recomputed"
    assert_array_equal(checkpoint(lambda x, n: (x.detach(), n))(x, 3)[0].data, X)


def test_random_numbers_that_nobody_named_are_found_out() -> None:
    dropout = nn.Dropout(0.5, rng=0)
    x = Tensor(np.ones(50), requires_grad=True)
    with pytest.raises(
        RuntimeError, match=r"checkpoint: run again in backward, the function gave other values .* rng="
    ):
        checkpoint(lambda x: dropout(x) * 2)(x).sum().backward()
    inner = checkpoint(lambda x: dropout(x) * 2, rng=dropout.rng)
    inner(x).sum().backward()
    with pytest.raises(RuntimeError, match="and in each checkpoint around"):
        checkpoint(inner)(x).sum().backward()
    with pytest.raises(TypeError, match=r"checkpoint: rng is a numpy.random.Generator or a tuple of several, not 7"):
        checkpoint(dropout, rng=7)  # type: ignore[arg-type]


def test_changed_inputs_are_found_out() -> None:
    x, w = Tensor(X, requires_grad=True), Tensor(2.0, requires_grad=True)
    y = checkpoint(lambda x: x * w)(x).sum()
    w.data = np.array(3.0)
    with pytest.raises(RuntimeError, match=r"recomputed.*was changed after it was used"):
        y.backward()
    array = X.copy()
    z = checkpoint(lambda x, a: x * a)(x, array).sum()
    array[:] = 0
    z.backward()
    assert_array_equal(x.grad, X)
    state = [1.0]
    y = checkpoint(lambda x: x * state[0])(x).sum()
    state[0] = 2.0
    with pytest.raises(RuntimeError, match="it depends on something that has changed since"):
        y.backward()


def test_exceptions_leave_everything_as_it_was() -> None:
    rng, calls = np.random.default_rng(0), []
    w = Tensor(X, requires_grad=True) * 2

    def f(x: Tensor) -> Tensor:
        calls.append(thread.recorder.scope)
        y = x * w * rng.random()
        if len(calls) > 1:
            raise ZeroDivisionError
        return y

    x = Tensor(X, requires_grad=True)
    with scope("here"):
        y = checkpoint(f, rng=rng)(x).sum()
    state = rng.bit_generator.state
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert calls == [("here",)] * 2
    assert rng.bit_generator.state == state
    assert w.node is not None
    assert thread.recorder.scope == ()
