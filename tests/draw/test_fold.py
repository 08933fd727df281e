"""Folds: long unrolls in a few columns, and steps that differ."""

import numpy as np
import pytest

from tests.draw.cells import CELLS
from tests.draw.networks import lstm
from tinygrad_rnn import Tensor, tanh
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.scope import scope


def folds(loss: Tensor, **options: object) -> list[tuple[str, ...]]:
    """The labels of folds."""
    scene = scene_of(loss, **options)  # type: ignore[arg-type]
    return [mark.lines for mark in scene.marks.values() if mark.family == "fold"]


def test_a_long_unroll_keeps_the_first_three_and_the_last_two_steps() -> None:
    loss = lstm(100)
    assert folds(loss) == [("t = 3 … 97", "95 steps")]
    scene = scene_of(loss)
    titles = [frame.title for frame in scene.frames.values() if frame.kind == "column"]
    assert titles == ["t = 0", "t = 1", "t = 2", "t = 98", "t = 99"]


def test_each_lane_of_a_fold_is_one_mark_through_which_states_run_straight() -> None:
    scene = scene_of(CELLS["GRU, two layers, dropout"](12), level="op", fold=True)
    marks = [mark for mark in scene.marks.values() if mark.family == "fold"]
    assert [mark.lines for mark in marks] == [("t = 3 … 9", "7 steps")] * 2
    for mark in marks:
        around = [line for line in scene.lines if mark.name in {line.tail, line.head} and line.kind == "state"]
        assert len(around) >= 2
        out = next(line for line in around if line.tail == mark.name)
        assert len({y for _, y in out.route[:2]}) == 1


def test_windows_of_steps() -> None:
    loss = lstm(30)
    assert folds(loss, steps=range(10, 13)) == [("t = 0 … 9", "10 steps"), ("t = 13 … 29", "17 steps")]
    assert folds(loss, level="op", steps=slice(-2, None)) == [("t = 0 … 27", "28 steps")]
    assert folds(loss, steps=slice(None)) == []
    assert folds(loss, level="op", steps=range(1, 29)) == []  # a fold of one step says no less than the step
    with pytest.raises(ValueError, match=r"none of the time steps is in steps=range\(50, 60\); they run from 0 to 29"):
        scene_of(loss, steps=range(50, 60))
    with pytest.raises(ValueError, match=r"none of the time steps is in steps=range\(0, 3\); this graph has none"):
        scene_of(Tensor([1.0], requires_grad=True) * 2, level="cell", steps=range(3))


def test_folded_steps_that_differ_are_named() -> None:
    h, w = Tensor(np.ones((2, 2)), True), Tensor(np.ones((2, 2)), True)
    for t in range(20):
        with scope("rnn"), scope(t):
            h = tanh(h @ w)
            if t in {8, 11}:
                h = h * 0.5
    assert folds(h, level="op", fold=True) == [("t = 3 … 17", "15 steps", "t = 8, 11 differ")]
    assert folds(h, level="op", steps=range(9, 20)) == [("t = 0 … 8", "9 steps", "t = 8 differs")]
