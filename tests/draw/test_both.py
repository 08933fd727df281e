import itertools
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.draw.graphs import recorded
from tests.draw.networks import lstm
from tests.draw.test_picture import box, contrast, dot, needs_dot
from tinygrad_rnn import Tensor, cross_entropy, nn, tanh
from tinygrad_rnn.draw.both import RED, both
from tinygrad_rnn.draw.dot import write
from tinygrad_rnn.draw.drawing import Drawing
from tinygrad_rnn.draw.flow import flow, norm
from tinygrad_rnn.draw.mirror import mirror
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.scene import Scene
from tinygrad_rnn.draw.theme import THEMES
from tinygrad_rnn.draw.values import short


def plain_step() -> Tensor:
    """One step of an RNN without scopes, as textbooks draw its backward graph."""
    rng = np.random.default_rng(0)
    x, h = Tensor(rng.standard_normal((2, 3)), name="x"), Tensor(rng.standard_normal((2, 4)), True, name="h₀")
    w, u, b = (Tensor(rng.standard_normal(s), True, name=n) for n, s in {"W": (3, 4), "U": (4, 4), "b": (4,)}.items())
    return cross_entropy(tanh(x @ w + h @ u + b), Tensor(np.array([0, 1]), name="y"))


def layer(make: Any, T: int = 3) -> Tensor:
    """A number computed by a layer over T steps."""
    outputs, _ = make(3, 4, rng=0)(Tensor(np.ones((T, 2, 3), np.float32), name="x"))
    loss: Tensor = outputs.sum()
    return loss


def pairs(scene: Scene, *, backward: bool) -> list[tuple[int, int]]:
    """The recorded inputs that lines between twins stand for, or those between marks of the forward graph."""
    return [
        pair
        for line in scene.lines
        if line.tail.startswith("backward of") == backward and line.look.get("style") != "dotted"
        for pair in line.inputs
    ]


def check_mirrored(loss: Tensor, level: Any = None) -> Scene:
    """The two graphs of ``loss``, of which the second has exactly what the rules give."""
    forward, found = scene_of(loss, level=level), flow(loss)
    scene = both(forward, found)
    assert pairs(scene, backward=False) == pairs(forward, backward=False)
    gifts = {(gift.input, rule.operation) for rule in mirror(found) for gift in rule.gives}
    drawn = [pair for line in forward.lines for pair in line.inputs if pair in gifts]
    assert sorted(pairs(scene, backward=True)) == sorted(drawn)
    for name, mark in forward.marks.items():
        assert (f"backward of {name}" in scene.marks) == any(found.gradients[i] is not None for i in mark.positions)
    for line in scene.lines:
        if line.tail.startswith("backward of") and line.inputs:
            twins = {
                (f"backward of {a.head}", f"backward of {a.tail}") for a in forward.lines if a.inputs == line.inputs
            }
            assert (line.tail, line.head) in twins
    return scene


@given(recorded())
def test_any_graph_is_mirrored(case: tuple[list[Tensor], list[Tensor]]) -> None:
    check_mirrored(case[0][0])


@pytest.mark.parametrize("level", ["op", "cell", "layer"])
@pytest.mark.parametrize("make", [nn.RNN, nn.LSTM, nn.GRU])
def test_layers_are_mirrored_at_every_level(make: Any, level: str) -> None:
    check_mirrored(layer(make), level)


def test_without_places_dotted_lines_lead_to_the_rules_that_read() -> None:
    loss = plain_step()
    scene, found = check_mirrored(loss), flow(loss)
    marks = {name: mark.positions[0] for name, mark in scene.marks.items() if mark.positions}
    drawn = [
        (marks[line.tail], marks[line.head.removeprefix("backward of ")])
        for line in scene.lines
        if line.look.get("style") == "dotted"
    ]
    assert sorted(drawn) == sorted((i, rule.operation) for rule in mirror(found) for i in rule.saved)
    names = Counter(scene.marks[line.tail].lines[0] for line in scene.lines if line.look.get("style") == "dotted")
    assert names == {"h₀": 1, "U": 1, "x": 1, "tanh": 2, "y": 1}


def test_labels_are_formulas_and_norms() -> None:
    loss = plain_step()
    scene, found = both(scene_of(loss), flow(loss)), flow(loss)
    twins = {name: mark for name, mark in scene.marks.items() if name.startswith("backward")}
    assert twins["backward of tanh #1"].lines == ("g − g × out × out",)
    assert twins["backward of W #1"].lines == ("∂L/∂W",)
    leaf = next(i for i, node in enumerate(found.graph.nodes) if node.name == "W")
    assert f"{found.norm(leaf):.3e}" in twins["backward of W #1"].tooltip
    assert {line.label for line in scene.lines if line.head == "backward of b #1"} == {"0.41"}


def test_each_use_of_one_tensor_has_its_own_contribution() -> None:
    x = Tensor(np.array([[1.0, 2.0], [3.0, -4.0]]), True, name="x")
    loss = (x @ x).sum()
    labels = sorted(line.label for line in both(scene_of(loss), flow(loss)).lines if line.head == "backward of x #1")
    assert labels == sorted(short(norm(g)) for g in (np.ones((2, 2)) @ x.data.T, x.data.T @ np.ones((2, 2))))


@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU])
def test_with_places_it_is_the_mirror_image(make: Any) -> None:
    loss = layer(make)
    scene = both(scene_of(loss), flow(loss))
    sums = set()
    for name, mark in scene.marks.items():
        if twin := scene.marks.get(f"backward of {name}"):
            assert mark.box is not None
            assert twin.box is not None
            assert twin.box.x == mark.box.x
            sums.add(round(mark.box.y + twin.box.y, 6))
    (axis,) = sums
    routes = {line.inputs: line.route for line in scene.lines if not line.tail.startswith("backward of")}
    for line in scene.lines:
        if line.tail.startswith("backward of"):
            image = [(x, axis - y) for x, y in reversed(routes[line.inputs])]
            np.testing.assert_allclose(line.route, image)
    found = flow(loss)
    kept = {i for rule in mirror(found) for i in rule.saved}
    for mark in scene.marks.values():
        if len(mark.positions) == 1:
            assert ("dotted" in mark.look.get("style", "")) == (mark.positions[0] in kept)


@needs_dot
@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize("make", [plain_step, lambda: lstm(2)])
def test_dot_draws_it_without_overlaps(make: Any, theme: str) -> None:
    loss, boxes = make(), []
    scene = both(scene_of(loss, theme=theme), flow(loss))
    for thing in json.loads(dot(write(scene, Drawing).source, "json"))["objects"]:
        if "pos" in thing:
            boxes.append(box(thing["pos"], thing["width"], thing["height"]))
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_red_is_read_in_every_theme() -> None:
    assert set(RED) == set(THEMES)
    for name, (border, ground) in RED.items():
        palette = THEMES[name].palette
        assert contrast(palette.ink, ground) >= 4.5
        assert contrast(border, palette.paper) >= 4.5  # the norms on the lines
