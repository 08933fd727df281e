"""Every recorded operation is in exactly one mark, and lines are the recorded inputs, at every level and fold."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.draw.cells import CELLS
from tests.draw.dot import read
from tests.draw.graphs import recorded
from tinygrad_rnn import Tensor
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.graph import Leaf, collect
from tinygrad_rnn.draw.lanes import lanes_of
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.scene import Scene

LEVELS: dict[str, dict[str, Any]] = {
    "op": {"level": "op"},
    "op, folded": {"level": "op", "steps": range(1, 2)},
    "cell": {"level": "cell", "fold": False},
    "cell, folded": {"level": "cell", "steps": slice(-1, None)},
    "layer": {"level": "layer"},
}


def check(scene: Scene, *, level: str) -> None:
    """What is said above; parameters and constants are drawn at the level of operations only."""
    graph = scene.graph
    owner: dict[int, str] = {}
    for mark in scene.marks.values():
        for i in mark.positions:
            if not isinstance(graph.nodes[i], Leaf):
                assert i not in owner
                owner[i] = mark.name
    assert set(owner) == {i for i, _ in graph.operations()}
    expected = Counter(graph.edges())
    for line in scene.lines:
        for source, i in line.inputs:
            assert source in scene.marks[line.tail].positions
            assert i in scene.marks[line.head].positions
    drawn = Counter(pair for line in scene.lines for pair in line.inputs)
    assert not drawn - expected
    for source, i in expected - drawn:
        node = graph.nodes[source]
        if isinstance(node, Leaf):
            assert level != "op" or scene.marks[owner[i]].family == "fold"
            assert node.kind != "input"
        else:
            assert owner[source] == owner[i]


def in_order(scene: Scene) -> bool:
    """Whether what is at a later time step stands wholly to the right of what is at an earlier one."""
    time = lanes_of(scene.graph).time
    places: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = {}
    for mark in scene.marks.values():
        times = sorted(time[i] for i in mark.positions if i in time)
        if times and mark.box is not None:
            places.setdefault((times[0], times[-1]), []).extend((mark.box.left, mark.box.right))
    spans = sorted(places)
    return all(a[1] < b[0] and max(places[a]) < min(places[b]) for a, b in pairwise(spans))


@pytest.mark.parametrize("options", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("name", CELLS)
def test_cells(name: str, options: dict[str, Any]) -> None:
    for T in (1, 4):
        if T == 1 and "steps" in options:
            continue
        loss = CELLS[name](T)
        scene = scene_of(loss, **options)
        check(scene, level=options["level"])
        assert options["level"] == "layer" or in_order(scene)
        picture = read(draw(loss, **options).source)  # fails if a name stands twice
        assert list(picture.nodes) == list(scene.marks)
        assert picture.edges == [(line.tail, line.head) for line in scene.lines]


@given(recorded(), st.sampled_from(["op", "cell", "layer"]), st.booleans())
def test_graphs_of_all_shapes(case: tuple[list[Tensor], list[Tensor]], level: Any, fold: bool) -> None:
    outputs, _ = case
    scene = scene_of(*outputs, level=level, fold=fold)
    check(scene, level=level)
    if scene.placed and level != "layer":
        assert in_order(scene)
    picture = read(draw(*outputs, level=level, fold=fold).source)
    assert len(picture.nodes) == len(scene.marks)
    assert len(picture.edges) == sum(line.kind != "hint" for line in scene.lines)


@given(recorded(), st.data())
def test_any_window(case: tuple[list[Tensor], list[Tensor]], data: st.DataObject) -> None:
    outputs, _ = case
    times = sorted({time[-1] for time in lanes_of(collect(outputs)).time.values()})
    if times:
        shown = data.draw(st.sampled_from(times))
        check(scene_of(*outputs, level="op", steps=range(shown, shown + 2)), level="op")


def test_a_step_is_one_column_and_layers_are_stacked() -> None:
    scene = scene_of(CELLS["language model"](3), level="cell")
    cells = [mark for mark in scene.marks.values() if mark.lines[0] == "LSTM" and mark.box is not None]
    x = {(mark.scope[-1], round(mark.box.x)) for mark in cells if mark.box}
    assert sorted(t for t, _ in x) == [0, 1, 2]
    y = {mark.scope[-2]: round(mark.box.y) for mark in cells if mark.box}
    assert sorted(y, key=y.__getitem__) == ["layer0", "layer0_reverse", "layer1", "layer1_reverse"]
    assert [frame.title for frame in scene.frames.values() if frame.kind == "column"] == ["t = 0", "t = 1", "t = 2"]


def test_a_layer_has_a_line_to_itself() -> None:
    scene = scene_of(CELLS["GRU, two layers, dropout"](7), level="layer")
    loops = [line for line in scene.lines if line.tail == line.head]
    assert [scene.marks[line.tail].lines for line in loops] == [("GRU", "layer0 × 7"), ("GRU", "layer1 × 7")]
    assert [line.kind for line in loops] == ["state", "state"]


def test_the_level_is_chosen_by_size() -> None:
    small, large = scene_of(CELLS["LSTM"](3)), scene_of(CELLS["LSTM"](20))
    assert max(len(mark.positions) for mark in small.marks.values()) == 1
    labels = [mark.lines for mark in large.marks.values() if mark.family in {"cell", "fold"}]
    assert labels == [("LSTM",)] * 3 + [("t = 3 … 17", "15 steps")] + [("LSTM",)] * 2 or set(labels) == {
        ("LSTM",),
        ("t = 3 … 17", "15 steps"),
    }
    unfolded = scene_of(CELLS["LSTM"](20), fold=False)
    assert sum(mark.lines == ("LSTM",) for mark in unfolded.marks.values()) == 20
