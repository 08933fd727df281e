"""Cells in the look of the textbooks: exactly the recorded operations, or the general way."""

from typing import Any

import numpy as np
import pytest

from tests.draw.cells import CELLS
from tinygrad_rnn.draw.graph import Graph, collect
from tinygrad_rnn.draw.lanes import lanes_of
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.templates import GRU, LSTM, RNN, TEMPLATES, Match, Template, of_operations
from tinygrad_rnn.nn import GRUCell, Linear, LSTMCell, RNNCell
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Tensor

PLAIN = {
    "RNN": RNN, "LSTM": LSTM, "LSTM, forget bias": LSTM, "LSTM, no biases": LSTM, "LSTM, two directions": LSTM,
    "GRU": GRU, "GRU, no biases": GRU, "GRU, two layers, dropout": GRU, "last states": GRU, "language model": LSTM,
}  # fmt: skip


def matches(graph: Graph) -> dict[tuple[Any, Any], tuple[list[int], Match | None]]:
    """The operations of each step of each lane, and the template that they play."""
    lanes = lanes_of(graph)
    steps: dict[tuple[Any, Any], list[int]] = {}
    for i, lane in lanes.lane.items():
        steps.setdefault((lane, lanes.time[i]), []).append(i)
    return {key: (step, of_operations(graph, lanes.time, step)) for key, step in steps.items()}


@pytest.mark.parametrize("T", [1, 3])
@pytest.mark.parametrize("name", CELLS)
def test_a_template_has_exactly_the_operations_of_the_step(name: str, T: int) -> None:
    graph = collect([CELLS[name](T)])
    for step, found in matches(graph).values():
        if found is None:
            assert name not in PLAIN
            continue
        assert name in PLAIN or name == "decoder"
        roles = found.template.roles
        assert sorted(found.played.values()) == list(range(len(step)))
        for role, k in found.played.items():
            node = graph.nodes[step[k]]
            assert getattr(node, "op", None) == roles[role].op
            inside = sorted(step.index(s) for s in graph.inputs(step[k]) if s in step)
            assert inside == sorted(found.played[r] for r in roles[role].inputs if r in roles)


def test_which_cells_have_templates() -> None:
    for name, template in PLAIN.items():
        names = {found.template.name for _, found in matches(collect([CELLS[name](2)])).values() if found}
        assert names == {template.name}
    own = matches(collect([CELLS["decoder"](2)]))
    assert {lane.path: found.template.name for (lane, _), (_, found) in own.items() if found} == {
        ("cell",): "LSTM",
        ("above",): "GRU",
    }
    assert len(TEMPLATES) == 11


@pytest.mark.parametrize(("cell", "template"), [(RNNCell, RNN), (LSTMCell, LSTM), (GRUCell, GRU)])
def test_a_cell_that_reads_what_it_wrote_has_its_template_at_every_step(cell: Any, template: Template) -> None:
    made, head = cell(3, 4, rng=0), Linear(4, 3, rng=0)
    x, state, outputs = Tensor(np.zeros((2, 3), np.float32)), None, []
    for t in range(3):
        with scope(t):
            state = made(x, state)
            x = head(state[0] if isinstance(state, tuple) else state)
        outputs.append(x)
    found = [
        f.template.name for (lane, _), (_, f) in matches(collect(outputs)).items() if f and lane.path != ("linear",)
    ]
    assert found == [template.name] * 3


def test_the_cell_state_is_the_highway_on_top_and_runs_straight() -> None:
    scene = scene_of(CELLS["LSTM"](3), level="op")
    memory = [line for line in scene.lines if line.kind == "memory"]
    state = [line for line in scene.lines if line.kind == "state"]
    assert (len(memory), len(state)) == (3, 3)
    (height,) = {y for line in memory for _, y in line.route}
    assert height > max(y for line in state for _, y in line.route)
    step = [mark.box for mark in scene.marks.values() if mark.box and mark.scope[-1:] == (1,)]
    assert max(box.y for box in step) == height


def test_the_state_of_a_gru_runs_straight_on_top() -> None:
    scene = scene_of(CELLS["GRU"](3), level="op")
    lanes = [line for line in scene.lines if line.kind == "state" and len(line.route) == 2]
    assert len(lanes) == 3
    assert len({y for line in lanes for _, y in line.route}) == 1


def test_steps_of_one_form_have_one_layout() -> None:
    scene = scene_of(CELLS["LSTM, layer norm"](4), level="op")
    places: dict[int, list[tuple[float, float]]] = {}
    for mark in scene.marks.values():
        t = next((part for part in mark.scope if isinstance(part, int)), None)
        if t is not None and mark.box and mark.lines[0] not in {"h₀", "c₀"}:
            places.setdefault(t, []).append((mark.box.x, mark.box.y))
    first = min(x for x, _ in places[0])
    form = [(round(x - first), y) for x, y in places[0]]
    for t in range(1, 4):
        left = min(x for x, _ in places[t])
        assert [(round(x - left), y) for x, y in places[t]] == form
