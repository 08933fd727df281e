import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.draw.dot import read
from tests.draw.graphs import recorded
from tests.draw.test_graph import behind
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.draw import draw, path
from tinygrad_rnn.draw.between import depending, faint, position
from tinygrad_rnn.draw.graph import collect
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.theme import THEMES


@given(recorded(), st.data())
def test_what_depends_on_a_tensor_is_strong(case: tuple[list[Tensor], list[Tensor]], data: st.DataObject) -> None:
    (output, *_), _ = case
    inner = [x for x in behind([output]).values() if x is not output]
    if not inner:
        return
    wrt = data.draw(st.sampled_from(inner))
    graph = collect([output])
    strong = depending(graph, position(graph, output, wrt))
    tensors = sorted(behind([output]).values(), key=lambda x: x.time)
    for (i, _), x in zip(graph.operations(), tensors, strict=True):
        assert (i in strong) == (x is wrt or id(wrt) in behind([x]))


def test_the_rest_is_faint() -> None:
    x, w, b = (Tensor(2.0, requires_grad=True, name=name) for name in "xwb")
    y = x * w
    loss = y.tanh() + b.exp()
    nodes = read(path(loss, wrt=y).source).nodes
    plain = read(draw(loss).source).nodes
    changed = {name for name in nodes if nodes[name]["fillcolor"] != plain[name]["fillcolor"]}
    assert changed == {"x #1", "w #1", "b #1", "exp #1"}
    assert nodes["mul #1"]["penwidth"] == nodes["add #1"]["penwidth"] == "2.4"
    strong = re.findall(r'"(.+?)" -> "(.+?)" \[.*penwidth="2.4"', path(loss, wrt=y).source)
    assert strong == [("mul #1", "tanh #1"), ("tanh #1", "add #1")]


def test_from_a_parameter_all_of_its_uses() -> None:
    x, w = (Tensor(2.0, requires_grad=True, name=name) for name in "xw")
    nodes = read(path((x * w).tanh() + w, wrt=w).source).nodes
    faded = [name for name, look in nodes.items() if "fontcolor" in look]
    assert faded == ["x #1"]


@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
def test_an_item_of_the_outputs_stands_for_the_state(cell: type[nn.RNN]) -> None:
    outputs, _ = cell(3, 4, rng=0)(np.zeros((5, 2, 3), np.float32))
    loss = outputs.sum()
    graph = collect([loss])
    for t in (3, -2):
        strong = depending(graph, position(graph, loss, outputs[t]))
        times = [operation.scope[-1:] for i, operation in graph.operations() if i in strong]
        assert {t for (t,) in filter(None, times) if isinstance(t, int)} == {3, 4}
        assert times.count((3,)) == 1


def test_errors_say_what_to_give() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x.tanh()
    loss = y.sum()
    with pytest.raises(
        ValueError, match=r"of shape \(\) was not computed from this tensor 'z' of shape \(3,\): it is a"
    ):
        path(loss, wrt=Tensor(np.zeros(3), name="z"))
    with pytest.raises(ValueError, match=r"of shape \(2,\): it is a result of mul that is not in the output's graph"):
        path(loss, wrt=y * 2.0)
    with pytest.raises(ValueError, match=r"an index, a copy or detach\(\) makes a new one"):
        path(loss, wrt=y[0])
    with pytest.raises(ValueError, match="wrt is the output itself"):
        path(loss, wrt=loss)
    with pytest.raises(TypeError, match="wrt is a tensor that the output was computed from, but this is a list"):
        path(loss, wrt=[y])  # type: ignore[arg-type]
    outputs, _ = nn.GRU(2, 3, rng=0, unroll=False)(np.zeros((4, 1, 2), np.float32))
    with pytest.raises(ValueError, match=r"the inside of a planned scan is not recorded \(unroll=True records it\)"):
        path(outputs.sum(), wrt=outputs[2])


@pytest.mark.parametrize("theme", THEMES)
def test_faint_is_fainter_in_every_theme(theme: str) -> None:
    scene = scene_of(Tensor(1.0, requires_grad=True).tanh(), theme=theme)
    paper = int(THEMES[theme].palette.paper[1:3], 16)
    for look in THEMES[theme].families.values():
        whole = {**THEMES[theme].node, **look}
        for key, colour in faint(whole, scene).items():
            assert abs(int(colour[1:3], 16) - paper) <= 0.18 * abs(int(whole[key][1:3], 16) - paper) + 1
