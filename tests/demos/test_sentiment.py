"""Sentiment of Russian phrases: the corpus, what is left to the networks by masking, and the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demos import console, sentiment

PAIRS = sentiment.corpus()


def test_the_corpus_is_of_different_phrases_in_pairs_of_one_length() -> None:
    assert len(PAIRS) > 100
    assert all(len(positive) == len(negative) for positive, negative in PAIRS)
    assert len({tuple(phrase) for pair in PAIRS for phrase in pair}) == 2 * len(PAIRS)
    words = [word for pair in PAIRS for phrase in pair for word in phrase]
    assert all(word.replace("-", "").isalpha() and word.islower() for word in words)
    assert PAIRS[0][0] == ["верь", "в", "себя", "и", "всё", "получится"]


def test_no_pair_is_tested_by_a_model_that_has_learned_it() -> None:
    folds = sentiment.folds(PAIRS, seed=0)
    assert [len(tested) for _, tested in folds] == [21, 21, 20, 20, 20]
    assert sorted(pair for _, tested in folds for pair in tested) == sorted(PAIRS)
    assert all(sorted(learned + tested) == sorted(PAIRS) for learned, tested in folds)


@pytest.mark.parametrize("layer", sentiment.LAYERS)
def test_longer_phrases_beside_it_and_unknown_words_change_nothing(layer: str) -> None:
    model = sentiment.Reader(layer, ["всё", "не", "получится"], np.random.default_rng(0))
    alone = model([["всё", "получится"]]).data
    beside = model([["не", "получится", "всё", "не"], ["всё", "однажды", "получится"], []]).data
    np.testing.assert_allclose(beside[1], alone[0], rtol=1e-5)
    assert model.head.bias is not None
    np.testing.assert_allclose(beside[2], model.head.bias.data, rtol=1e-6)  # nothing was read


def test_the_rules_that_networks_are_compared_with() -> None:
    phrases, classes = [["a", "b"], ["a"], ["a", "c"], ["d"]], np.array([1, 0, 1, 0])
    np.testing.assert_array_equal(sentiment.by_length(phrases, classes)([["x"], ["x"] * 2, ["x"] * 9]), [0, 1, 1])
    np.testing.assert_array_equal(sentiment.by_counting(phrases, classes)([["b"], ["d"], ["c", "new"]]), [1, 0, 1])
    phrases, classes = [["a", "a", "b", "b", "b"], ["a"]], np.array([1, 0])  # a: 2 of 5 words, and 1 of 1
    np.testing.assert_array_equal(sentiment.by_counting(phrases, classes)([["a"], ["b"]]), [0, 1])


def test_networks_learn_all_phrases_and_beat_the_length_rule(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bars: list[int] = []

    def progress(items: list[Any], label: str) -> list[Any]:
        bars.append(len(items))
        return items

    monkeypatch.setattr(console, "progress", progress)
    sentiment.main(["--plot", str(tmp_path / "sentiment.png")])
    assert bars == [24]  # each of four ways to learn has all phrases and five folds
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("102 pairs of phrases, 5 folds")
    assert lines[2].split() == ["length", "rule", "0.500", "0.50", "0.50-0.50"]
    for line, layer, size in zip(lines[4:6], ["GRU", "LSTM"], ["220,930", "266,370"], strict=True):
        name, learned, validated, _, parameters = line.split()
        assert (name, parameters) == (layer, size)
        assert float(learned) >= 0.99
        assert 0.6 < float(validated) < 0.8
    assert (tmp_path / "sentiment.png").stat().st_size > 10_000
