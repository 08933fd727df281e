"""Traces and single turns: what ran, in order, and the same gradients as without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients, nn
from tinygrad_rnn.debug import Pullback, Trace, pullbacks, trace
from tinygrad_rnn.debug.table import WIDTH, Table
from tinygrad_rnn.op import thread
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Array


def by_hand() -> Trace:
    """Two steps of h = tanh(w h + x)."""
    w, h = Tensor(0.5, True, name="w"), Tensor(1.0, name="h₀")
    with trace() as t:
        for step, x in enumerate((0.0, -1.0)):
            with scope("rnn"), scope(step):
                a = w * h + x
                h = tg.tanh(a)
        h.backward()
    return t


HERE = by_hand.__code__.co_firstlineno + 6
TEXT = f"""\
what ran                      shape  value   where
forward, test_trace.py:{HERE}: a = w * h + x
  %0 = mul(w, h₀)             ()     0.5     rnn / t=0
  %1 = add(%0, 0.0)           ()     0.5     rnn / t=0
forward, test_trace.py:{HERE + 1}: h = tg.tanh(a)
  %2 = tanh(%1)               ()     0.462   rnn / t=0
forward, test_trace.py:{HERE}: a = w * h + x
  %3 = mul(w, %2)             ()     0.231   rnn / t=1
  %4 = add(%3, -1.0)          ()     -0.769  rnn / t=1
forward, test_trace.py:{HERE + 1}: h = tg.tanh(a)
  %5 = tanh(%4)               ()     -0.646  rnn / t=1
backward, test_trace.py:{HERE + 1}: h = tg.tanh(a)
  ∂%5, where backward starts  ()     1       rnn / t=1
  ∂%4 ← ∂%5 by tanh           ()     0.582   rnn / t=1
backward, test_trace.py:{HERE}: a = w * h + x
  ∂%3 ← ∂%4 by add            ()     0.582   rnn / t=1
  ∂w ← ∂%3 by mul             ()     0.269   rnn / t=1
  ∂%2 ← ∂%3 by mul            ()     0.291   rnn / t=1
backward, test_trace.py:{HERE + 1}: h = tg.tanh(a)
  ∂%1 ← ∂%2 by tanh           ()     0.229   rnn / t=0
backward, test_trace.py:{HERE}: a = w * h + x
  ∂%0 ← ∂%1 by add            ()     0.229   rnn / t=0
  ∂w ← ∂%0 by mul             ()     0.229   rnn / t=0
backward, at the leaves
  ∂w, sum of 2                ()     0.498
"""


def test_the_whole_text() -> None:
    assert str(by_hand()) == TEXT.rstrip()


def test_layers_are_listed_by_layer_and_step() -> None:
    lstm = nn.LSTM(3, 2, 2, rng=0)
    with trace() as t:
        lstm(np.ones((3, 1, 3), np.float32))[0].sum().backward()
    scopes = {entry.scope for entry in t.entries if not entry.backward}
    assert {("lstm", f"layer{k}", step) for k in range(2) for step in range(3)} <= scopes
    assert {entry.scope for entry in t.entries if entry.backward} == scopes - {("lstm",)}  # of the last states
    parts = [entry for entry in t.entries if entry.text.startswith("∂weight_hh_l1 ←")]
    assert [(entry.scope[-1], entry.value) for entry in parts] == [(s, "aᵀb, a (1,8), b (1,2)") for s in (2, 1, 0)]
    assert any(entry.text == "∂weight_hh_l1, sum of 3" and entry.shape == (8, 2) for entry in t.entries)
    assert all(len(line) <= WIDTH for line in str(t).splitlines())


def test_a_second_backward_is_listed_like_the_first() -> None:
    x = Tensor(2.0, True, name="x")
    with trace() as t:
        y = x * x
        y.backward(retain_graph=True)
        y.backward()
    backward = [entry.text for entry in t.entries if entry.backward]
    assert backward[-1] == "∂x, sum of 2"
    assert backward[: len(backward) // 2] == backward[len(backward) // 2 :]


def test_of_two_that_watch_the_outer_goes_on_when_the_inner_ends() -> None:
    x = Tensor(2.0, True, name="x")
    with trace() as outer:
        with trace() as inner:
            y = x * x
        (y * y).backward()
    assert [entry.text for entry in inner.entries] == ["%0 = mul(x, x)"]
    assert len(outer.entries) == 9  # two products, the start, and two contributions and a sum for each of the two


def test_a_planned_scan_is_one_line() -> None:
    lstm = nn.LSTM(3, 2, unroll=False, rng=0)
    with trace() as t:
        lstm(np.ones((300, 1, 3), np.float32))[0].sum().backward()
    assert len(t.entries) < 30
    assert sum("= planned_scan(" in entry.text for entry in t.entries) == 1


def test_the_table_is_escaped() -> None:
    x = Tensor(1.0, True, name="<script>x</script>")
    with trace() as t, scope("<b>&"):
        tg.tanh(x)  # a < b
    html = t._repr_html_()
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;&amp;" in html
    assert "# a &lt; b" in html
    assert "<script" not in html
    assert html.count("<tr>") == html.count("</tr>") == 3


def test_of_a_long_trace_the_ends_are_shown() -> None:
    x = Tensor(1.0, True)
    with trace() as t:
        for _ in range(1000):
            x = tg.tanh(x)
    assert len(t.entries) == 1000
    lines = str(t).splitlines()
    assert len(lines) == 401
    assert lines[2].startswith("  %0 = tanh(leaf0)")
    assert lines[201] == "… 602 rows …"
    assert lines[-1].startswith("  %999 = tanh(%998)")


def test_wide_columns_are_cut() -> None:
    table = Table(("a", "b"), [("x" * 90, "y" * 30), "z" * 200])
    assert table.text(60).splitlines() == [
        "a".ljust(31) + "b",
        f"  {'x' * 26}…  {'y' * 28}…",
        "z" * 59 + "…",
    ]


def test_derivatives_that_are_recorded_are_listed_within_backward() -> None:
    x = Tensor(2.0, True, name="x")
    with trace() as t:
        gradients(x * x, [x], create_graph=True)
    assert [(e.backward, e.text) for e in t.entries] == [
        (False, "%0 = mul(x, x)"),
        (True, "∂%0, where backward starts"),
        (True, "%1 = mul(const0, x)"),
        (True, "%2 = mul(const0, x)"),
        (True, "%3 = add(%1, %2)"),
        (True, "∂x ← ∂%0 by mul"),
        (True, "∂x ← ∂%0 by mul"),
        (True, "∂x, sum of 2"),
    ]


def loss_of(unroll: bool) -> tuple[nn.Module, Tensor]:
    """A model and a loss with slices, gathers, shared weights and broadcasting in it."""
    gru = nn.GRU(3, 2, bidirectional=True, unroll=unroll, dtype=float, rng=0)
    table = Tensor(np.random.default_rng(0).standard_normal((7, 3)), True, name="table")
    gru.table = table
    outputs, last = gru(tg.take(table, np.array([[0, 3], [3, 3], [6, 1], [2, 0]])), lengths=[4, 2])
    return gru, (outputs * outputs).sum() + last.mean() + (outputs[::2] * outputs[:, [0, 0]][:2]).sum()


@pytest.mark.parametrize("unroll", [True, False])
def test_turns_give_the_gradients_of_backward_bit_for_bit_and_change_nothing(unroll: bool) -> None:
    model, loss = loss_of(unroll)
    leaves: dict[int, Array] = {}
    for turn in pullbacks(loss):
        if turn.node is None:
            leaves[id(turn.tensor)] = np.array(turn.cotangent)
    assert all(p.grad is None for p in model.parameters())
    loss.backward()
    assert len(leaves) == len(model.parameters())
    for p in model.parameters():
        np.testing.assert_array_equal(p.grad, leaves[id(p)])


def test_between_two_turns_there_is_time_for_anything() -> None:
    w = Tensor(2.0, True, name="w")
    y = w * w * w
    turns = pullbacks(y)
    first = next(turns)
    assert (w * 3).requires_grad
    assert thread.recorder.observers == ()
    y.backward(retain_graph=True)
    rest = list(turns)
    assert [str(turn).splitlines() for turn in [first, *rest]] == [
        [
            "∂%1 () = 1    complete, through %1 = mul(%0, w)",
            "  → ∂%0 += 2    so far 2",
            "  → ∂w += 4    so far 4",
        ],
        [
            "∂%0 () = 2    complete, through %0 = mul(w, w)",
            "  → ∂w += 4    so far 8",
            "  → ∂w += 4    so far 12",
        ],
        ["∂w () = 12    complete: w is a leaf, this is its gradient"],
    ]
    assert [part.name for part in first.contributions] == ["x", "y"]
    assert float(w.grad) == 12


def test_sums_so_far_stay_as_they_were() -> None:
    x = Tensor(np.zeros(3), True, name="x")
    y = x[0] + x[1] * 2 + (x * 4).sum()
    sums: list[Any] = [part.so_far for t in pullbacks(y) for part in t.contributions if part.tensor is x]
    assert [s.tolist() for s in sums] == [[4, 4, 4], [4, 6, 4], [5, 6, 4]]


def test_sums_so_far_are_no_views_of_what_is_added_to_in_place() -> None:
    x = Tensor(np.zeros(2), True, name="x")
    y = (x * 1 + x * 2 + x * 4 + x * 8).sum()
    sums: list[Any] = [part.so_far for t in pullbacks(y) for part in t.contributions if part.tensor is x]
    assert [s.tolist() for s in sums] == [[8, 8], [12, 12], [14, 14], [15, 15]]


def test_kept_rows_are_expanded_in_the_sums() -> None:
    w, x = Tensor(np.eye(2), True, name="w"), Tensor([[1.0, 2.0]])
    (part,) = [part for t in pullbacks((x @ w).sum()) for part in t.contributions if part.tensor is w]
    assert part.so_far is not None
    assert part.so_far.tolist() == [[1, 1], [2, 2]]
    assert type(part.value).__name__ == "Rows"


def test_turns_know_the_place_and_many_inputs() -> None:
    x = Tensor([1.0], True, name="x")
    with scope("lstm"), scope(7):
        y = tg.concatenate(x, x).sum()
    turns: list[Pullback] = list(pullbacks(y))
    assert str(turns[1]).splitlines()[0].endswith("through %0 = concatenate(x, x)    [lstm / t=7]")
    assert [part.name for part in turns[1].contributions] == ["xs[0]", "xs[1]"]


def test_turns_refuse_what_backward_refuses() -> None:
    x = Tensor([1.0, 2.0], True)
    with pytest.raises(RuntimeError, match=r"only a scalar has an implicit gradient"):
        pullbacks(x * 2)
    y = (x * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        pullbacks(y)
