import itertools
import json
from typing import Any

import numpy as np
import pytest

from tests.draw.dot import read
from tests.draw.networks import doubled, lstm
from tests.draw.test_picture import box, dot, needs_dot
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.draw import gradient_strip
from tinygrad_rnn.draw.flow import flow, tracks
from tinygrad_rnn.draw.heat import Scale
from tinygrad_rnn.draw.strip import MOST_STEPS, strip_scene
from tinygrad_rnn.draw.style import text_width
from tinygrad_rnn.draw.values import short

SEED = np.random.default_rng(0).standard_normal((24, 1, 8))


def last_step(layer: Any, T: int = 24) -> Tensor:
    """A number that depends on the output of the last step only."""
    outputs, _ = layer(Tensor(SEED[:T]))
    loss: Tensor = outputs[T - 1].sum()
    return loss


def networks() -> dict[str, Tensor]:
    """The three that the strip compares."""
    return {
        "RNN": last_step(nn.RNN(8, 16, rng=0, dtype=float)),
        "LSTM": last_step(nn.LSTM(8, 16, rng=0, dtype=float, forget_bias=2.0)),
        "GRU": last_step(nn.GRU(8, 16, rng=0, dtype=float)),
    }


def test_rnn_lstm_and_gru_on_one_scale() -> None:
    losses = networks()
    scene = strip_scene(losses)
    assert [m.lines[0] for m in scene.marks.values() if m.name.endswith(" title")] == [
        "RNN h",
        "LSTM c",
        "LSTM h",
        "GRU h",
    ]
    rows = [(found, track) for found in map(flow, losses.values()) for track in tracks(found.graph)]
    scale = Scale.of(found.norm(i) for found, track in rows for i in track.positions.values())
    keys = ["0 RNN", "1 LSTM", "2 LSTM", "3 GRU"]
    for key, (found, track) in zip(keys, rows, strict=True):
        for t, i in track.positions.items():
            norm = found.norm(i) or 0.0
            assert scene.marks[f"{key} t={t}"].look["fillcolor"] == scale.colour(norm)
            assert f"{norm:.3e}" in scene.marks[f"{key} t={t}"].tooltip
            if printed := scene.marks.get(f"{key} norm t={t}"):
                assert printed.lines == (short(norm),)
        for t in range(23):
            (line,) = [line for line in scene.lines if (line.tail, line.head) == (f"{key} t={t + 1}", f"{key} t={t}")]
            assert float(line.look["penwidth"]) == pytest.approx(
                scale.width(found.norm(track.positions[t]) or 0), abs=0.051
            )
    assert [scene.marks[f"{key} norm t=0"].lines[0] for key in keys] == ["2.7·10⁻⁸", "0.22", "0.048", "4.5·10⁻⁵"]


def test_the_loss_enters_where_it_reads_the_state() -> None:
    def entrances(loss: Tensor) -> list[str]:
        return [name for name in strip_scene({"net": loss}).marks if " L " in name]

    layer = nn.LSTM(8, 4, rng=0, dtype=float)
    outputs, _ = layer(Tensor(SEED[:3]))
    assert entrances(outputs[1:].sum()) == ["1 net L t=1", "1 net L t=2"]
    assert entrances(last_step(layer, 3)) == ["1 net L t=2"]


def test_layers_and_directions_have_their_own_rows_in_their_own_order() -> None:
    layer = nn.GRU(8, 4, num_layers=2, bidirectional=True, rng=0, dtype=float)
    outputs, _ = layer(Tensor(SEED[:3]))
    scene = strip_scene({"GRU": (outputs * outputs).sum()})
    titles = [mark.lines[0] for mark in scene.marks.values() if mark.name.endswith("title")]
    assert titles == ["GRU layer0 h", "GRU layer0_reverse h", "GRU layer1 h", "GRU layer1_reverse h"]
    boxes = {t: scene.marks[f"1 GRU t={t}"].box for t in range(3)}
    assert boxes[0] is not None
    assert boxes[2] is not None
    assert boxes[0].x < boxes[2].x  # time runs to the right, also where the network reads backwards
    assert {(line.tail, line.head) for line in scene.lines if "1 GRU t" in line.tail} == {
        ("1 GRU t=0", "1 GRU t=1"),
        ("1 GRU t=1", "1 GRU t=2"),
    }


def test_long_rows_show_some_of_the_steps_and_say_so() -> None:
    layer = nn.RNN(8, 4, rng=0, dtype=float)
    outputs, _ = layer(Tensor(np.tile(SEED, (5, 1, 1))[:100]))
    scene = strip_scene({"RNN": outputs[99].sum()})
    steps = [mark.lines[0] for mark in scene.marks.values() if mark.lines[0].startswith("t=")]
    assert len(steps) <= MOST_STEPS
    assert steps[-1] == "t=99"
    assert all(line.look["style"] == "dashed" for line in scene.lines if " L " not in line.tail)


def test_names_of_any_kind() -> None:
    loss = lstm(2)
    picture = read(gradient_strip({'Р"N<N>': loss, "0 L": loss}).source)
    assert sum(look["label"].startswith('Р"N<N>') for look in picture.nodes.values()) == 2


def test_long_names_have_room() -> None:
    scene = strip_scene({"an LSTM with a forget bias of 2": last_step(nn.LSTM(8, 4, rng=0, dtype=float))})
    titles = [mark for mark in scene.marks.values() if mark.name.endswith("title")]
    left = min(mark.box.x - mark.box.width / 2 for mark in scene.marks.values() if mark.box and mark.family == "cell")
    for title in titles:
        assert title.box is not None
        assert title.box.width >= text_width(title.lines[0], 14) > 96
        assert title.box.x + title.box.width / 2 <= left


def test_errors_say_what_is_missing() -> None:
    with pytest.raises(ValueError, match="gradient_strip: takes at least one loss by its name"):
        gradient_strip({})
    with pytest.raises(ValueError, match="no time steps were recorded"):
        gradient_strip({"x": doubled()})
    planned = last_step(nn.LSTM(8, 4, rng=0, dtype=float, unroll=False))
    with pytest.raises(ValueError, match=r"a planned scan is one node .* set layer.unroll = True"):
        gradient_strip({"LSTM": planned})
    with pytest.raises(ValueError, match="theme is one of light, dark, print, not 'drak'; did you mean 'dark'"):
        gradient_strip({"x": lstm(1)}, theme="drak")


@needs_dot
def test_nothing_overlaps() -> None:
    boxes = []
    for thing in json.loads(dot(gradient_strip(networks()).source, "json"))["objects"]:
        if not thing["name"].startswith("legend") and thing["label"]:
            boxes.append(box(thing["pos"], thing["width"], thing["height"]))
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_norms_around_one() -> None:
    """A tick that says 1 is another mark than one of the legend's colours."""
    scene = strip_scene({"RNN": last_step(nn.RNN(8, 16, rng=0, dtype=float)) * 10})
    assert "1" in [mark.lines[0] for mark in scene.marks.values() if mark.name.startswith("legend")]
