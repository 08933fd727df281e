"""Buffers are never shared by two graphs that need them, whatever happens; steps without a plan are told why."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients, nn
from tinygrad_rnn.scan import CannotPlan, Pure, scan
from tinygrad_rnn.scan.planned import planned_step
from tinygrad_rnn.tensor import Array

T, B, F, H = 6, 3, 4, 5


def layer() -> nn.Recurrent:
    return nn.LSTM(F, H, unroll=False, dtype=np.float64, rng=0)


def inputs(seed: int, steps: int = T) -> Tensor:
    return Tensor(np.random.default_rng(seed).normal(size=(steps, B, F)), requires_grad=True)


def expected(seed: int, steps: int = T) -> Array:
    """d Σ outputs² / d x, unrolled."""
    reference, x = layer(), inputs(seed, steps)
    reference.unroll = True
    return gradient(reference(x)[0], x)


def gradient(outputs: Tensor, x: Tensor, *, retain_graph: bool = False) -> Array:
    (found,) = gradients((outputs * outputs).sum(), [x], retain_graph=retain_graph)
    return found  # type: ignore[no-any-return]


def test_interleaved_graphs_of_several_lengths() -> None:
    lstm, xs = layer(), [inputs(0), inputs(1), inputs(2, 3), inputs(3)]
    outputs = [lstm(x)[0] for x in xs]
    for k in (1, 3, 0, 2):
        np.testing.assert_allclose(gradient(outputs[k], xs[k]), expected(k, len(xs[k])), atol=1e-12)


def test_a_retained_graph_survives_later_ones() -> None:
    lstm, x = layer(), inputs(0)
    outputs, _ = lstm(x)
    first = gradient(outputs, x, retain_graph=True)
    for seed in (1, 2):
        other = inputs(seed)
        gradient(lstm(other)[0], other)
    np.testing.assert_array_equal(gradient(outputs, x), first)


def test_a_cotangent_outlives_its_graph() -> None:
    """The gradient of the scan's own input is still the run's memory when the graph has been freed."""
    x = inputs(0)
    pure = Pure(lambda h, x: ((h := tg.tanh(h + x)), h))
    _, ys = scan(pure, Tensor(np.zeros((B, F))), (x,), unroll=False)
    ys.sum().backward()
    before = x.grad.copy()
    y = inputs(1)
    scan(pure, Tensor(np.zeros((B, F))), (y,), unroll=False)[1].sum().backward()
    np.testing.assert_array_equal(x.grad, before)
    assert x.grad.flags.writeable
    assert x.grad.base is None


@pytest.mark.parametrize("error", [ValueError("planted"), KeyboardInterrupt()])
def test_an_interrupt_in_the_middle_leaves_nothing_behind(error: BaseException) -> None:
    pure = Pure(lambda h, x: ((h := tg.tanh(h + x)), h))
    x, start = inputs(0), Tensor(np.zeros((B, F)))
    before = gradient(scan(pure, start, (x,), unroll=False)[1], x)
    planned = next(iter(pure.plans.found.values()))
    run = planned.idle[T][0]
    middle = len(run.forward_pass) // 2
    kept = run.forward_pass[middle]

    def fail(*_: Any) -> None:
        raise error

    run.forward_pass[middle] = (fail, ())
    with pytest.raises(type(error)):
        scan(pure, start, (inputs(5),), unroll=False)
    run.forward_pass[middle] = kept
    np.testing.assert_array_equal(gradient(scan(pure, start, (x,), unroll=False)[1], x), before)


def test_two_threads_share_a_layer() -> None:
    lstm, wanted, wrong = layer(), {seed: expected(seed) for seed in (0, 1)}, []

    def work(seed: int) -> None:
        for _ in range(40):
            x = inputs(seed)
            if not np.allclose(gradient(lstm(x)[0], x), wanted[seed], atol=1e-12):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_the_loop_allocates_nothing_large() -> None:
    for make in (nn.RNN, nn.LSTM, nn.GRU):
        net = make(128, 128, unroll=False, rng=0)
        x = Tensor(np.ones((5, 256, 128), np.float32))
        net(x)[0].sum().backward()
        step, state = net.step(0, masked=False), net.cells[0].zero_state((256,))
        states = list(state) if isinstance(state, tuple) else [state]
        planned, _ = planned_step(step, state, states, [p.detach() for p in net.cells[0].project(x)])
        run = planned.take(5)
        tracemalloc.start()
        for function, args in [*run.forward_pass, *run.backward_pass]:
            function(*args)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * 8192 * 4 + 4096  # NumPy's own iteration buffers; one value of a step has 131072 bytes


def branching(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    if x.sum() > 0:  # the line that is named
        return h, h
    return h + x, h


ERRORS: list[tuple[Callable[..., Any], str]] = [
    (branching, r"buffers_and_errors.py:\d+: if x.sum\(\) > 0:  # the line that is named"),
    (lambda h, x: (h * float(x.sum()), h), r"asks for the value of a tensor of shape \(\)"),
    (lambda h, x: (tg.concatenate(h, h), h), r"tensor 0 of the state changes from \(4,\) float64 to \(8,\) float64"),
    (lambda h, x: (h.astype(np.float32), h), r"from \(4,\) float64 to \(4,\) float32"),
    (lambda h, x: ((h, h), h), r"has 1 tensors before the step and 2 after it"),
    (lambda h, x: (h.detach() + x, h), r"the step detaches a tensor of shape \(4,\)"),
    (lambda h, x: (h, 3.0), r"a step returns tensors, .* there is a float"),
]


@pytest.mark.parametrize(("step", "message"), ERRORS)
def test_steps_without_a_plan(step: Callable[..., Any], message: str) -> None:
    with pytest.raises(CannotPlan, match=message):
        scan(step, Tensor(np.zeros(4)), (Tensor(np.ones((3, 4)), True),), unroll=False)
    assert Tensor(1.0).item() == 1  # nothing stays switched
