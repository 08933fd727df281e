"""Anomaly mode names the first value that is not finite: what made it, where, at which line, from what."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.debug import planted
from tests.debug.planted import Model, Plant, inputs
from tinygrad_rnn import Tensor, gradients, nn
from tinygrad_rnn.debug import NonFiniteError, anomaly, trace
from tinygrad_rnn.op import thread
from tinygrad_rnn.scope import scope

PLANTS: list[tuple[Plant, str, str, str]] = [  # what is planted, the headline, the operation, the line
    (planted.forward_inf, "forward: div made the first value that is not finite: ", "div", "return h / (1 - flag)"),
    (
        planted.forward_nan,
        "forward: sqrt made the first value that is not finite: NaN at (0,0), 15 of 15 elements",
        "sqrt",
        "return tg.sqrt(h * h * (1 - flag) - flag)",
    ),
    (
        planted.backward_inf,
        "backward: the rule of sqrt made the first gradient that is not finite, that of its input 'x': ",
        "sqrt",
        "return h + tg.sqrt(h * 0 + 1 - flag)",
    ),
    (
        planted.backward_nan,
        "backward: the rule of sqrt made the first gradient that is not finite, that of its input 'x': NaN at (0,0)",
        "sqrt",
        "return h + 0 * tg.sqrt(h * 0 + 1 - flag)",
    ),
]


def run(plant: Plant, *, unroll: bool) -> str:
    """What anomaly mode says of a training step."""
    model = Model(plant, unroll=unroll)

    def step() -> None:
        logits = model(inputs())
        (logits * logits).sum().backward()

    with pytest.raises(NonFiniteError) as error, anomaly():
        step()
    return str(error.value)


def rows(text: str) -> dict[str, str]:
    """The lines below the headline, by what stands before two spaces."""
    pairs = [re.split(r" {2,}", line.strip(), maxsplit=1) for line in text.splitlines()[1:]]
    return {name: value for name, value in pairs}  # noqa: C416  for mypy


@pytest.mark.parametrize(("plant", "headline", "op", "line"), PLANTS, ids=[p.__name__ for p, *_ in PLANTS])
def test_what_was_planted_in_layer_1_at_step_7_is_named(plant: Plant, headline: str, op: str, line: str) -> None:
    text = run(plant, unroll=True)
    found = rows(text)
    assert text.startswith(headline)
    assert found["operation"].startswith(f"{op}(%")
    assert found["where"] == "model.lstm.layer1 / t=7"
    assert re.fullmatch(rf"planted\.py:\d+: {re.escape(line)}", found["line"])
    assert found["input x"].startswith("float32 (3,5)  ")
    assert "inside" not in found


@pytest.mark.parametrize(("plant", "headline", "op", "line"), PLANTS, ids=[p.__name__ for p, *_ in PLANTS])
def test_a_planned_scan_is_named_and_how_to_see_inside(plant: Plant, headline: str, op: str, line: str) -> None:
    text = run(plant, unroll=False)
    found = rows(text)
    assert text.startswith(
        headline.split(op, maxsplit=1)[0] + "planned_scan made" if "forward" in headline else headline[:9]
    )
    assert "planned_scan" in text.splitlines()[0]
    assert found["where"] == "model.lstm.layer1"
    assert "with unroll=True every operation of every step is checked by itself" in found["inside"]
    assert found["inside"].endswith(f"its {'outputs' if 'forward' in headline else 'gradients'} go wrong at t=7")


def test_the_whole_text() -> None:
    x = Tensor(np.array([[0.25, 1.0], [-4.0, 9.0]], np.float32), True, name="x")
    with pytest.raises(NonFiniteError) as error, anomaly(), scope("model"), scope(7):
        tg.log(x * 2)
    line = test_the_whole_text.__code__.co_firstlineno + 3
    assert str(error.value).splitlines() == [
        "forward: log made the first value that is not finite: NaN at (1,0), 1 of 4 elements",
        "  operation  log(%0)",
        "  where      model / t=7",
        f"  line       test_anomaly.py:{line}: tg.log(x * 2)",
        "  input x    float32 (2,2)  -8 … 18",
        "  result     float32 (2,2)  -0.693 … 2.89, 1 NaN",
    ]


def test_the_whole_text_of_backward() -> None:
    x = Tensor([0.0, 4.0], True, name="x")
    with pytest.raises(NonFiniteError) as error, anomaly():
        tg.sqrt(x).sum().backward()
    line = test_the_whole_text_of_backward.__code__.co_firstlineno + 3
    what, *about = str(error.value).splitlines()
    assert what == (
        "backward: the rule of sqrt made the first gradient that is not finite, that of its input 'x': "
        "inf at (0,), 1 of 2 elements"
    )
    assert about == [
        "  operation               sqrt(x)",
        "  where                   in no module",
        f"  line                    test_anomaly.py:{line}: tg.sqrt(x).sum().backward()",
        "  input x (x)             float64 (2,)  0 … 4",
        "  result                  float64 (2,)  0 … 2",
        "  gradient of the result  float64 (2,)  1 … 1",
        "  gradient of x           float64 (2,)  0.25 … 0.25, 1 inf",
    ]


def test_what_was_not_finite_before_is_no_fault_of_the_operation_that_is_handed_it() -> None:
    w = Tensor([1.0, np.nan], True, name="w")
    text = (
        r"^forward: mul was handed the first .*, its input 'y' \(w\), which no recorded operation made: NaN at \(1,\)"
    )
    with pytest.raises(NonFiniteError, match=text), anomaly():
        _ = Tensor([1.0, 2.0]) * w


def test_a_sum_of_finite_contributions_that_overflows_is_named_as_such() -> None:
    x = Tensor([1.0, 1.0], True, name="x")
    y = x * 1.0
    total = (y * 1e200).sum() + (y * 1e200).sum()
    text = r"backward: the gradient of %\d \(2,\), a sum of contributions that are finite, is the first that is not"
    with pytest.raises(NonFiniteError, match=text), anomaly():
        total.backward(1e108)


def test_gradients_kept_unexpanded_are_looked_at() -> None:
    w = Tensor(np.ones((2, 2)), True, name="w")
    y = (np.array([[1.0, np.inf]]) @ w).sum()
    with pytest.raises(NonFiniteError, match=r"the rule of matmul .* input 'y': inf at \(1,0\), 2 of 4"), anomaly():
        y.backward()
    y = (np.array([[1.0, 1e200]]) @ w).sum()
    with pytest.raises(NonFiniteError, match=r"the gradient of w \(2,2\), a sum of contributions"), anomaly():
        y.backward(1e200)
    x = Tensor([0.0, 4.0], True)
    for key in (0, [0, 0], slice(0, 1)):
        with pytest.raises(NonFiniteError, match=r"the rule of sqrt"), anomaly():
            tg.sqrt(x[key]).sum().backward()


def test_a_gradient_given_to_backward_is_looked_at() -> None:
    x = Tensor([0.0, 4.0], True)
    text = r"backward: the gradient that it was given is not finite: NaN at \(1,\)"
    with pytest.raises(NonFiniteError, match=text), anomaly():
        (x * 2).backward([1.0, np.nan])


def test_infinite_values_may_be_meant() -> None:
    x = Tensor([1.0, 2.0, 3.0], True)

    def masked() -> Tensor:
        return tg.softmax(tg.where(np.array([True, True, False]), x, -np.inf))[0]

    with (
        pytest.raises(NonFiniteError, match=r"where made the first value that is not finite: -inf at \(2,\), 1 of 3"),
        anomaly(),
    ):
        masked()
    with anomaly(inf=False):
        masked().backward()
        with pytest.raises(NonFiniteError, match=r"NaN at \(0,\), 1 of 3"):
            tg.log(x - 2)
    assert np.isfinite(x.grad).all()


def test_derivatives_of_derivatives_are_looked_at() -> None:
    x = Tensor(0.0, True)
    with anomaly():
        (slope,) = gradients(x**1.5, [x], create_graph=True)
        with pytest.raises(NonFiniteError, match="backward: the rule of pow"):
            slope.backward()


def test_nothing_is_found_where_nothing_is_wrong_and_gradients_are_the_same() -> None:
    for unroll in (True, False):
        found = []
        for watching in (False, True):
            lstm = nn.LSTM(4, 5, 2, unroll=unroll, bidirectional=True, rng=0)
            if watching:
                with anomaly(), trace():
                    lstm(inputs(), lengths=[10, 3, 0])[0].sum().backward()
            else:
                lstm(inputs(), lengths=[10, 3, 0])[0].sum().backward()
            found.append([p.grad for p in lstm.parameters()])
        for plain, watched in zip(*found, strict=True):
            np.testing.assert_array_equal(plain, watched)


def test_the_recorder_is_left_as_it_was_and_numpy_warns_again() -> None:
    with pytest.raises(NonFiniteError), anomaly():
        tg.log(Tensor(-1.0, True))
    assert thread.recorder.observers == ()
    with pytest.warns(RuntimeWarning, match="invalid value"):
        np.log(np.array(-1.0))


def test_lines_are_forgotten_with_their_tensors() -> None:
    x = Tensor(1.0, True)
    with anomaly() as watching:
        for _ in range(3):
            tg.tanh(tg.tanh(x)).backward()
            tg.tanh(x)
        assert not watching.lines.known
