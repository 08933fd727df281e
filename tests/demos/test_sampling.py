"""Sampling: what is drawn, what repeats, and what a model that knows nothing is worth."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from demos import sampling
from demos.lm.corpus import Corpus
from demos.lm.model import CharLM
from demos.lm.scoring import score
from tests.demos.char_lm_runs import train
from tests.demos.printed import printed
from tinygrad_rnn import softmax
from tinygrad_rnn.text import Vocabulary, evaluation_batches, perplexity


def test_the_validation_part_is_scored() -> None:
    content = "abcdefg\n" * 500
    ids = (vocabulary := Vocabulary.from_text(content)).encode(content)
    model = CharLM(vocabulary, "gru", 1, 4, dropout=0.0, rng=0)
    parts = Corpus("", content, vocabulary, ids[:3200], rare := np.zeros(200, int), ids[3400:])  # line ends only
    nats = sampling.cross_entropies(model, parts)
    assert perplexity(nats["uniform"]) == pytest.approx(8, rel=1e-14)  # V
    assert nats["n-gram, order 5"] > 3
    own = score(model, evaluation_batches(rare, steps=50, batch_size=50)).nats
    assert nats["this model"] == own != score(model, evaluation_batches(ids, steps=50, batch_size=50)).nats


def test_chi_square_tells_right_draws_from_wrong_ones() -> None:
    rng, p = np.random.default_rng(0), np.array([0.5, 0.3, 0.1998, 0.0001, 0.0001])
    right = [sampling.chi_square(rng.multinomial(10_000, p), p) for _ in range(200)]
    assert {mean for _, mean in right} == {3}  # the two rare ones count as one
    assert np.mean([value for value, _ in right]) == pytest.approx(3, abs=0.5)
    assert sampling.chi_square(rng.multinomial(10_000, [0.53, 0.27, 0.2, 0, 0]), p)[0] > 20


def test_the_temperature_is_a_power_of_the_probabilities() -> None:
    model = CharLM(Vocabulary("abcd"), "gru", 1, 4, dropout=0.0, rng=0)
    p = sampling.expected(model, "ab")
    np.testing.assert_allclose(p, softmax(model(np.array([[0], [1]]))[0].data[-1, 0]), rtol=1e-6)
    np.testing.assert_allclose(sampling.expected(model, "ab", 0.5), p**2 / (p**2).sum(), rtol=1e-12)


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
    assert train(text, model, "--report", "--split", "60", "30", "10", iterations=3) == 0
    capsys.readouterr()
    monkeypatch.setattr(sampling, "LENGTH", 100)
    monkeypatch.setattr(
        sampling, "cross_entropies", lambda model, parts: dict.fromkeys(map(str, parts.sizes.values()), 1)
    )
    run = ["--checkpoint", str(model)]
    sampling.main([*run, "--prompt", "It was "])
    out = capsys.readouterr().out
    assert "of V = 36" in out
    assert "What follows 'It was '" in out
    assert re.findall(r"^(\d+) +1\.000", out, re.MULTILINE) == ["2730", "1365", "455"]
    sampling.main([*run, "--prompt", ""])
    assert "What follows '\\n'" in capsys.readouterr().out
    for arguments, message in (
        ([*run, "--prompt", "мир"], "'м'"),
        (run, "'P'"),
        (["--checkpoint", str(text)], "text.txt: "),
    ):
        with pytest.raises(SystemExit):
            sampling.main(arguments)
        assert message in capsys.readouterr().err
