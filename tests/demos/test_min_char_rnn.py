"""min-char-rnn on the engine against the same by hand: forward, backward and Adagrad in NumPy alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from demos import console, min_char_rnn
from tinygrad_rnn import Tensor, text
from tinygrad_rnn.tensor import Array

H, T = 100, 25
VOCABULARY = text.Vocabulary.from_text(text.read_text(console.DATA / "tiny_shakespeare.txt"))
IDS = VOCABULARY.encode(text.read_text(console.DATA / "tiny_shakespeare.txt")[:12_000])
V = len(VOCABULARY)
NAMES = ("W_xh", "W_hh", "W_hy", "b_h", "b_y")


class ByHand:
    """The model of the gist, its loss and its gradients written out."""

    def __init__(self) -> None:
        normal = np.random.RandomState(0).randn
        self.weights = [normal(H, V) * 0.01, normal(H, H) * 0.01, normal(V, H) * 0.01, np.zeros(H), np.zeros(V)]
        self.memory = [np.zeros_like(weight) for weight in self.weights]
        self.h = np.zeros(H)

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        W_xh, W_hh, W_hy, b_h, b_y = self.weights
        hs, ps, before = np.zeros((T, H)), np.zeros((T, V)), self.h
        for t in range(T):
            hs[t] = np.tanh(W_xh[:, x[t]] + W_hh @ (hs[t - 1] if t else before) + b_h)
            e = np.exp(W_hy @ hs[t] + b_y)
            ps[t] = e / e.sum()
        self.h = hs[-1].copy()
        loss = -np.log(ps[range(T), y]).sum()
        ps[range(T), y] -= 1
        g_xh, g_hh, g_h, back = np.zeros_like(W_xh), np.zeros_like(W_hh), np.zeros(H), np.zeros(H)
        for t in reversed(range(T)):
            a = (W_hy.T @ ps[t] + back) * (1 - hs[t] ** 2)
            g_xh[:, x[t]] += a
            g_hh += np.outer(a, hs[t - 1] if t else before)
            g_h += a
            back = W_hh.T @ a
        return float(loss), [g_xh, g_hh, ps.T @ hs, g_h, ps.sum(0)]

    def curve(self) -> Iterator[float]:
        smooth = T * math.log(V)
        for start in itertools.cycle(range(0, len(IDS) - T - 1, T)):
            if start == 0:
                self.h = np.zeros(H)
            loss, gradients = self.loss_and_gradients(IDS[start : start + T], IDS[start + 1 : start + T + 1])
            for weight, gradient, memory in zip(self.weights, gradients, self.memory, strict=True):
                np.clip(gradient, -5, 5, out=gradient)
                memory[...] += gradient**2
                weight[...] -= 0.1 * gradient / np.sqrt(memory + 1e-8)
            smooth = 0.999 * smooth + 0.001 * loss
            yield smooth


def test_every_one_of_1000_iterations_is_the_same_to_rounding() -> None:
    """From equal weights at its beginning, each iteration gives equal losses and equal weights; each has its states."""
    hand, model = ByHand(), min_char_rnn.MinCharRNN(V, 0)
    ours, theirs = min_char_rnn.smoothed(min_char_rnn.train(model, IDS), V), hand.curve()
    for _ in range(1000):
        smooth, expected = next(ours), next(theirs)
        assert smooth == pytest.approx(expected, rel=1e-9)
        for name, weight in zip(NAMES, hand.weights, strict=True):
            parameter: Tensor = getattr(model, name)
            assert_allclose(parameter.data, weight, rtol=0, atol=1e-9)
            weight[...] = parameter.data


def test_left_alone_the_curve_is_that_by_hand_as_far_as_rounding_lets_any_two_agree() -> None:
    hand, other = ByHand(), ByHand()
    other.weights[2] += 1e-15
    losses = min_char_rnn.train(min_char_rnn.MinCharRNN(V, 0), IDS)
    curves = [hand.curve(), other.curve(), min_char_rnn.smoothed(losses, V)]
    by_hand, moved, ours = np.array([list(itertools.islice(curve, 1000)) for curve in curves])
    assert_allclose(ours[:200], by_hand[:200], rtol=1e-7)
    assert_allclose(ours, by_hand, rtol=5e-3)
    assert abs(moved / by_hand - 1)[999] > 1e-5  # a hundred million times what the weights were moved by


def test_char_rnn_has_the_published_number_of_parameters() -> None:
    assert min_char_rnn.char_rnn_parameters(65) == 240_321


def test_the_demo_starts_as_the_gist_does(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    min_char_rnn.main(["--plot", str(tmp_path / "curve.svg")])
    out = capsys.readouterr().out
    assert "1,115,394 characters, 65 distinct" in out
    assert "240,321 parameters" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(("0 ", "1000 "))]
    assert rows[0] == ["0", "104.36", "104.36"]
    assert float(rows[1][1]) == pytest.approx(85.41, abs=0.5)  # as measured in NumPy, and a little chaos
    now = float(out.partition("in training, the last 100 windows: ")[2].split()[0])
    assert now == pytest.approx(2.64, abs=0.1)  # the smooth loss, 3.42, remembers the beginning
    assert "n-grams of order 5, counted on the first eight tenths, have 1.965 on the last\n" in out
    assert len(out.partition("on the last\n\n")[2].partition("\nwrote")[0]) == 200
