"""Layers as nodes. Each function takes the names of its inputs and returns those of its results."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_rnn import nn
from tinygrad_rnn.onnx.cells import as_node, form
from tinygrad_rnn.onnx.graph import Graph, Name
from tinygrad_rnn.onnx.loop import as_loops


def embedding(graph: Graph, layer: nn.Embedding, indices: Name) -> Name:
    """Integers [...] to rows [..., E]."""
    return graph.node("Gather", graph.constant(called(layer, "weight"), layer.weight.data), indices)


def linear(graph: Graph, layer: nn.Linear, x: Name) -> Name:
    """[..., in] to [..., out]."""
    out = graph.node("MatMul", x, graph.constant(called(layer, "weight"), layer.weight.data.T))
    if layer.bias is None:
        return out
    return graph.node("Add", out, graph.constant(called(layer, "bias"), layer.bias.data))


def layer_norm(graph: Graph, layer: nn.LayerNorm, x: Name) -> Name:
    """[..., features] to the same."""
    weights = [graph.constant(called(layer, name), value.data) for name, value in layer.named_parameters()]
    return graph.node("LayerNormalization", x, *weights, axis=-1, epsilon=layer.eps)


def recurrent(graph: Graph, layer: nn.Recurrent, x: Name, state: Sequence[Name]) -> tuple[Name, list[Name]]:
    """``nn.RNN``, ``nn.LSTM``, ``nn.GRU``, or any ``nn.Recurrent``: the outputs, and the tensors of the last state.

    ``x`` [T, B, F], or [B, T, F] if the layer is ``batch_first``, and outputs likewise; ``state`` names the tensors to
    start from, each [L·D, B, H]: h, or h and c.

    Raises ExportError for a cell with an operation that has no counterpart, ValueError for a state of more or fewer
    tensors than the layer's.
    """
    sizes = layer.cells[0].state_sizes
    if isinstance(state, str) or len(state) != len(sizes):
        shapes = " and ".join(f"[{len(layer.cells)}, B, {size}]" for size in sizes)
        raise ValueError(
            f"onnx.recurrent: {type(layer).__name__} starts from {shapes}, so state is a list of {len(sizes)}, "
            f"the name of each, not {state!r}"
        )
    D, L = layer.directions, len(layer.cells) // layer.directions
    starts = [graph.split(tensor, L) for tensor in state]
    lasts = []
    if layer.batch_first:
        x = graph.node("Transpose", x, perm=[1, 0, 2])
    for k in range(L):
        cells, start = layer.cells[k * D : (k + 1) * D], [tensors[k] for tensors in starts]
        known, name = form(cells), called(layer, f"l{k}")
        if known:
            x, last = as_node(graph, cells, known, x=x, state=start, name=name)
        else:
            x, last = as_loops(graph, cells, x=x, state=start, name=name)
        lasts.append(last)
    if layer.batch_first:
        x = graph.node("Transpose", x, perm=[1, 0, 2])
    return x, [graph.join(tensors) for tensors in zip(*lasts, strict=True)]


def called(layer: nn.Module, name: str) -> str:
    """What a weight is called in the file."""
    return f"{layer.scope_name or type(layer).__name__.lower()}.{name}"
