"""A plan can be read."""

import pytest

from tinygrad_rnn.scan.__main__ import main, text


def test_the_plan_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lstm"])
    printed = capsys.readouterr().out
    assert printed.strip() == text("lstm", 2, 3, 4)
    for line in (
        "recorded: 14 operations",
        "forward, at each step: 20 calls",
        "backward, at each step: 25 calls",
        "matmul(state0, v7)",
        "slice [:, 12:16] of v55",
        "cotangent of invariant0: Σ_t v55ᵀ state0, one product over stacked rows",
    ):
        assert line in printed
