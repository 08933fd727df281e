from typing import Any

import numpy as np
import pytest

from tests.draw.dot import read
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.flow import flow, tracks

X = np.random.default_rng(0).standard_normal((6, 2, 3)).astype(np.float32)


def leaves(loss: Tensor) -> list[str]:
    """The first line of what has no border of an operation, in the picture of ``loss``."""
    return [look["label"].split("\n")[0] for look in read(draw(loss).source).nodes.values() if "✂" in look["label"]]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("make", "names"), [(nn.RNN, ["h₀ ✂"]), (nn.LSTM, ["h₀ ✂", "c₀ ✂"]), (nn.GRU, ["h₀ ✂"])])
def test_scissors_stand_where_truncated_bptt_detaches(make: Any, names: list[str], layers: int) -> None:
    layer = make(3, 4, layers, rng=0)
    windows = [outputs.sum() for _, outputs, _ in nn.truncated_bptt(layer, Tensor(X), k1=2)]
    assert leaves(windows[0]) == []
    for loss in windows[1:]:
        assert leaves(loss) == names * layers
    assert sorted(", ".join(leaves(windows[0] + windows[1] + windows[2])).split(", ")) == sorted(names * layers * 2)


def test_states_after_a_cut_keep_their_names() -> None:
    lstm = nn.LSTM(3, 4, rng=0)
    _, second = (outputs.sum() for _, outputs, _ in nn.truncated_bptt(lstm, Tensor(X), k1=3))
    assert [track.name for track in tracks(flow(second).graph)] == ["c", "h"]


def test_given_states_keep_their_names_in_every_layer() -> None:
    gru = nn.GRU(3, 4, 2, rng=0)
    start = Tensor(np.ones((2, 2, 4), np.float32), name="question")
    outputs, _ = gru(X, start)
    starts = [look["label"] for look in read(draw(outputs.sum()).source).nodes.values() if "question" in look["label"]]
    assert starts == ["question\n2×4"] * 2


def test_a_loop_of_ones_own_is_cut_by_nn_detach() -> None:
    w = Tensor(2.0, requires_grad=True, name="w")
    h: Any = Tensor(1.0, name="h₀")
    for _ in range(2):
        h = (nn.detach(h) * w).tanh()
    assert leaves(h) == ["✂"]
