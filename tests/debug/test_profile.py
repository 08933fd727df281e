"""The profiler counts calls and bytes exactly, and its times add up to the time that passed."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients, nn, op
from tinygrad_rnn.debug import profile
from tinygrad_rnn.scope import scope


class Clock:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the profiler."""
    clock = Clock()
    for name in ("profile", "watch"):
        monkeypatch.setattr(importlib.import_module(f"tinygrad_rnn.debug.{name}"), "perf_counter", clock)
    return clock


def test_times_are_those_of_each_operation_and_add_up(clock: Clock) -> None:
    def slow_rule(g: Any, out: Any, x: Any) -> Any:
        clock.wait(2)
        return np.positive(g)

    @op(x=slow_rule)
    def slow(x: Any) -> Any:
        clock.wait(1)
        return np.positive(x)

    x = Tensor(np.ones(5), True)
    with profile() as p:
        clock.wait(10)
        with scope("model"), scope(0):
            y = slow(x * 2)
        with scope("model"), scope(1):
            y = slow(y)
        clock.wait(20)  # between two operations: part of the second
        loss = y.sum()
        clock.wait(40)
        loss.backward()
        clock.wait(80)
        slow(x)
    costs = p.by_operation()
    assert list(costs) == ["sum", "slow", "mul", "sums for leaves"]
    assert (costs["slow"].calls, costs["slow"].forward_seconds, costs["slow"].backward_seconds) == (3, 3, 4)
    assert (costs["sum"].calls, costs["sum"].seconds) == (1, 20)
    assert p.pause == 10 + 40 + 80
    assert p.by_scope()["model"].calls == 3
    assert p.by_scope()["in no module"].calls == 2


def test_bytes_are_those_of_new_arrays() -> None:
    x = Tensor(np.ones((10, 4), np.float32), True)
    with profile() as p:
        y = x[2:8].reshape(12, 2) * 2.0  # two views of x, and 96 new bytes
        y.sum().backward()
    costs = p.by_operation()
    assert {name: (c.forward_bytes, c.backward_bytes) for name, c in costs.items()} == {
        "getitem": (0, 0),
        "reshape": (0, 0),
        "mul": (96, 96),
        "sum": (4, 0),  # backward it spreads one number by a view
        "sums for leaves": (0, 160),
    }


def test_layers_are_told_apart_whatever_the_time_step() -> None:
    lstm = nn.LSTM(3, 4, 2, rng=0)
    with profile() as p:
        lstm(np.ones((5, 2, 3), np.float32))[0].sum().backward()
    parts = p.by_scope()
    assert {"lstm.layer0", "lstm.layer1", "lstm", "in no module", "sums for leaves"} == set(parts)
    assert parts["lstm.layer0"].calls == parts["lstm.layer1"].calls
    assert p.by_operation()["sums for leaves"].backward_bytes == sum(w.grad.nbytes for w in lstm.parameters())


def test_what_a_rule_records_belongs_to_the_rule() -> None:
    x = Tensor(2.0, True)
    with profile() as p:
        gradients(x**3, [x], create_graph=True)
    assert {name: c.calls for name, c in p.by_operation().items()} == {"pow": 1, "sums for leaves": 1}
    scan = nn.GRU(3, 4, unroll=False, rng=0)
    with profile() as p:
        outputs, _ = scan(Tensor(np.ones((5, 2, 3), np.float32), True))
        gradients(outputs.sum(), scan.parameters(), create_graph=True)  # which replays the steps
    assert p.by_operation()["planned_scan"].calls == 1
    assert sum(c.calls for c in p.costs.values()) < 20
    assert not {"sigmoid", "tanh"} & set(p.by_operation())


def test_the_tables() -> None:
    x = Tensor(np.ones((100, 100)), True)
    with profile() as p, scope("<model>"):
        tg.tanh(x @ x).sum().backward()
    lines = str(p).splitlines()
    assert lines[0].split() == ["calls", "fwd", "ms", "fwd", "MB", "bwd", "ms", "bwd", "MB", "share"]
    assert [line for line in lines if not line.startswith("  ")][:3] == [
        "by operation",
        "by part of the model",
        "in all",
    ]
    matmul = next(line.split() for line in lines if line.strip().startswith("matmul"))
    assert matmul[1] == "1"
    assert matmul[3] == "0.08"
    shares = [int(line.split()[-1].rstrip("%")) for line in lines[2:6]]
    assert shares == sorted(shares, reverse=True)
    assert lines[-1].startswith("outside of them ")
    assert max(map(len, lines)) <= 100
    assert "&lt;model&gt;" in p._repr_html_()


def test_an_empty_profile_prints() -> None:
    with profile() as p:
        pass
    assert "both passes" in str(p)
