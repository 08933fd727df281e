"""Running a layer here and, as a file of ONNX, in onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn, no_grad, onnx
from tinygrad_rnn.nn.cells import parts, whole
from tinygrad_rnn.tensor import Array

TENSORS = "hc"  # of a state


def exported(layer: nn.Recurrent, features: int) -> Any:
    """A recurrent layer as an onnx.ModelProto, from x, h_0 (and c_0) to y, h_n (and c_n)."""
    dtype, sizes, count = layer.parameters()[0].dtype, layer.cells[0].state_sizes, len(layer.cells)
    time_and_batch = ("B", "T") if layer.batch_first else ("T", "B")
    graph = onnx.Graph()
    x = graph.input("x", dtype, (*time_and_batch, features))
    shapes = dict(zip(TENSORS, [(count, "B", size) for size in sizes], strict=False))
    state = [graph.input(f"{name}_0", dtype, shape) for name, shape in shapes.items()]
    y, last = onnx.recurrent(graph, layer, x, state)
    graph.output("y", y, dtype, (*time_and_batch, layer.directions * sizes[0]))
    for (name, shape), tensor in zip(shapes.items(), last, strict=True):
        graph.output(f"{name}_n", tensor, dtype, shape)
    return graph.model()


def run(model: Any, inputs: dict[str, Array]) -> list[Array]:
    """The outputs of a model in onnxruntime."""
    session = pytest.importorskip("onnxruntime").InferenceSession(model.SerializeToString())
    return [np.asarray(output) for output in session.run(None, inputs)]


def assert_equal_at(layer: nn.Recurrent, features: int, model: Any, *, steps: int, batch: int, atol: float) -> None:
    """Check the outputs and the last state from a random state and input, of any length and batch."""
    rng, dtype = np.random.default_rng(steps), layer.parameters()[0].dtype
    lead = (batch, steps) if layer.batch_first else (steps, batch)
    x = rng.normal(size=(*lead, features)).astype(dtype)
    state = [rng.normal(size=(len(layer.cells), batch, n)).astype(dtype) for n in layer.cells[0].state_sizes]
    with no_grad():
        outputs, last = layer(x, whole([Tensor(tensor) for tensor in state]))
    theirs = run(model, {"x": x, **{f"{name}_0": tensor for name, tensor in zip(TENSORS, state, strict=False)}})
    for ours, other in zip([outputs, *parts(last)], theirs, strict=True):
        assert other.dtype == dtype
        np.testing.assert_allclose(other, ours.data, rtol=0, atol=atol, strict=True)
