"""Pictures with a time axis by their numbers: nothing overlaps, lines lead from border to border and behind nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.draw.cells import CELLS
from tests.draw.geometry import behind, collinear, misses, overlaps
from tinygrad_rnn.draw.channel import Net, tracks
from tinygrad_rnn.draw.dot import spline
from tinygrad_rnn.draw.picture import scene_of

SHOWN: list[dict[str, Any]] = [
    {"level": "op"},
    {"level": "op", "steps": range(1, 2), "show": ()},
    {"level": "op", "show": ("shape", "dtype", "value", "grad")},
    {"level": "cell", "fold": False},
    {"level": "cell", "steps": range(2)},
    {"level": "layer"},
]


@pytest.mark.parametrize("name", CELLS)
def test_nothing_overlaps_and_no_line_is_lost(name: str) -> None:
    loss = CELLS[name](4)
    for options in SHOWN:
        scene = scene_of(loss, **options)
        assert overlaps(scene) == []
        assert [(line.tail, line.head) for line in misses(scene)] == []
        assert [(line.tail, line.head, mark) for line, mark in behind(scene)] == []
        assert [(a.tail, a.head, b.tail, b.head) for a, b in collinear(scene)] == []


ENDS = st.lists(st.integers(0, 12).map(lambda k: 10.0 * k), max_size=2).map(tuple)


@given(st.lists(st.builds(Net, ENDS, ENDS, ENDS).filter(lambda net: len(net.ends) > 1), max_size=8))
def test_nets_on_one_track_are_apart(nets: list[Net]) -> None:
    found, count = tracks(nets)
    for k, net in enumerate(nets):
        track = found[k]
        assert (track is None) == net.straight
        assert track is None or 0 <= track < count
        for other, there in list(zip(nets, found, strict=True))[:k]:
            if track is not None and track == there:
                assert max(net.ends) < min(other.ends) or max(other.ends) < min(net.ends)


def test_routes_turn_with_round_bends() -> None:
    straight = spline([(0, 0), (30, 0)])
    bent = spline([(0, 0), (30, 0), (30, 40)])
    assert straight == "e,30,0 0,0 0,0 24,0 24,0"
    assert bent == "e,30,40 0,0 0,0 21,0 21,0 26,0 30,4 30,9 30,9 30,34 30,34"
