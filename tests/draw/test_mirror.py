from typing import Any

import numpy as np
import pytest
from hypothesis import given

import tinygrad_rnn as tg
from tests.draw.graphs import recorded
from tests.draw.networks import lstm
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.backward import unbroadcast
from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.draw.flow import Flow, flow, norm
from tinygrad_rnn.draw.graph import Operation
from tinygrad_rnn.draw.mirror import mirror
from tinygrad_rnn.op import Op, thread
from tinygrad_rnn.tensor import Array


def vector(*values: float, grad: bool = True) -> Tensor:
    return Tensor(np.array(values), requires_grad=grad)


@given(recorded())
def test_the_backward_graph_is_the_forward_one_mirrored(case: tuple[list[Tensor], list[Tensor]]) -> None:
    found = flow(case[0][0])
    rules = mirror(found)
    assert [rule.operation for rule in rules] == [i for i, _ in reversed(found.graph.operations())]
    for rule in rules:
        operation = found.graph.nodes[rule.operation]
        assert isinstance(operation, Operation)
        assert [gift.input for gift in rule.gives] == [i for i in operation.inputs if found.gradients[i] is not None]
        assert set(rule.saved) <= {*operation.inputs, rule.operation}


def contributions(found: Flow, i: int, g: Array, values: dict[int, Any]) -> list[Array]:
    """What the rule of operation ``i`` gives on plain arrays, ``values`` in the places of what it was recorded with."""
    operation, node = found.graph.nodes[i], found.things[i].node
    assert isinstance(operation, Operation)
    out = values.get(i, found.value(i))
    sources = iter(operation.inputs)
    at = [None if x is None else next(sources) for x in node.inputs]
    inputs = [None if k is None else values.get(k, found.value(k)) for k in at]
    parts = node.op.joint(g, out, *inputs, **node.params) if node.op.joint else node.op.rules
    arrays = []
    for k, part in zip(at, parts, strict=False):
        if k is not None and found.gradients[k] is not None:
            new = part if node.op.joint else part(g, out, *inputs, **node.params)
            arrays.append(
                {At: lambda n: At.total([n]), Rows: lambda n: Rows.total([n])}.get(type(new), lambda n: n)(new)
            )
    return arrays


def losses() -> dict[str, Tensor]:
    x = Tensor(np.random.default_rng(0).standard_normal((3, 2, 3)))
    targets = Tensor(np.array([[0, 1], [2, 0], [1, 1]]))
    head = nn.Linear(4, 3, rng=0, dtype=float)
    a, b = vector(0.3, -0.4, 1.2), vector(0.5, 2.0, 0.7)
    return {
        "lstm": tg.cross_entropy(head(nn.LSTM(3, 4, rng=0, dtype=float, peephole=True)(x)[0]), targets),
        "gru": tg.cross_entropy(head(nn.GRU(3, 4, rng=0, dtype=float, layer_norm=True)(x)[0]), targets),
        "rnn": tg.mse_loss(nn.RNN(3, 4, rng=0, dtype=float, nonlinearity="relu")(x)[0], Tensor(np.ones((3, 2, 4)))),
        "many": ((tg.where(a > 0, a, b) / b).exp() + tg.maximum(a, b).sqrt() * a.softmax() + (b**2).log()).norm(),
        "index": (tg.take(nn.Linear(4, 3, rng=0, dtype=float).weight, np.array([0, 0, 2])) @ head.weight.T).max(),
    }


def another(value: Array, rng: np.random.Generator) -> Array:
    """A value of the same kind, drawn at random."""
    if value.dtype.kind == "f":
        return np.asarray(rng.uniform(-2, 2, value.shape))
    return np.asarray(rng.integers(0, int(value.max()) + 1, value.shape), value.dtype)


@pytest.mark.parametrize("name", list(losses()))
@np.errstate(all="ignore")
def test_saved_is_what_the_rule_depends_on(name: str) -> None:
    """The rule's results change with what is saved, and with nothing else: any value in the place of each other one."""
    found = flow(losses()[name])
    rng = np.random.default_rng(1)
    for rule in mirror(found):
        g = rng.uniform(1, 2, found.things[rule.operation].shape)
        before = contributions(found, rule.operation, g, {})
        operation = found.graph.nodes[rule.operation]
        assert isinstance(operation, Operation)
        for i in {*operation.inputs, rule.operation}:
            value = np.asarray(found.value(i))
            if isinstance(found.things[i], (Tensor, np.ndarray)):
                changed = False
                for _ in range(8):
                    after = contributions(found, rule.operation, g, {i: another(value, rng)})
                    changed |= not all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
                assert changed == (i in rule.saved), (operation.op, i)


@pytest.mark.parametrize("name", list(losses()))
def test_norms_of_contributions_are_those_of_the_rule_on_arrays(name: str) -> None:
    found = flow(losses()[name])
    for rule in mirror(found):
        arrays = contributions(found, rule.operation, np.asarray(found.gradients[rule.operation]), {})
        for gift, array in zip(rule.gives, arrays, strict=True):
            assert gift.norm == pytest.approx(norm(unbroadcast(array, found.things[gift.input].shape)))
            if sum(source == gift.input for source, _ in found.graph.edges()) == 1:
                assert gift.norm == pytest.approx(found.norm(gift.input))


def formulas(loss: Tensor) -> list[str]:
    """The label of the rule of each operation, latest first."""
    found = flow(loss)
    nodes = found.graph.nodes
    return [rule.label(nodes[rule.operation].op) for rule in mirror(found)]  # type: ignore[union-attr]


def test_formulas_are_those_of_the_rules() -> None:
    x, y, w = vector(0.5, 2.0), vector(1.5, 0.25), Tensor(np.eye(2), requires_grad=True)
    cases = {
        "(g, g)": x + y,
        "(g, −g)": x - y,
        "−g": 1.0 - x,
        "(g × y, g × x)": x * y,
        "(g / y, −g × out / y)": x / y,
        "g × 3": x * 3.0,
        "(g, Σ g)": x + Tensor(1.0, requires_grad=True),
        "(g × y, Σ g × x)": x * Tensor(1.0, requires_grad=True),
        "g − g × out × out": x.tanh(),
        "g × (out − out × out)": x.sigmoid(),
        "g × out": x.exp(),
        "where(greater(out, 0), g, 0)": x.relu(),
        "(g @ weight, gᵀ x)": tg.linear(x.reshape(1, 2), w),
        "g at [0:1]": x[0:1],
    }
    assert {formula: formulas(made.sum())[1] for formula, made in cases.items()} == {key: key for key in cases}
    assert formulas(tg.cross_entropy(w, np.array([0, 1])))[0] == "cross entropy VJP"


def test_numbers_are_not_saved_and_a_tensor_used_twice_is_saved_once() -> None:
    x = vector(2.0)
    found = flow((x * x * 2.0).sum())
    assert [rule.saved for rule in mirror(found)] == [(), (), (0,)]


def test_what_needs_no_gradient_gets_none_and_saves_nothing_for_it() -> None:
    x, mask = vector(2.0, 3.0), Tensor(np.array([1.0, 0.0]), name="mask")
    found = flow((x * mask).sum())
    product = mirror(found)[1]
    assert product.gives == ((0, "g × y", 1.0),)
    assert [found.graph.nodes[i].name for i in product.saved] == ["mask"]


def test_observers_hear_nothing_and_the_recorder_is_as_before() -> None:
    found = flow(lstm(2))
    recorder, heard = thread.recorder, list[Tensor]()
    before = recorder.observers
    recorder.observers = (heard.append,)
    try:
        mirror(found)
        with tg.no_grad():
            assert len(mirror(found)) == len(found.graph.operations())
            assert not recorder.enabled
        assert recorder.observers == (heard.append,)
    finally:
        recorder.observers = before
    assert not heard
    assert not recorder.tracing


def test_a_planned_scan_is_one_rule_without_a_formula() -> None:
    gru = nn.GRU(3, 4, rng=0, dtype=float, unroll=False)
    x = Tensor(np.random.default_rng(0).standard_normal((5, 2, 3)))
    loss = (gru(x)[0] * 2.0).sum()
    found = flow(loss)
    (scan,) = [rule for rule in mirror(found) if found.things[rule.operation].node.op.name == "planned_scan"]
    assert scan.label("planned_scan") == "planned scan VJP"
    norms = {gift.input: gift.norm for gift in scan.gives}
    leaf = next(i for i, thing in enumerate(found.things) if thing is gru.weight_hh_l0)
    assert norms[leaf] == pytest.approx(found.norm(leaf))
    loss.backward()


def doubled_often(g: Any) -> Any:
    for _ in range(30):
        g = g + g
    return g


def test_a_formula_that_would_grow_without_bounds_is_not_written() -> None:
    def odd(x: Array) -> Array:
        return x

    twice = Op(odd, None, {"x": lambda g, out, x: doubled_often(g * x)})  # its formula would have 2^30 words
    (rule,) = mirror(flow(twice(Tensor(1.0, requires_grad=True))))
    assert [gift.formula for gift in rule.gives] == ["…"]
    assert rule.label("odd") == "odd VJP"
    assert rule.saved == (0,)


def test_60_doublings_are_visited_once_each() -> None:
    """Every path would be 2^60 steps."""
    y = Tensor(1.0, requires_grad=True)
    for _ in range(60):
        y = y + y
    found = flow(y)
    assert len(mirror(found)) == 60
    assert found.norm(0) == 2**60
