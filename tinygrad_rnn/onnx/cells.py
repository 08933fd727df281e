"""The cells for which ONNX has a node: RNN, LSTM and GRU, both directions in one.

ONNX has its own order of gates, and fewer options. Two of ours are put into the weights, since 1 - σ(a) = σ(-a): the
coupled LSTM is one whose forget gate has the negative weights of its input gate, and the GRU with update="replace" one
whose z is the negative of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_rnn import nn
from tinygrad_rnn.onnx.graph import Graph, Name
from tinygrad_rnn.tensor import Array, Tensor

Blocks: TypeAlias = tuple[int, ...]  # blocks of our rows in ONNX's order, numbered from 1; -k: block k, negative


class Form(NamedTuple):
    """How ONNX has a cell: the kind of node, its gates and peepholes in our blocks, and its attributes."""

    kind: str
    gates: Blocks
    peepholes: Blocks
    attributes: dict[str, Any]


def form(cells: Sequence[nn.Cell]) -> Form | None:
    """How ONNX has a layer of ``cells``, one for each direction; None if it hasn't, or not in one node."""
    if any(p.dtype != np.float32 for cell in cells for p in cell.parameters()):
        return None  # the format allows other types, but onnxruntime runs these nodes in float32 only
    first, *others = map(form_of_one, cells)
    parameters = [[name for name, _ in cell.named_parameters()] for cell in cells]
    return first if all(f == first for f in others) and all(p == parameters[0] for p in parameters) else None


def form_of_one(cell: nn.Cell) -> Form | None:
    """How ONNX has ``cell``. A subclass may do something else, so it has none."""
    if type(cell) is nn.RNNCell and cell.norm is None:
        return Form("RNN", (1,), (), {"activations": [cell.nonlinearity.capitalize()]})
    if type(cell) is nn.LSTMCell and cell.norm_c is None and not cell.proj_size:  # i o f c, and peepholes i o f
        gates, peepholes = ((1, 3, -1, 2), (1, 2, -1)) if cell.coupled else ((1, 4, 2, 3), (1, 3, 2))
        return Form("LSTM", gates, peepholes, {})
    if type(cell) is nn.GRUCell and cell.norm_ih is None:  # z r h
        z = 2 if cell.update == "keep" else -2
        return Form("GRU", (z, 1, 3), (), {"linear_before_reset": int(cell.reset == "after")})
    return None


def as_node(
    graph: Graph, cells: Sequence[nn.Cell], known: Form, *, x: Name, state: Sequence[Name], name: str
) -> tuple[Name, list[Name]]:
    """From ``x`` [T, B, F] and ``state`` [D, B, H] the outputs [T, B, D·H] and the last state."""
    D, H = len(cells), cells[0].hidden_size
    W, R, B, P = (graph.constant(f"{name}.{key}", w) if w.size else "" for key, w in weights(cells, known).items())
    attributes = {key: v * D if isinstance(v, list) else v for key, v in known.attributes.items()}
    attributes |= {"hidden_size": H, "direction": "forward" if D == 1 else "bidirectional"}
    inputs = without_end([x, W, R, B, "", *state, P])  # the fifth would be the lengths of the sequences
    out, *last = graph.nodes_of(known.kind, *inputs, results=1 + len(state), **attributes)
    if D == 1:  # out is [T, D, B, H]
        return graph.node("Squeeze", out, graph.numbers(1)), last
    across = graph.node("Transpose", out, perm=[0, 2, 1, 3])
    return graph.node("Reshape", across, graph.numbers(0, 0, D * H)), last


def weights(cells: Sequence[Any], known: Form) -> dict[str, Array]:
    """W [D, rows, F], R [D, rows, H], B [D, 2·rows] and P [D, 3·H] of ONNX; those that there are not are empty."""
    biases = [b for cell in cells for b in (cell.bias_ih, cell.bias_hh) if b is not None]
    peepholes = [p for cell in cells if (p := getattr(cell, "weight_peephole", None)) is not None]
    return {
        "W": np.stack([arranged(cell.weight_ih, known.gates) for cell in cells]),
        "R": np.stack([arranged(cell.weight_hh, known.gates) for cell in cells]),
        "B": np.reshape([arranged(b, known.gates) for b in biases], (len(cells), -1)),
        "P": np.reshape([arranged(p, known.peepholes) for p in peepholes], (len(cells), -1)),
    }


def arranged(tensor: Tensor, blocks: Blocks) -> Array:
    """The rows of ``tensor`` in the order, and with the signs, of ``blocks``."""
    own = np.split(tensor.data, max(map(abs, blocks)))
    return np.concatenate([own[k - 1] if k > 0 else -own[-k - 1] for k in blocks])


def without_end(names: Sequence[Name]) -> Sequence[Name]:
    """``names`` up to the last that is not empty."""
    return names if names[-1] else without_end(names[:-1])
