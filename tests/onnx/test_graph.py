"""Whole models in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.onnx.running import run
from tinygrad_rnn import checkpoint, nn, no_grad, onnx


def test_layers_one_after_another(tmp_path: Path, runtime: Any) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.table = nn.Embedding(7, 3, rng=0)
            self.norm = nn.LayerNorm(3)
            self.bare = nn.LayerNorm(3, bias=False, eps=0.1)
            self.first = nn.Linear(3, 4, rng=1)
            self.last = nn.Linear(4, 2, bias=False, rng=2)

    model = Model()
    graph = onnx.Graph()
    x = onnx.embedding(graph, model.table, graph.input("ids", np.int64, ("T", "B")))
    x = onnx.layer_norm(graph, model.bare, onnx.layer_norm(graph, model.norm, x))
    graph.output("y", onnx.linear(graph, model.last, onnx.linear(graph, model.first, x)), np.float32, ("T", "B", 2))
    graph.save(tmp_path / "model.onnx", {"axes": "T, B"})

    session = runtime.InferenceSession(tmp_path / "model.onnx")
    ids = np.array([[3, 1, 4], [1, 5, 6]])
    with no_grad():
        expected = model.last(model.first(model.bare(model.norm(model.table(ids)))))
    np.testing.assert_allclose(session.run(None, {"ids": ids})[0], expected.data, rtol=0, atol=2e-6)
    assert session.get_modelmeta().custom_metadata_map == {"axes": "T, B"}
    assert {"table.weight", "first.weight", "first.bias", "bare.weight"} <= set(graph.constants)


def test_constants_of_one_name_are_kept_apart() -> None:
    graph, layers = onnx.Graph(), [nn.Linear(3, 3, rng=k) for k in range(2)]
    y = graph.input("x", np.float32, ("B", 3))
    for layer in layers:
        y = onnx.linear(graph, layer, y)
    graph.output("y", y, np.float32, ("B", 3))
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(run(graph.model(), {"x": x})[0], layers[1](layers[0](x)).data, rtol=0, atol=1e-6)


def test_equal_models_make_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        graph = onnx.Graph()
        out = onnx.linear(graph, nn.Linear(3, 2, rng=0), graph.input("x", np.float32, ("B", 3)))
        graph.output("y", out, np.float32, ("B", 2))
        graph.save(tmp_path / name, {"b": "1", "a": "2"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    graph = onnx.Graph()
    graph.output("y", graph.node("Neg", graph.input("x", np.float32, ("B",))), np.float32, ("B",))
    with pytest.raises(checkpoint.CheckpointError, match="it is a directory"):
        graph.save(tmp_path)


def test_a_model_beyond_the_limit_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx.graph, "LIMIT", 100)
    graph = onnx.Graph()
    graph.output("y", graph.node("Neg", graph.input("x", np.float32, ("B",))), np.float32, ("B",))
    with pytest.raises(onnx.ExportError, match=r"ONNX: a file holds 100 bytes at most, but this model needs \d+"):
        graph.model()


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"needs the package onnx: pip install 'tinygrad-rnn\[onnx\]'"):
        onnx.Graph()
