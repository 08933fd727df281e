import itertools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.draw.graphs import recorded
from tests.draw.networks import doubled, lstm
from tests.draw.test_graph import behind
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.draw import diff, summary
from tinygrad_rnn.draw.report import alike, held
from tinygrad_rnn.draw.words import columns, memory, span, width
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Scope


def longest(x: object) -> int:
    """The number of operations on the longest path to ``x``, by the plainest recursion."""
    if not isinstance(x, Tensor) or x.node is None:
        return 0
    return 1 + max(longest(y) for y in x.node.inputs)


@given(recorded())
def test_the_figures_are_those_of_the_graph(case: tuple[list[Tensor], list[Tensor]]) -> None:
    outputs, _ = case
    found = list(behind(outputs).values())
    text = summary(*outputs)
    assert text.startswith(
        f"{len(found)} operation{'s' * (len(found) > 1)}, the longest path has {max(map(longest, outputs))};"
    )
    kinds: Counter[str] = Counter()
    for steps, number, row in re.findall(r"(?:(\d+) × |  )(\d+)  +\d+ bytes  (.+)", text.split("kinds\n")[1]):
        each = Counter({op: int(n or 1) for op, n in re.findall(r"(\w+)(?: ×(\d+))?", row)})
        assert each.total() == int(number)
        for _ in range(int(steps or 1)):
            kinds += each
    assert kinds == Counter(x.node.op.name for x in found if x.node is not None)


def test_summary_of_an_lstm() -> None:
    assert summary(lstm(3)).splitlines() == [
        "49 operations, the longest path has 26; 3 time steps, t=0…2",
        "parameters  5 tensors  153 numbers   1.20 KiB",
        "inputs      4 tensors   40 numbers  320 bytes",
        "results                              3.62 KiB",
        "",
        "scope                operations     memory  kinds",
        "lstm.layer0                   2  960 bytes  linear, stack",
        "lstm.layer0 / t=0…2      3 × 15   2.44 KiB  getitem ×5, sigmoid ×3, mul ×3, tanh ×2, linear, add",
        "head                          1  240 bytes  linear",
        "loss                          1    8 bytes  cross_entropy",
    ]


def test_steps_that_differ_have_rows_of_their_own() -> None:
    x = Tensor(1.0, requires_grad=True)
    with scope("сеть"):
        for t in range(5):
            with scope(t):
                x = x.tanh() if t != 2 else x.exp() * x
    lines = summary(x).splitlines()[4:]
    assert [line.split("  ")[0] for line in lines] == ["scope", "сеть / t=0…1, 3…4", "сеть / t=2"]
    assert lines[1].endswith("4 × 1  32 bytes  tanh")


def test_a_buffer_counts_once_and_a_view_nothing() -> None:
    x = np.zeros((4, 5))
    assert held([x, x[0], x.T, np.zeros(3), 2.0, "ij->j", x]) == [160, 0, 0, 24, 0, 0, 0]
    w = Tensor(np.zeros((10, 10)), requires_grad=True)
    assert "results                              8 bytes" in summary(w.T[0].sum())


def test_a_planned_scan_is_said_to_be_one_operation() -> None:
    outputs, _ = nn.GRU(3, 4, 2, rng=0, unroll=False)(np.zeros((7, 2, 3), np.float32))
    text = summary(outputs.sum())
    assert "no time steps\n2 planned scans, each one operation whatever the number of its steps" in text


def test_many_steps_are_one_row() -> None:
    x = Tensor(1.0, requires_grad=True)
    with scope("rnn"):
        for t in range(4000):
            with scope(t):
                x = (x * 0.5).tanh()
    assert "rnn / t=0…3999   4,000 × 2" in summary(x)
    assert str(diff(x, x)).startswith("no difference: 8,000 operations")


@pytest.mark.parametrize("call", [summary, lambda x: diff(x, x)])
def test_what_was_not_recorded_is_named(call: Callable[[Any], str]) -> None:
    with pytest.raises(ValueError, match="no operation was recorded for this tensor"):
        call(Tensor(1.0))
    with pytest.raises(TypeError, match="takes tensors"):
        call(1.0)
    loss = doubled()
    loss.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        call(loss)


def test_nothing_to_sum_up() -> None:
    with pytest.raises(TypeError, match=r"summary: takes at least one tensor, as in summary\(loss\)"):
        summary()


@given(recorded())
def test_a_graph_does_not_differ_from_itself(case: tuple[list[Tensor], list[Tensor]]) -> None:
    outputs, _ = case
    assert diff(outputs[0], outputs[0]).startswith("no difference: ")


def test_equal_networks_do_not_differ() -> None:
    assert diff(lstm(3), lstm(3)) == "no difference: 49 operations, 9 leaves"


def test_more_steps() -> None:
    assert diff(lstm(2), lstm(4)).splitlines() == [
        "a: 34 operations, 9 leaves; b: 64 operations, 9 leaves",
        "leaves",
        "  input x 2×2×3 float64 → 4×2×3 float64",
        "  input targets 2×2 int64 → 4×2 int64",
        "lstm.layer0",
        "  linear: 2×2×16 float64 → 4×2×16 float64",
        "  stack: 2×2×4 float64 → 4×2×4 float64",
        "  stack: 2 inputs → 4",
        "head",
        "  linear: 2×2×5 float64 → 4×2×5 float64",
        "lstm.layer0 / t=2…3, at each of 2 steps",
        "  + 15 operations: getitem, linear, sigmoid, mul, tanh, add",
    ]
    assert "  - 15 operations: " in diff(lstm(4), lstm(2))


def step(kind: int) -> Tensor:
    """A small graph in variants that differ in one thing each from number 0."""
    x, y = (Tensor(np.ones((2, 3)), True, name=name) for name in ("x", "y"))
    with scope(0):
        a = x * y
        b = (a if kind != 1 else a.exp()) + (x if kind != 2 else a)
        c = b * (2.0 if kind != 3 else 3.0)
        d = c[:, 1:] if kind == 5 else c
        return d.sum(axis=1 if kind == 4 else 0)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (1, ["+ exp 2×3 float64", "add: reads mul → exp"]),
        (2, ["add: reads parameter x → mul"]),
        (3, ["mul: reads constant 2 → constant 3"]),
        (4, ["sum: axis 0 → 1", "sum: 3 float64 → 2 float64"]),
        (5, ["+ getitem 2×2 float64", "sum: 3 float64 → 2 float64", "sum: reads mul → getitem"]),
    ],
)
def test_each_kind_of_difference(kind: int, told: list[str]) -> None:
    _, where, *lines = diff(step(0), step(kind)).splitlines()
    assert (where, lines) == ("t=0", [f"  {line}" for line in told])


def test_the_two_kinds_of_gru_differ_in_what_reads_what() -> None:
    def loss(reset: str) -> Tensor:
        outputs, _ = nn.GRU(3, 4, rng=0, reset=reset)(np.zeros((3, 2, 3), np.float32))
        total: Tensor = outputs.sum()
        return total

    text = diff(loss("after"), loss("before"))
    assert text.splitlines()[-14:] == [
        "gru.layer0 / t=1…2, at each of 2 steps",
        "  - linear 2×12 float32",
        "  getitem: key [:, 0:8] → [0:8]",
        "  getitem: 2×8 float32 → 8×4 float32",
        "  getitem: reads linear → parameter weight_hh_l0  (2 times)",
        "  getitem: key [:, 8:12] → [8:12]",
        "  getitem: 2×4 float32 → 4×4 float32",
        "  - add 2×8 float32",
        "  + linear 2×8 float32",
        "  sigmoid: reads add → linear",
        "  mul: reads getitem → add of t-1",
        "  - add 2×4 float32",
        "  + linear 2×4 float32",
        "  tanh: reads add → linear",
    ]


def test_alike_keeps_every_scope() -> None:
    found: dict[Scope, int] = {("a", t, part): t % 2 for t in range(4) for part in ("x", "y")} | {(): 0}
    groups = alike(found)
    assert [name for name, _, _ in groups] == [f"a / t={t}.{part}" for t in ("0, 2", "1, 3") for part in "xy"] + [
        "(no scope)"
    ]
    assert sorted(itertools.chain(*(scopes for _, _, scopes in groups)), key=str) == sorted(found, key=str)


def test_words() -> None:
    assert span([]) == ""
    assert [memory(x) for x in (0, 1023, 1024, 10_240, 2**30, 5 * 2**40)] == [
        "0 bytes",
        "1023 bytes",
        "1.00 KiB",
        "10.0 KiB",
        "1.00 GiB",
        "5120 GiB",
    ]
    lines = columns([("слой", "1", "x"), ("操作 e\u0301", "1,000", "y")], right=[1])
    assert lines == ["слой        1  x", "操作 e\u0301  1,000  y"]
    assert len({width(line) for line in lines}) == 1
