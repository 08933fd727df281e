"""Buffers of a plan are used again, and never while a graph needs them; errors say what can't be planned."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients, nn
from tinygrad_rnn.scan import CannotPlan, run, scan
from tinygrad_rnn.scan.__main__ import main, text
from tinygrad_rnn.tensor import Array

T, B, F, H = 5, 3, 4, 6


def layer(**options: Any) -> nn.LSTM:
    return nn.LSTM(F, H, dtype=np.float64, rng=0, **options)


def inputs(seed: int, steps: int = T, batch: int = B) -> Tensor:
    return Tensor(np.random.default_rng(seed).normal(size=(steps, batch, F)), requires_grad=True)


def squared(lstm: nn.LSTM, x: Tensor) -> Tensor:
    outputs, _ = lstm(x)
    total: Tensor = (outputs * outputs).sum()
    return total


def unrolled(x: Tensor) -> Array:
    (slope,) = gradients(squared(layer(), x), [x])
    return np.asarray(slope)


def test_interleaved_graphs_do_not_share_buffers() -> None:
    lstm, first, second = layer(unroll=False), inputs(0), inputs(1)
    one, two = squared(lstm, first), squared(lstm, second)
    (late,) = gradients(two, [second])
    (early,) = gradients(one, [first])
    np.testing.assert_allclose(early, unrolled(first), atol=1e-12)
    np.testing.assert_allclose(late, unrolled(second), atol=1e-12)


def test_a_retained_graph_keeps_its_buffers() -> None:
    lstm, x, other = layer(unroll=False), inputs(0), inputs(1)
    loss = squared(lstm, x)
    (first,) = gradients(loss, [x], retain_graph=True)
    squared(lstm, other).backward()
    (again,) = gradients(loss, [x])
    np.testing.assert_array_equal(first, again)


def test_results_outlive_the_graph() -> None:
    lstm = layer(unroll=False)
    outputs, (h, c) = lstm(inputs(0))
    kept = [t.data.copy() for t in (outputs, h, c)]
    outputs.sum().backward()
    for seed in range(3):
        squared(lstm, inputs(seed)).backward()
    for tensor, before in zip((outputs, h, c), kept, strict=True):
        np.testing.assert_array_equal(tensor.data, before)


def test_changing_shapes() -> None:
    lstm = layer(unroll=False)
    for steps, batch in [(T, B), (2, 1), (7, 4), (T, B), (1, 2), (T, B)]:
        x = inputs(steps, steps, batch)
        (slope,) = gradients(squared(lstm, x), [x])
        np.testing.assert_allclose(slope, unrolled(x), atol=1e-12)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("way", ["forward_pass", "backward_pass"])
def test_an_interrupt_in_the_middle_leaves_nothing_stale(
    error: type[BaseException], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lstm, x, armed, bind = layer(unroll=False), inputs(0), [False], run.Run.bind

    def interrupt() -> None:
        if armed[0]:
            raise error

    def broken(self: run.Run) -> None:
        bind(self)
        instructions = getattr(self, way)
        instructions.insert(len(instructions) // 2, (interrupt, ()))

    monkeypatch.setattr(run.Run, "bind", broken)
    for armed[0] in (False, True, False, True, True, False):
        if armed[0]:
            with pytest.raises(error):
                gradients(squared(lstm, x), [x])
        else:
            (slope,) = gradients(squared(lstm, x), [x])
            np.testing.assert_allclose(slope, unrolled(x), atol=1e-12)


def test_two_threads_share_a_layer() -> None:
    lstm = layer(unroll=False)
    expected = [unrolled(inputs(seed)) for seed in range(2)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(60):
            x = inputs(seed)
            (slope,) = gradients(squared(lstm, x), [x])
            if not np.allclose(slope, expected[seed], atol=1e-12):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_repeated_steps_allocate_little() -> None:
    """Buffers are there after the first step; later ones need the results and the gradients, and nothing for each t."""
    lstm = nn.LSTM(16, 32, unroll=False, rng=0)
    x = np.random.default_rng(0).normal(size=(100, 8, 16)).astype(np.float32)

    def step() -> None:
        outputs, _ = lstm(x)
        outputs.sum().backward()
        for p in lstm.parameters():
            p.grad = None

    step()
    step()
    gc.collect()
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    stacked = 100 * 8 * 128 * 4  # bytes of the projected inputs, which are made anew
    assert peak < 5 * stacked


def test_a_branch_on_a_value_names_its_line() -> None:
    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        if h.sum() > 0:
            h = -h
        return h + x, h

    with pytest.raises(CannotPlan, match=r"test_buffers\.py:\d+: if h\.sum\(\) > 0:.*where\(condition, a, b\)"):
        scan(step, Tensor(np.zeros(3)), (Tensor(np.ones((2, 3))),), unroll=False)


def test_a_state_that_changes_form_is_refused() -> None:
    def grows(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = tg.concatenate(h, x)
        return h, h

    with pytest.raises(CannotPlan, match=r"scan: .*\(3,\).*\(6,\)"):
        scan(grows, Tensor(np.zeros(3)), (Tensor(np.ones((2, 3))),), unroll=False)


def test_detaching_inside_the_step_is_refused() -> None:
    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = h.detach() + x
        return h, h

    with pytest.raises(CannotPlan, match="detach the inputs before the scan"):
        scan(step, Tensor(np.zeros(3)), (Tensor(np.ones((2, 3)), True),), unroll=False)


def test_the_plan_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lstm"])
    printed = capsys.readouterr().out
    assert printed.strip() == text("lstm", 2, 3, 4)
    for line in (
        "recorded: 14 operations",
        "forward, at each step: 20 calls",
        "backward, at each step: 25 calls",
        "matmul(state0, v7)",
        "slice [:, 12:16] of v55",
        "cotangent of invariant0: Σ_t v55ᵀ state0, one product over stacked rows",
    ):
        assert line in printed
