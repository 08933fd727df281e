"""Sampling: what is drawn, what repeats, and what a model that knows nothing is worth."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from demos import sampling
from demos.lm.model import CharLM
from tests.demos.char_lm_runs import train
from tests.demos.printed import printed
from tinygrad_rnn import softmax
from tinygrad_rnn.text import Vocabulary, perplexity


def test_a_uniform_model_has_a_perplexity_of_v() -> None:
    content = "abcdefg\n" * 5000
    model = CharLM(Vocabulary.from_text(content), "gru", 1, 4, dropout=0.0, rng=0)
    nats = sampling.cross_entropies(model, content)["uniform"]
    assert perplexity(nats) == pytest.approx(8, rel=1e-14)


def test_chi_square_tells_right_draws_from_wrong_ones() -> None:
    rng, p = np.random.default_rng(0), np.array([0.5, 0.3, 0.1998, 0.0001, 0.0001])
    right = [sampling.chi_square(rng.multinomial(10_000, p), p) for _ in range(200)]
    assert {mean for _, mean in right} == {3}  # the two rare ones count as one
    assert np.mean([value for value, _ in right]) == pytest.approx(3, abs=0.5)
    assert sampling.chi_square(rng.multinomial(10_000, [0.53, 0.27, 0.2, 0, 0]), p)[0] > 20


def test_the_temperature_is_a_power_of_the_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "PROMPT", "ab")
    model = CharLM(Vocabulary("abcd"), "gru", 1, 4, dropout=0.0, rng=0)
    p = sampling.expected(model)
    np.testing.assert_allclose(p, softmax(model(np.array([[0], [1]]))[0].data[-1, 0]), rtol=1e-6)
    np.testing.assert_allclose(sampling.expected(model, 0.5), p**2 / (p**2).sum(), rtol=1e-12)


def test_the_four_points(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sampling.main(["--plot", str(tmp_path / "temperatures.svg")])
    out = printed(capsys)
    V = int(re.findall(r"of V = (\d+)", out)[0])
    perplexities = dict(re.findall(r"^(uniform|this model) .* ([\d.]+)$", out, re.MULTILINE))
    assert float(perplexities["uniform"]) == V
    assert float(perplexities["this model"]) < 6.5
    assert "The same the second time." in out
    value, mean, deviation = map(float, re.findall(r"χ² is ([\d.]+); .* is (\d+) ± ([\d.]+)", out)[0])
    assert abs(value - mean) < 3 * deviation
    for share, rising in (("known", False), ("different", True)):
        ladder = [int(n) for n in re.findall(rf"(\d+) % {share}", out)]
        assert len(ladder) == 4
        assert ladder == sorted(ladder, reverse=not rising)
    assert re.search(r"^temperature 0\.25 +temperature 0\.5 +temperature 1 +temperature 1\.5$", out, re.MULTILINE)


def test_a_model_of_the_main_job_can_be_used(
    text: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(text, model, "--report", iterations=3) == 0
    capsys.readouterr()
    monkeypatch.setattr(sampling, "PROMPT", "It was ")
    monkeypatch.setattr(sampling, "LENGTH", 100)
    monkeypatch.setattr(sampling, "cross_entropies", lambda model, content: {"this model": 1.0})
    sampling.main(["--checkpoint", str(model)])
    assert "of V = 36" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        sampling.main(["--checkpoint", str(text)])
    assert "text.txt: " in capsys.readouterr().err
