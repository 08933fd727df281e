"""Buffers of a plan are used again, and never while a graph needs them, whatever happens."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients, nn
from tinygrad_rnn.op import Op
from tinygrad_rnn.scan import Pure, run, scan
from tinygrad_rnn.scan.planned import planned_step
from tinygrad_rnn.tensor import Array

T, B, F, H = 6, 3, 4, 5


def layer() -> nn.Recurrent:
    """A planned layer that has run before, so that there are buffers to use again."""
    lstm = nn.LSTM(F, H, unroll=False, dtype=np.float64, rng=0)
    for steps in (T, 3):
        lstm(np.zeros((steps, B, F)))
    return lstm


def inputs(seed: int, steps: int = T, batch: int = B) -> Tensor:
    return Tensor(np.random.default_rng(seed).normal(size=(steps, batch, F)), requires_grad=True)


def expected(seed: int, steps: int = T, batch: int = B) -> Array:
    """d Σ outputs² / d x, unrolled."""
    reference, x = layer(), inputs(seed, steps, batch)
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


def test_results_outlive_the_graph() -> None:
    lstm = layer()
    outputs, (h, c) = lstm(inputs(0))
    kept = [t.data.copy() for t in (outputs, h, c)]
    outputs.sum().backward()
    for x in (inputs(seed) for seed in range(3)):
        gradient(lstm(x)[0], x)
    for tensor, before in zip((outputs, h, c), kept, strict=True):
        np.testing.assert_array_equal(tensor.data, before)


def test_changing_shapes() -> None:
    lstm = layer()
    for steps, batch in [(T, B), (2, 1), (7, 4), (T, B), (1, 2), (T, B)]:
        x = inputs(0, steps, batch)
        np.testing.assert_allclose(gradient(lstm(x)[0], x), expected(0, steps, batch), atol=1e-12)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, ValueError])
@pytest.mark.parametrize("way", ["forward_pass", "backward_pass"])
def test_an_interrupt_in_the_middle_leaves_nothing_stale(
    error: type[BaseException], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, armed, bind = inputs(0), [False], run.Run.bind

    def interrupt() -> None:
        if armed[0]:
            raise error

    def broken(self: run.Run) -> None:
        bind(self)
        instructions = getattr(self, way)
        instructions.insert(len(instructions) // 2, (interrupt, ()))

    monkeypatch.setattr(run.Run, "bind", broken)
    lstm = layer()
    for armed[0] in (False, True, False, True, True, False):
        if armed[0]:
            with pytest.raises(error):
                gradient(lstm(x)[0], x)
        else:
            np.testing.assert_allclose(gradient(lstm(x)[0], x), expected(0), atol=1e-12)


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


def test_a_backward_in_the_midst_of_another_through_the_same_graph() -> None:
    """As of two threads: what the first was handed out of the buffers is not touched by the second."""
    x, again = inputs(0), np.cos(np.arange(T * B * F)).reshape(T, B, F)
    held: list[Array] = []

    def rule(g: Array, out: Array, x: Array) -> Array:
        if not held:
            held.append(g)
            before = g.copy()
            (other,) = gradients(outputs, [x2], again, retain_graph=True)
            assert not np.array_equal(other, before)
            np.testing.assert_array_equal(g, before)
        return g

    x2 = Op(lambda x: x.copy(), None, {"x": rule})(x)
    _, outputs = scan(lambda h, x: ((h := tg.tanh(h + x)), h), Tensor(np.zeros((B, F))), (x2,), unroll=False)
    (found,) = gradients(outputs, [x], np.ones((T, B, F)), retain_graph=True)
    assert held
    np.testing.assert_array_equal(found, gradients(outputs, [x], np.ones((T, B, F)))[0])


def test_the_loop_allocates_nothing_large() -> None:
    for make in (nn.RNN, nn.LSTM, nn.GRU):
        net = make(128, 128, unroll=False, rng=0)
        x = Tensor(np.ones((5, 256, 128), np.float32))
        net(x)[0].sum().backward()
        step, state = net.step(0, masked=False, gathered=False), net.cells[0].zero_state((256,))
        states = list(state) if isinstance(state, tuple) else [state]
        planned, _ = planned_step(step, state, states, [p.detach() for p in net.cells[0].project(x)], ())
        run = planned.take(5)
        tracemalloc.start()
        for function, args in [*run.forward_pass, *run.backward_pass]:
            function(*args)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * 8192 * 4 + 4096  # NumPy's own iteration buffers; one value of a step has 131072 bytes
