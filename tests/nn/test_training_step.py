"""The step that the benchmark measures is one that learns."""

import numpy as np
import pytest

from tests.benchmarks.steps import make_step


@pytest.mark.parametrize("mode", ["unroll", "scan"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_loss_starts_at_that_of_a_uniform_guess_and_falls(kind: str, mode: str) -> None:
    step = make_step(kind, V=5, H=16, L=2, T=6, B=4, mode=mode)
    losses = [step() for _ in range(100)]
    assert abs(losses[0] - np.log(5)) < 0.2
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(("kind", "mode"), [("lstm", "fused"), ("transformer", "unroll")])
def test_unknown_kinds_and_modes_are_refused(kind: str, mode: str) -> None:
    with pytest.raises(ValueError, match=rf"mode one of \['unroll', 'scan'\], not '{kind}' and '{mode}'"):
        make_step(kind, V=5, H=4, L=1, T=2, B=1, mode=mode)
