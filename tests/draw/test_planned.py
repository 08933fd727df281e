"""A planned scan is one node; the step that its plan runs is drawn inside."""

from collections import Counter

import numpy as np
import pytest

from tests.draw.cells import layer
from tests.draw.geometry import misses, placed
from tinygrad_rnn import Tensor, nn, tanh
from tinygrad_rnn.draw.graph import collect
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.planned import tape_of
from tinygrad_rnn.draw.scene import Mark, Scene
from tinygrad_rnn.scan import scan
from tinygrad_rnn.scope import scope


def scan_mark(scene: Scene) -> Mark:
    (found,) = [mark for mark in scene.marks.values() if mark.family == "scan"]
    return found


@pytest.mark.parametrize(("make", "name"), [(nn.RNN, "RNN"), (nn.LSTM, "LSTM"), (nn.GRU, "GRU")])
def test_the_cell_is_drawn_inside_with_its_states_on_their_way_back(make: type, name: str) -> None:
    loss = layer(make, 50, unroll=False)
    scene = scene_of(loss, level="op")
    mark = scan_mark(scene)
    assert mark.lines == (f"{name} × 50",)
    (position,) = mark.positions
    tape = tape_of(scene.graph.nodes[position])  # type: ignore[arg-type]
    inner = [m for m in scene.marks.values() if not m.positions]
    chips = sum(m.family in {"parameter", "constant"} for m in inner)
    assert len(inner) - chips == len(tape.calls)
    box = placed(mark)
    for m in inner:
        b = placed(m)
        assert box.left < b.left < b.right < box.right
        assert box.bottom < b.bottom < b.top < box.top
    states = [line for line in scene.lines if line.kind in {"state", "memory"}]
    uses = Counter(o for call in tape.calls for o in call.operands if type(o).__name__ == "Ref" and o < tape.states)
    assert len(states) == sum(uses.values())
    assert misses(scene) == []


def test_every_recorded_operation_and_input_is_drawn_once() -> None:
    loss = layer(nn.LSTM, 50, num_layers=2, unroll=False)
    scene, graph = scene_of(loss, level="op"), collect([loss])
    drawn = Counter(i for mark in scene.marks.values() for i in mark.positions)
    assert all(drawn[i] == 1 for i, _ in graph.operations())
    assert Counter(pair for line in scene.lines for pair in line.inputs) == Counter(graph.edges())


def test_cells_without_a_template_are_called_by_their_module() -> None:
    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = tanh(h * 0.5 + x)
        return h, h

    with scope("mixer"):
        _, outputs = scan(step, Tensor(np.zeros(2)), (Tensor(np.ones((7, 2)), True),), unroll=False)
    assert scan_mark(scene_of(outputs, level="op")).lines == ("mixer × 7",)


@pytest.mark.parametrize("level", ["cell", "layer"])
def test_at_other_levels_it_is_a_cell_and_the_number_of_steps(level: str) -> None:
    scene = scene_of(layer(nn.GRU, 50, unroll=False), level=level)  # type: ignore[arg-type]
    assert ("GRU", "× 50") in [mark.lines for mark in scene.marks.values()]
