from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from demos.lm.model import CharLM
from demos.lm.report import connectivity as module
from demos.lm.report import neurons
from demos.lm.report.chart import Series
from demos.lm.report.connectivity import along_time, connectivity
from demos.lm.report.signs import sign
from tests.demos.report_pages import steady, tiny
from tinygrad_rnn import cross_entropy, no_grad
from tinygrad_rnn.op import thread
from tinygrad_rnn.tensor import Array, Tensor
from tinygrad_rnn.text import Vocabulary

CELLS = ("rnn", "lstm", "gru")


def started(model: CharLM) -> Any:
    with no_grad():
        return model(np.array([[3], [1]]))[1]


IDS = np.array([0, 1, 4, 2, 2, 3, 0])


def logits_of(model: CharLM, vectors: Array, state: Any) -> Array:
    with no_grad():
        return np.asarray(model.head(model.recurrent(Tensor(vectors[:, None]), state)[0]).data[:, 0])


@pytest.mark.parametrize("cell", CELLS)
def test_connectivity_equals_central_differences(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COPIES", 4)  # of six, so that two passes make it up
    model = tiny(cell)
    state, vectors = started(model), model.embedding.weight.data[IDS[:-1]]
    T, E = vectors.shape
    slopes, step = np.zeros((T, T, E)), 1e-5
    for s, e in np.ndindex(T, E):
        change = np.zeros_like(vectors)
        change[s, e] = step
        up, down = (logits_of(model, vectors + sign * change, state) for sign in (1, -1))
        slopes[:, s, e] = ((up - down) / (2 * step))[np.arange(T), IDS[1:]]
    expected = np.linalg.norm(slopes, axis=-1)
    found = connectivity(model, IDS, state)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert (found[np.tril_indices(T)] > 0).all()
    assert not found[np.triu_indices(T, 1)].any()


@pytest.mark.parametrize("cell", CELLS)
def test_norms_along_time_are_those_of_states_and_of_differences(cell: str) -> None:
    model = tiny(cell)
    norms = along_time(model, IDS, started(model))

    def rest(state: Any, t: int) -> float:
        with no_grad():
            logits, _ = model(IDS[t + 1 : -1, None], state)
            return float(cross_entropy(logits[-1:], IDS[-1:, None]).data)

    state = started(model)
    for t in range(len(IDS) - 2):
        with no_grad():
            _, state = model(IDS[t : t + 1, None], state)
        parts = [tensor.data for tensor in (state if isinstance(state, tuple) else (state,))]
        for k, name in enumerate(norms.states):
            np.testing.assert_allclose(norms.states[name][t], np.linalg.norm(parts[k][:, 0], axis=-1), rtol=1e-12)
            slopes = np.zeros_like(parts[k])
            for place in np.ndindex(slopes.shape):
                ends = []
                for step in (1e-5, -1e-5):
                    moved = [part.copy() for part in parts]
                    moved[k][place] += step
                    tensors = tuple(map(Tensor, moved))
                    ends.append(rest(tensors if len(tensors) > 1 else tensors[0], t))
                slopes[place] = (ends[0] - ends[1]) / 2e-5
            expected = np.linalg.norm(slopes[:, 0], axis=-1)
            np.testing.assert_allclose(norms.gradients[name][t], expected, rtol=1e-5, atol=1e-9)
    assert list(norms.states) == (["h", "c"] if cell == "lstm" else ["h"])


def test_the_section_shows_means_by_lag_and_norms_along_time(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Series] = []

    def keep(series: list[Series], **_: object) -> str:
        drawn.extend(series)
        return ""

    monkeypatch.setattr(module, "chart", keep)
    model, ids = tiny("lstm"), np.random.default_rng(3).integers(0, 5, 19)
    module.section(model, ids)
    T, found, norms = 18, connectivity(model, ids), along_time(model, ids)
    lags = [np.mean([found[t, t - lag] for t in range(lag, T)]) for lag in range(15)]
    curves = [lags, *norms.states["h"].T, *norms.states["c"].T, *norms.gradients["h"].T, *norms.gradients["c"].T]
    names = ["h of layer 0", "h of layer 1", "c of layer 0", "c of layer 1"]
    assert [series.name for series in drawn] == ["mean over the passage", *names, *names]
    for series, expected in zip(drawn, curves, strict=True):
        np.testing.assert_allclose(series.points, list(enumerate(expected)), rtol=1e-9)


def test_the_section_needs_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No result is larger than the inputs of one pass, and there are no plans, of which each step would keep one."""
    model, ids = tiny("lstm"), np.random.default_rng(3).integers(0, 5, 81)
    model.recurrent.unroll = False
    results: list[Tensor] = []
    monkeypatch.setattr(thread.recorder, "observers", (results.append,))
    module.section(model, ids)
    assert max(result.size for result in results) <= 80 * module.COPIES * 12
    assert not any(plans.found for plans in model.recurrent.plans)


def test_layers_run_by_plans_again_after_the_section_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("gru")
    model.recurrent.unroll = False
    module.section(model, IDS)
    assert not model.recurrent.unroll

    def full(*_: object) -> None:
        assert model.recurrent.unroll
        raise MemoryError

    monkeypatch.setattr(module, "along_time", full)
    with pytest.raises(MemoryError):
        module.section(model, IDS)
    assert not model.recurrent.unroll


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_read_are_the_states_and_predictions_of_the_model(cell: str) -> None:
    model, ids = tiny(cell), np.tile(IDS, 5)
    reading, state = neurons.read(model, ids), None
    for t, index in enumerate(ids):
        with no_grad():
            logits, state = model(np.array([[index]]), state)
        own = (state[1] if isinstance(state, tuple) else state).data[:, 0]
        np.testing.assert_allclose(reading.states[:, :, t], own, rtol=0, atol=1e-12)
        p = np.exp(logits.data[0, 0] - np.logaddexp.reduce(logits.data[0, 0]))
        assert (reading.guesses[t] == np.argsort(-p)).all()
        np.testing.assert_allclose(reading.chances[t] / 255, np.sort(p)[::-1], atol=0.5 / 255 + 1e-12)


def test_colours_are_the_states() -> None:
    model, ids = tiny("lstm"), np.random.default_rng(1).integers(0, 5, 700)
    states = neurons.read(model, ids).states
    quick = np.stack([neurons.steady(rows) for rows in states])
    colours = neurons.coloured(quick)
    for unit in np.ndindex(2, 3):
        own, reach = steady(states[unit]), colours.reach[unit]
        np.testing.assert_allclose(quick[unit], own, rtol=0, atol=1e-10)
        assert reach == pytest.approx(2.5 * own.std())
        np.testing.assert_allclose(colours.levels[unit] / 127, np.clip(own / reach, -1, 1), atol=0.5 / 127 + 1e-9)


def test_the_colour_of_a_unit_that_never_changes_is_none() -> None:
    assert not neurons.coloured(neurons.steady(np.full((1, 1, 5), 0.5, np.float32))).levels.any()


def test_correlations_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    states, values = rng.normal(size=(2, 3, 50)), rng.normal(size=50)
    states[1, 2] = 4.0
    expected = np.array([[np.corrcoef(row, values)[0, 1] for row in rows] for rows in states[:, :2]])
    found = neurons.correlations(states, values)
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-12)
    assert found[1, 2] == 0
    assert not neurons.correlations(states, np.ones(50)).any()


def test_units_are_ranked_by_how_much_they_are_like_a_property_whichever_the_sign() -> None:
    model = tiny("lstm")
    model.vocabulary = Vocabulary('aB\n" ')
    ids = np.random.default_rng(5).integers(0, 5, 300)
    made = neurons.section(model, ids, "text")
    states, decoded = neurons.read(model, ids).states, model.vocabulary.decode(ids)
    parts = made.body.split("<ol>")[1:]
    for part, values in zip(parts, neurons.properties(decoded).values(), strict=True):
        found = re.findall(r'data-unit="(\d),(\d)">layer (\d), unit (\d)</button> ([+-][\d.]+)', part)
        r = {place: np.corrcoef(steady(states[place]), values)[0, 1] for place in np.ndindex(2, 3)}
        order = sorted(r, key=lambda place: -abs(r[place]))
        assert [(int(a), int(b)) for a, b, *_ in found] == [(int(c), int(d)) for _, _, c, d, _ in found] == order
        assert [float(shown) for *_, shown in found] == pytest.approx([r[place] for place in order], abs=6e-4)
        signed = [r[place] for place in order]
        assert signed != sorted(signed, reverse=True)  # the sign makes a difference
    assert made.data["first"] == tuple(map(int, re.findall(r'data-unit="(\d),(\d)"', parts[0])[0]))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('a "bc" d', "00111000"), ("«Ёж» и", "111000"), ("“a” b", "11000"), ('"ab\n\nc"d', "11110011"),
    ],
)  # fmt: skip
def test_inside_quotes(text: str, inside: str) -> None:
    assert "".join(f"{value:.0f}" for value in neurons.properties(text)["inside quotes"]) == inside


def test_position_and_capitals() -> None:
    found = neurons.properties("Да\nÉ x")
    assert found["position in the line"].tolist() == [1, 2, 0, 1, 2, 3]
    assert found["after a capital"].tolist() == [1, 0, 0, 1, 0, 0]


def test_signs_are_one_column_wide() -> None:
    assert [sign(c) for c in "й\u0306\u200b漢\r"] == ["й", "◌\u0306", "·", "▯", "␍"]
