"""Truncated backpropagation through time against one written by hand, with and without updates between windows."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.tensor import Array

B, F, H = 2, 3, 4


def by_hand(W: Array, U: Array, x: Array, y: Array, *, k1: int, k2: int, rate: float) -> Iterator[tuple[Array, Array]]:
    """h_t = tanh(W x_t + U h_{t-1}), loss ½ Σ (h_t - y_t)²: the gradients of W and U at each update.

    Every k1 steps the errors of the last k1 steps go back k2 steps; activations are those of the present weights,
    from the state that was there before those k2 steps.
    """
    T, start, h0 = len(x), 0, np.zeros((B, H))
    for first in range(0, T, k1):
        end = min(first + k1, T)
        hs = {start - 1: h0}
        for t in range(start, end):
            hs[t] = np.tanh(x[t] @ W.T + hs[t - 1] @ U.T)
        gW, gU, dh = np.zeros_like(W), np.zeros_like(U), np.zeros((B, H))
        for t in reversed(range(start, end)):
            if t >= first:
                dh = dh + hs[t] - y[t]
            da = dh * (1 - hs[t] ** 2)
            gW += da.T @ x[t]
            gU += da.T @ hs[t - 1]
            dh = da @ U
        yield gW, gU
        start = max(start, end + k1 - k2)
        h0 = hs[start - 1]
        W, U = W - rate * gW, U - rate * gU


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 5), st.sampled_from([0.0, 0.1]))
@example(9, 2, 0, 0.1)
@example(9, 3, 2, 0.1)
@example(7, 1, 5, 0.1)
def test_gradients_are_those_of_the_loop_by_hand(T: int, k1: int, extra: int, rate: float) -> None:
    rng = np.random.default_rng(T + 10 * k1 + 100 * extra)
    x, y = rng.normal(size=(T, B, F)), rng.normal(size=(T, B, H))
    rnn = nn.RNN(F, H, bias=False, dtype=np.float64, rng=rng)
    W, U = rnn.weight_ih_l0, rnn.weight_hh_l0
    expected = list(by_hand(W.data, U.data, x, y, k1=k1, k2=k1 + extra, rate=rate))
    seen = []
    for steps, outputs, state in nn.truncated_bptt(rnn, x, k1=k1, k2=k1 + extra):
        assert len(outputs) == steps.stop - steps.start
        assert_array_equal(state.data[0], outputs.data[-1])
        assert not state.requires_grad
        difference = outputs - y[steps]
        (difference * difference * 0.5).sum().backward()
        seen.append((W.grad, U.grad))
        W.data, U.data = W.data - rate * W.grad, U.data - rate * U.grad
        W.grad = U.grad = None
    assert len(seen) == len(expected)
    for ours, theirs in zip(seen, expected, strict=True):
        assert_allclose(ours[0], theirs[0], rtol=1e-10, atol=1e-13)
        assert_allclose(ours[1], theirs[1], rtol=1e-10, atol=1e-13)


def test_gradients_reach_back_k2_steps_and_no_further() -> None:
    lstm = nn.LSTM(F, H, rng=0, dtype=np.float64)
    x = Tensor(np.random.default_rng(0).normal(size=(9, B, F)), requires_grad=True)
    reached = []
    for _, outputs, _ in nn.truncated_bptt(lstm, x, k1=2, k2=5):
        outputs[-1].sum().backward()
        steps = np.flatnonzero(np.abs(x.grad).max((1, 2)))
        reached.append((int(steps[0]), int(steps[-1])))
        x.grad = None
    assert reached == [(0, 1), (0, 3), (1, 5), (3, 7), (5, 8)]  # the last round has one step


def test_without_updates_the_outputs_are_those_of_the_whole_sequence() -> None:
    gru = nn.GRU(F, H, 2, rng=0, dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(11, B, F))
    h = np.random.default_rng(1).normal(size=(2, B, H))
    whole, last = gru(x, h)
    for k1, k2 in ((3, 3), (3, 7), (2, 4), (20, 20), (1, 1)):
        rounds = list(nn.truncated_bptt(gru, x, h, k1=k1, k2=k2))
        assert_allclose(np.concatenate([outputs.data for _, outputs, _ in rounds]), whole.data, atol=1e-14)
        assert_allclose(rounds[-1][2].data, last.data, atol=1e-14)
        assert [steps.start for steps, _, _ in rounds] == list(range(0, 11, k1))


def test_by_default_windows_stand_side_by_side_and_run_once() -> None:
    runs: list[int] = []

    def layer(x: Any, state: Any) -> tuple[Tensor, Tensor]:
        runs.append(len(x))
        return x * 1.0, Tensor(float(len(runs)))

    assert len(list(nn.truncated_bptt(layer, Tensor(np.ones((10, 1)), requires_grad=True), k1=4))) == 3
    assert runs == [4, 4, 2]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("batch_first", r"cut along the first axis of x, which must be time, .* give x.swapaxes\(0, 1\)"),
        ("bidirectional", "the reverse direction of a bidirectional layer begins at the end of the sequence"),
    ],
)
def test_layers_whose_windows_are_not_those_of_time(option: str, message: str) -> None:
    options: dict[str, Any] = {option: True}
    with pytest.raises(ValueError, match=message):
        nn.truncated_bptt(nn.RNN(F, H, **options), np.zeros((5, B, F)), k1=2)


@pytest.mark.parametrize(("k1", "k2"), [(0, 1), (3, 2), (0, 0), (-1, None), (2.5, None), (2, 2.5), ("2", "3")])
def test_k1_and_k2_that_make_no_sense(k1: Any, k2: Any) -> None:
    with pytest.raises(ValueError, match=rf"truncated_bptt: .* 1 <= k1 <= k2, but k1 = {k1!r} and k2"):
        nn.truncated_bptt(nn.RNN(F, H), np.zeros((5, B, F)), k1=k1, k2=k2)


def test_detach_goes_through_nested_states() -> None:
    h = Tensor(np.ones(2), requires_grad=True) * 2
    state = {"layers": [(h, h), None], "step": 3}
    free = nn.detach(state)
    assert free["step"] == 3
    assert free["layers"][1] is None
    assert type(free["layers"][0]) is tuple
    assert not free["layers"][0][1].requires_grad
    assert free["layers"][0][0].node is None
    assert_array_equal(free["layers"][0][0].data, h.data)
    assert h.requires_grad


class Both(NamedTuple):
    h: Tensor
    c: Tensor | None


def test_detach_keeps_named_tuples() -> None:
    state = nn.detach(Both(Tensor(1.0, requires_grad=True) * 2, None))
    assert type(state) is Both
    assert not state.h.requires_grad
    assert state.c is None


def test_carried_state_lets_old_graphs_go() -> None:
    """Backward through a window does not meet the window before, which has been freed."""
    lstm = nn.LSTM(F, H, rng=0)
    x, state = np.ones((3, B, F), np.float32), None
    for _ in range(3):
        outputs, state = lstm(x, state)
        outputs.sum().backward()
        state = nn.detach(state)
    outputs, state = lstm(x)
    outputs.sum().backward()
    with pytest.raises(RuntimeError, match="detach"):
        lstm(x, state)[0].sum().backward()
