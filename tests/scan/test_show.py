"""A plan can be read."""

import pytest

from tinygrad_rnn.scan.__main__ import main, text


def test_the_plan_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lstm"])
    printed = capsys.readouterr().out
    assert printed.strip() == text("lstm", 2, 3, 4)
    for line in (
        "recorded: 14 operations",
        "forward, at each step: 16 calls",
        "backward, for all steps at once, before the loop: 13 calls",
        "backward, at each step: 10 calls",
        "matmul(state0, v7)",
        "slice [:, 12:16] of v54",
        "cotangent of invariant0: Σ_t v54ᵀ state0, one product over stacked rows",
    ):
        assert line in printed
    assert not any(line.endswith(" ") for line in printed.splitlines())


def test_every_pass_can_be_seen() -> None:
    printed = text("lstm", 2, 3, 4, passes=True).splitlines()
    titles = [line for line in printed if line.endswith("calls") and not line.startswith(" ")]
    assert titles[:6] == [
        "as the operations make them, forward: 20 calls",
        "as the operations make them, backward: 25 calls",
        "products regrouped, forward: 20 calls",
        "products regrouped, backward: 25 calls",
        "calls on neighbouring slices joined, forward: 16 calls",
        "calls on neighbouring slices joined, backward: 23 calls",
    ]
