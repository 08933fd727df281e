"""Defining operations, recording them, and being told: contracts 1, 2, 3 and 8."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients, no_grad, op, registry
from tinygrad_rnn.op import Op, describe, thread
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Node


@contextmanager
def observing() -> Iterator[list[Tensor]]:
    """The Tensors recorded inside, as an observer is told of them."""
    seen: list[Tensor] = []
    thread.recorder.observers = (seen.append,)
    try:
        yield seen
    finally:
        thread.recorder.observers = ()


# ------------------------------------------------------------------------------------------------------- definition


def test_an_operation_is_registered_and_becomes_a_method() -> None:
    @op(x=lambda g, out, x, *, factor=1.0: g * factor)
    def scaled(x: Any, *, factor: float = 1.0) -> Any:
        """Docstring of scaled."""
        return x * factor

    assert registry["scaled"] is scaled
    assert isinstance(scaled, Op)
    assert (scaled.name, scaled.__doc__, scaled.input_names) == ("scaled", "Docstring of scaled.", ["x"])
    assert repr(scaled) == "<op scaled(x: 'Any', *, factor: 'float' = 1.0) -> 'Any'>"
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.scaled(factor=3.0).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_a_rule_for_an_unknown_input_is_an_error_at_definition() -> None:
    text = "op halved: a rule for 'xx', but its inputs are ['x']; did you mean 'x'?"
    with pytest.raises(TypeError, match=re.escape(text)):

        @op(xx=lambda g, out, x: g / 2)
        def halved(x: Any) -> Any:
            return x / 2

    assert "halved" not in registry


def test_a_rule_for_a_static_parameter_is_an_error_at_definition() -> None:
    with pytest.raises(TypeError, match=re.escape("a rule for 'axis', but its inputs are ['x']")):

        @op(axis=lambda g, out, x, *, axis: g)
        def along(x: Any, *, axis: int) -> Any:
            return x


def test_joint_and_single_rules_together_are_an_error_at_definition() -> None:
    with pytest.raises(TypeError, match="give one joint rule or one rule per input, not both"):

        @op(lambda g, out, x: (g,), x=lambda g, out, x: g)
        def both(x: Any) -> Any:
            return x


def test_without_rules_nothing_is_recorded() -> None:
    x = Tensor([1.0], requires_grad=True)
    assert not (x > 0).requires_grad
    assert tg.sign(x).node is None


def test_every_operation_has_a_docstring_and_inputs() -> None:
    for name, operation in registry.items():
        assert operation.__doc__, name
        assert operation.input_names, name


# ------------------------------------------------------------------------------------------------------ polymorphism


def test_arrays_give_an_array_and_nothing_is_recorded() -> None:
    with observing() as seen:
        out = tg.tanh(np.ones(2))
        assert isinstance(tg.add(1.0, 2.0), float)
    assert isinstance(out, np.ndarray)
    assert seen == []


def test_rules_run_on_arrays_in_an_ordinary_backward_pass() -> None:
    kinds: list[type] = []

    def rule(g: Any, out: Any, x: Any) -> Any:
        kinds.extend(map(type, (g, out, x)))
        return g * 2

    @op(x=rule)
    def doubled(x: Any) -> Any:
        return np.multiply(x, 2)

    x = Tensor([1.0, 2.0], requires_grad=True)
    with observing() as seen:
        doubled(x).sum().backward()
    assert kinds == [np.ndarray] * 3
    assert len(seen) == 2  # doubled and sum, nothing from backward


def test_the_same_rule_records_when_a_graph_is_asked_for() -> None:
    x = Tensor(3.0, requires_grad=True)
    y = x * x * x
    with observing() as seen:
        (first,) = gradients(y, [x], create_graph=True)
    assert type(first) is Tensor
    assert first.requires_grad
    assert {t.node.op.name for t in seen if t.node} <= {"mul", "add"}
    (second,) = gradients(first, [x], create_graph=True)
    (third,) = gradients(second, [x])
    assert [float(first), float(second), float(third)] == [27, 18, 6]


def test_optional_inputs_may_be_left_out_or_none() -> None:
    x, w = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones((4, 3)), requires_grad=True)
    for out in (tg.linear(x, w), tg.linear(x, w, None)):
        assert [g.shape for g in gradients(out.sum(), [x, w])] == [(2, 3), (4, 3)]


# ------------------------------------------------------------------------------------------------------------- nodes


def test_a_node_is_plain_data() -> None:
    x, y = Tensor(np.ones((2, 3)), requires_grad=True), np.ones(3)
    out = x + y
    node = out.node
    assert isinstance(node, Node)
    assert node.op is registry["add"]
    assert node.inputs[0] is x
    assert type(node.inputs[1]) is np.ndarray
    assert (node.params, node.scope) == ({}, ())
    assert repr(node) == "Node(add((2, 3), (3,)))"
    total = out.sum(axis=1)
    assert total.node is not None
    assert total.node.params == {"axis": 1, "keepdims": False}
    replayed = total.node.op(*total.node.inputs, **total.node.params)
    np.testing.assert_array_equal(replayed.data, total.data)


def test_results_do_not_require_grad_unless_an_input_does() -> None:
    x = Tensor([1.0])
    assert not (x * 2).requires_grad
    assert (x * Tensor([1.0], requires_grad=True)).requires_grad


def test_time_orders_results_after_their_inputs() -> None:
    x = Tensor(1.0, requires_grad=True)
    y = x * 2
    z = y + x
    assert x.time < y.time < z.time


def test_tracing_asks_for_the_nodes_of_constants_too() -> None:
    x = Tensor(2.0)
    thread.recorder.tracing = True
    try:
        y = x * 3
    finally:
        thread.recorder.tracing = False
    assert y.node is not None
    assert y.node.op is registry["mul"]
    assert not y.requires_grad
    assert (x * 3).node is None


# ----------------------------------------------------------------------------------------------- observers and scopes


def test_an_observer_is_called_once_for_every_recorded_node() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with observing() as seen:
        y = x * 2
        z = y.sum()
        x.detach() * 3
        with no_grad():
            x * 3
    assert [id(t) for t in seen] == [id(y), id(z)]
    assert seen[0].node is not None


def test_an_observer_is_told_of_recorded_backward_nodes() -> None:
    x = Tensor(2.0, requires_grad=True)
    y = x * x
    with observing() as seen:
        y.backward(retain_graph=True)
        assert seen == []
        gradients(y, [x], create_graph=True)
    assert [t.node.op.name for t in seen if t.node] == ["mul", "mul", "add"]


def test_observers_belong_to_their_thread() -> None:
    with observing() as seen:
        worker = threading.Thread(target=lambda: Tensor(1.0, requires_grad=True) * 2)
        worker.start()
        worker.join()
    assert seen == []


def test_scopes_go_into_nodes_and_end() -> None:
    x = Tensor(1.0, requires_grad=True)
    with scope("lstm"):
        with scope("layer1"), scope(7):
            inner = x * 2
        outer = x * 2
    outside = x * 2
    assert [t.node and t.node.scope for t in (inner, outer, outside)] == [("lstm", "layer1", 7), ("lstm",), ()]


def test_a_scope_ends_with_an_exception() -> None:
    with pytest.raises(ValueError, match=re.escape("[in a / t=0]")), scope("a"), scope(0):
        Tensor(np.ones(2), requires_grad=True) @ np.ones(3)
    assert thread.recorder.scope == ()


def test_backward_nodes_inherit_the_scope_of_their_forward_node() -> None:
    x = Tensor(2.0, requires_grad=True)
    with scope("inner"), scope(3):
        y = tg.tanh(x)
    with scope("outer"):
        z = y * y
    with observing() as seen, scope("elsewhere"):
        gradients(z, [x], create_graph=True)
        assert thread.recorder.scope == ("elsewhere",)
    scopes = {t.node.scope for t in seen if t.node}
    assert scopes == {("inner", 3), ("outer",)}


@pytest.mark.parametrize(
    ("parts", "text"),
    [((), ""), (("lstm",), "lstm"), (("lstm", "layer1", 7), "lstm.layer1 / t=7"), ((7,), "t=7"),
     ((7, "cell"), "t=7.cell"), (("a", 0, "b", 1), "a / t=0.b / t=1")],
)  # fmt: skip
def test_describe(parts: Any, text: str) -> None:
    assert describe(parts) == text


def test_no_grad_nests_and_ends_with_an_exception() -> None:
    x = Tensor(1.0, requires_grad=True)
    with no_grad():
        with no_grad():
            pass
        assert not (x * 2).requires_grad
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * 2).requires_grad


def test_one_switch_or_scope_can_be_entered_twice() -> None:
    x, off, here = Tensor(1.0, requires_grad=True), no_grad(), scope("here")
    with off, off:
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    with here:
        with here:
            inner = x * 2
        outer = x * 2
    nodes = inner.node, outer.node, (x * 2).node
    assert [node.scope for node in nodes if node is not None] == [("here", "here"), ("here",), ()]


def test_no_grad_in_one_thread_does_not_reach_another() -> None:
    x = Tensor(1.0, requires_grad=True)
    inside, done, seen = threading.Event(), threading.Event(), []

    def other() -> None:
        inside.wait(5)
        seen.append((x * 2).requires_grad)
        done.set()

    worker = threading.Thread(target=other)
    worker.start()
    with no_grad():
        inside.set()
        assert done.wait(5)
        assert not (x * 2).requires_grad
    worker.join()
    assert seen == [True]
