"""Karpathy's four letters: learned exactly, and drawn as they were recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import graphviz
import numpy as np
import pytest

from demos import hello
from tests.demos.printed import printed
from tinygrad_rnn.draw.graph import Leaf, collect


@pytest.mark.parametrize("seed", range(5))
def test_the_four_targets_are_learned(seed: int) -> None:
    model = hello.Letters(np.random.default_rng(seed))
    losses = hello.train(model)
    scores, _ = model("hell")
    assert "".join(hello.VOCABULARY.characters[int(y.data.argmax())] for y in scores) == "ello"
    assert hello.answer(model, "h") == "ello"
    assert losses[-1] < 0.3 < losses[0]


def test_the_recorded_graph_is_that_of_the_figure() -> None:
    """Three matrix products, a sum and a tanh at each letter; every weight is one leaf, used at each of them."""
    scores, _ = hello.Letters(np.random.default_rng(0))("hell")
    graph = collect(scores)
    assert Counter((node.op, node.scope) for _, node in graph.operations()) == {
        (op, ("letters", t)): times for t in range(1, 5) for op, times in {"linear": 3, "add": 1, "tanh": 1}.items()
    }
    leaves = {i: node for i, node in enumerate(graph.nodes) if isinstance(node, Leaf)}
    uses = Counter(leaves[i].name for i, _ in graph.edges() if i in leaves)
    assert uses == {"h": 1, "e": 1, "l": 2, "h₀": 1, "W_xh": 4, "W_hh": 4, "W_hy": 4}
    assert [(leaf.name, leaf.shape) for leaf in leaves.values() if leaf.kind == "parameter"] == [
        ("W_xh", (3, 4)), ("W_hh", (3, 3)), ("W_hy", (4, 3)),
    ]  # fmt: skip


def test_the_demo_prints_the_figure_and_draws_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(graphviz.Digraph, "pipe", lambda graph, **form: f"{form} {graph.name}".encode())
    hello.main(["--plot", str(tmp_path / "hello.svg")])
    out = printed(capsys)
    assert (tmp_path / "hello.svg").read_bytes() == b"{'format': 'svg'} computation graph"
    assert [line.split()[8] for line in out.splitlines()[7:11]] == list("ello")
    assert all(float(line.split()[9]) > 0.95 for line in out.splitlines()[7:11])
    assert "after h, on its own: ello\n" in out
