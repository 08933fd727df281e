from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.store import Case, load
from tinygrad_rnn import Tensor
from tinygrad_rnn.optim import SGD, CosineDecay, ExponentialDecay, Schedule, StepDecay, WarmUp

KINDS: dict[str, Callable[[dict[str, Any]], Schedule]] = {
    "StepLR": lambda o: StepDecay(o["lr"], o["step_size"], o["gamma"]),
    "ExponentialLR": lambda o: ExponentialDecay(o["lr"], o["gamma"]),
    "CosineAnnealingLR": lambda o: CosineDecay(o["lr"], o["T_max"], o["eta_min"]),
    "LinearLR": lambda o: WarmUp(o["lr"], o["total_iters"], o["start_factor"]),
}
CASES = [case for case in load("torch_optim") if case.options["kind"] in KINDS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rates_are_those_of_pytorch(case: Case) -> None:
    schedule = KINDS[case.options["kind"]](case.options)
    np.testing.assert_allclose([schedule(step) for step in range(25)], case.arrays["lr"], rtol=1e-12)


def test_the_golden_file_has_every_schedule() -> None:
    assert [case.options["kind"] for case in CASES] == list(KINDS)


@given(warm=st.integers(0, 20), steps=st.integers(1, 50), step=st.integers(0, 100), factor=st.floats(0, 1))
def test_warm_up_rises_to_the_schedule_and_then_is_it(warm: int, steps: int, step: int, factor: float) -> None:
    cosine = CosineDecay(0.5, steps, 0.1)
    schedule = WarmUp(cosine, warm, factor)
    if step >= warm:
        assert schedule(step) == cosine(step - warm)
    else:
        assert schedule(step) == pytest.approx(0.5 * (factor + (1 - factor) * step / warm), rel=1e-12)
    assert schedule(warm) == 0.5


def test_cosine_stays_at_its_end() -> None:
    schedule = CosineDecay(1.0, 10, 0.25)
    assert schedule(0) == 1
    assert [schedule(step) for step in (10, 11, 15, 20, 1000)] == [0.25] * 5


def test_warm_up_takes_any_function_of_the_step() -> None:
    schedule = WarmUp(lambda step: 1 / (1 + step), steps=2, start_factor=0.5)
    assert [schedule(step) for step in range(5)] == [0.5, 0.75, 1, 1 / 2, 1 / 3]


def test_a_schedule_is_a_value() -> None:
    schedule = WarmUp(StepDecay(0.1, 5), 3)
    assert schedule == WarmUp(StepDecay(lr=0.1, step_size=5, gamma=0.1), steps=3, start_factor=1 / 3)
    assert repr(StepDecay(0.1, 5)) == "StepDecay(lr=0.1, step_size=5, gamma=0.1)"
    forward = [schedule(step) for step in range(20)]
    assert [schedule(step) for step in reversed(range(20))] == forward[::-1]


def test_an_optimizer_follows_it() -> None:
    w = Tensor([1.0], requires_grad=True)
    optimizer, schedule = SGD([w]), CosineDecay(0.5, 2)
    moved = []
    for step in range(3):
        optimizer.lr = schedule(step)
        before = w.item()
        w.grad[...] = 1
        optimizer.step()
        moved.append(before - w.item())
    assert moved == pytest.approx([0.5, 0.25, 0])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: StepDecay(0.1, 0), "StepDecay: step_size must be at least 1, got 0"),
        (lambda: CosineDecay(0.1, 0), "CosineDecay: steps must be at least 1, got 0"),
        (lambda: WarmUp(0.1, -1), "WarmUp: steps must be at least 0, got -1"),
    ],
)
def test_lengths_out_of_range(make: Callable[[], Schedule], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()
