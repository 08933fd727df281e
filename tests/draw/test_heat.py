import math
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.draw.networks import doubled, lstm
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.draw.flow import flow, tracks
from tinygrad_rnn.draw.heat import CIVIDIS, LEGEND, Scale, channels, ink
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.theme import THEMES
from tinygrad_rnn.draw.values import power, short

NORMS = st.floats(1e-300, 1e300)


@given(st.lists(NORMS, min_size=1, max_size=5), NORMS, NORMS)
def test_a_greater_norm_is_never_lower_on_the_scale(norms: list[float], a: float, b: float) -> None:
    scale = Scale.of([*norms, None, 0.0, math.inf, math.nan])
    low, high = sorted((a, b))
    assert 0 <= scale.place(low) <= scale.place(high) <= 1
    assert 1 <= scale.width(low) <= scale.width(high) <= 5
    for norm in norms:
        if norm > 10.0 ** (scale.low + 1e-9):
            assert scale.place(norm) == pytest.approx((math.log10(norm) - scale.low) / (scale.high - scale.low))


def test_scales() -> None:
    assert Scale.of([2e-8, 4.0]) == Scale(-8, 1)
    assert Scale.of([1e-40, 1.0]) == Scale(-16, 0)  # no more decades than a float64 has digits
    assert [round(end, 3) for end in (Scale.of([0.5, 2.0]).low, Scale.of([0.5, 2.0]).high)] == [-0.301, 0.301]
    assert Scale.of([0.0, None]).place(0.0) == 0
    assert Scale.of([1.0]).place(1.0) == 1
    assert Scale.of([1.0]).place(math.inf) == Scale.of([1.0]).place(math.nan) == 1


def test_ticks_stand_on_the_scale() -> None:
    assert [text for _, text in Scale(-8, 1).ticks()] == ["10⁻⁷", "10⁻⁵", "10⁻³", "10⁻¹", "10¹"]
    assert [text for _, text in Scale(-3, 0).ticks()] == ["10⁻³", "10⁻²", "10⁻¹", "1"]
    assert [text for _, text in Scale(math.log10(0.5), math.log10(2)).ticks()] == ["0.50", "1.0", "2.0"]
    for scale in (Scale(-16, 0), Scale(-2, 5)):
        assert len(scale.ticks()) <= 9
        assert all(0 <= scale.place(norm) <= 1 for norm, _ in scale.ticks())


def test_colours_are_those_of_cividis() -> None:
    scale, cividis = Scale(-8, 0), mpl.colormaps["cividis"]
    for place in np.linspace(0, 1, 101):
        expected = np.array(cividis(place)[:3]) * 255
        assert np.abs(np.array(channels(int(scale.colour(10 ** (8 * place - 8))[1:], 16))) - expected).max() < 9


def test_ink_is_read_on_every_colour() -> None:
    def luminance(colour: str) -> float:
        srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return float(
            np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        )

    for place in np.linspace(0, 1, 101):
        ground = Scale(0, 1).colour(10**place)
        one, two = sorted((luminance(ground), luminance(ink(ground))))
        assert (two + 0.05) / (one + 0.05) >= 4.5
    assert len({f"{c:06x}" for c in CIVIDIS}) == 13


@given(st.floats(-1e307, 1e307))
def test_short_numbers_are_near(x: float) -> None:
    text = short(x).replace("−", "-").replace("·10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert float(text) == pytest.approx(x, rel=0.051)


def test_short_numbers() -> None:
    texts = {0.0: "0", -0.25: "−0.25", 99.4: "99", 99.6: "1.0·10²", 0.00999: "0.010", -math.inf: "−∞", 4.0: "4.0"}
    assert {x: short(x) for x in texts} == texts
    assert short(math.nan) == "NaN"
    assert power(0) == "1"


@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize("make", [lambda: lstm(3), doubled])
def test_each_mark_has_the_colour_and_number_of_its_norm(make: Callable[[], Tensor], theme: str) -> None:
    loss = make()
    found, before, scene = flow(loss), scene_of(loss, theme=theme), scene_of(loss, theme=theme, heat="grad")
    scale = Scale.of(found.norm(i) for i in range(len(found.things)))
    for name, mark in before.marks.items():
        norm, heated = found.norm(mark.positions[0]) if mark.positions else None, scene.marks[name]
        if norm is None:
            assert (heated.lines, heated.look) == (mark.lines, mark.look)
        else:
            assert heated.lines == (*mark.lines, short(norm))
            assert heated.look["fillcolor"] == scale.colour(norm)
            assert f"{norm:.3e}" in heated.tooltip
    for line in scene.lines:
        if line.inputs and (norm := found.norm(line.inputs[0][0])) is not None:
            assert float(line.look["penwidth"]) == pytest.approx(scale.width(norm), abs=0.051)
    legend = [mark for mark in scene.marks.values() if mark.scope == LEGEND and mark.family == "arrange"]
    assert [mark.lines[0] for mark in legend] == [text for _, text in scale.ticks()]


def test_of_a_cell_the_states_that_others_read_count() -> None:
    _, last = nn.GRU(3, 4, rng=0)(Tensor(np.ones((3, 1, 3), np.float32)))
    loss = last.sum()
    found, scene = flow(loss), scene_of(loss, level="cell", heat="grad")
    (track,) = tracks(found.graph)
    for i in track.positions.values():
        (mark,) = scene.marks_of()[i]
        norm = found.norm(i) or 0.0
        assert mark.lines[-1] == short(norm)
        assert f"{norm:.3e}" in mark.tooltip


def test_folded_steps_show_a_range() -> None:
    _, last = nn.RNN(3, 4, rng=0)(Tensor(np.ones((12, 1, 3), np.float32)))
    scene = scene_of(last.sum(), level="cell", heat="grad")
    (fold,) = [mark for mark in scene.marks.values() if mark.family == "fold"]
    assert " … " in fold.lines[-1] or len(flow(last.sum()).gradients) > 0


def test_nothing_overlaps_the_legend() -> None:
    for level in ("op", "cell", "layer"):
        boxes = scene_of(lstm(3), level=level, heat="grad").boxes()
        legend = [box for box in boxes if box.height == 40]
        assert len(legend) == 1
        assert all(box.bottom > legend[0].top for box in boxes if box.height not in {20, 40})


def test_the_backward_graph_has_the_same_scale_and_one_legend() -> None:
    loss = lstm(2)
    scene = scene_of(loss, heat="grad", backward=True)
    found = flow(loss)
    scale = Scale.of(found.norm(i) for i in range(len(found.things)))
    widths = [line for line in scene.lines if line.tail.startswith("backward of")]
    assert widths
    for line in widths:
        assert float(line.look["penwidth"]) == pytest.approx(
            max(scale.width(found.norm(source) or 0.0) for source, _ in line.inputs), abs=0.051
        )
    assert [frame.name for frame in scene.frames.values()].count("legend") == 1
    boxes = scene.boxes()
    legend = scene.frames[LEGEND].box
    assert legend is not None
    assert all(box.bottom >= legend.bottom for box in boxes)


def test_what_has_no_norms_is_said() -> None:
    planned, _ = nn.LSTM(3, 4, rng=0, unroll=False)(Tensor(np.ones((3, 1, 3), np.float32)))
    with pytest.raises(ValueError, match=r"a planned scan is one node .* not recorded; set layer.unroll = True"):
        scene_of(planned.sum(), heat="grad")
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"gradients are those of one loss, but there are 2 outputs"):
        scene_of(x * 2.0, x * 3.0, heat="grad")
    with pytest.raises(ValueError, match=r"gradients are those of one number.*shape \(2,\)"):
        scene_of(x * 2.0, heat="grad")
    with pytest.raises(ValueError, match="draw: heat is one of grad, not 'gard'; did you mean 'grad'"):
        scene_of(x.sum(), heat="gard")
