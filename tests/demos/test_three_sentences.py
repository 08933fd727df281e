"""Three sentences learned by heart: exact when greedy, varied when drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demos import three_sentences
from tests.demos.printed import printed


@pytest.mark.parametrize("seed", range(3))
def test_greedy_continuation_is_the_sentence_each_time(seed: int) -> None:
    model, losses = three_sentences.train(seed)
    assert losses[0] == pytest.approx(2.86, abs=0.1)
    assert losses[-1] < 0.3
    assert len(model.vocabulary) == 17
    assert three_sentences.LENGTH == max(map(len, three_sentences.SENTENCES)) == 15
    rng = np.random.default_rng(0)
    assert [model.continuation("good", 0.0, rng) for _ in range(2)] == ["good i am fine "] * 2


def test_the_demo_draws_other_texts_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    three_sentences.main(["--plot", str(tmp_path / "expected.png")])
    out = printed(capsys)
    assert "greedy from 'good': 'good i am fine ', and again 'good i am fine '\n" in out
    different = [int(line.split(", ")[1].split()[0]) for line in out.splitlines() if line.startswith("100 draws")]
    assert len(different) == 3
    assert 1 < different[0] < different[1] < different[2] <= 100  # the hotter, the more varied
    assert (tmp_path / "expected.png").stat().st_size > 5000
