"""The model as a file for other programs, and weights from them: the command ``export``.

A safetensors file has the parameters under PyTorch's names, and beside them what ``sample`` and ``evaluate`` need: it
is a checkpoint without its training. In PyTorch, for an LSTM,

    class CharLM(torch.nn.Module):
        def __init__(self, V, units, layers):
            super().__init__()
            self.embedding = torch.nn.Embedding(V, units)
            self.recurrent = torch.nn.LSTM(units, units, layers)
            self.head = torch.nn.Linear(units, V)

    model.load_state_dict(safetensors.torch.load_file("model.safetensors"))
    safetensors.torch.save_file(model.state_dict(), "tuned.safetensors")

and ``export --weights tuned.safetensors`` makes a checkpoint of the latter.

An ONNX file maps ``ids`` [T, B] int64 and a state ``h_0`` [L, B, H] (LSTM: and ``c_0``) to ``logits`` [T, B, V] and the
state ``h_n`` (and ``c_n``), for any T and B. The position of a character in the property ``vocabulary``, a JSON string,
is its id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from demos.lm.files import Checkpoint, model_in, read_checkpoint, tensors_of
from demos.lm.folder import check_output, find
from demos.lm.model import CharLM
from demos.lm.options import Export
from demos.lm.progress import say
from demos.lm.settings import recorded, values
from tinygrad_rnn import checkpoint, onnx
from tinygrad_rnn.checkpoint import CheckpointError


def export(given: Mapping[str, Any]) -> int:
    """Write the model for other programs."""
    options = values(Export, given)
    read = read_checkpoint(find(options.checkpoint, best=True))
    path = Path(options.output or read.path.with_name(f"model.{options.format}"))
    check_output(path, read.path, *filter(None, [options.weights]))
    model = model_in(read)
    if options.weights:
        take(model, options.weights)
    if options.format == "onnx":
        as_graph(model).save(path, in_words(read), name="char_lm")
    else:
        checkpoint.save(path, model.state_dict(), described(read))
    size, trained = sum(parameter.size for parameter in model.parameters()), read.options
    say("model", f"{trained.cell.upper()}, {trained.layers} x {trained.units} units, {size:,} parameters")
    say("written", path)
    return 0


def described(read: Checkpoint) -> dict[str, Any]:
    """What a model is that a checkpoint holds, beside its parameters."""
    return {"options": recorded(read.options), "vocabulary": read.vocabulary.characters, "text": read.header["text"]}


def in_words(read: Checkpoint) -> dict[str, str]:
    """The same as texts of JSON."""
    return {name: json.dumps(value) for name, value in described(read).items()}


def take(model: CharLM, path: str) -> None:
    """Put the parameters in any safetensors file into ``model``. Raises CheckpointError if they don't fit."""
    try:
        model.load_state_dict(checkpoint.contents(path)[0])
    except (KeyError, ValueError) as error:
        raise CheckpointError(path, f"not the weights of this model: {error.args[0]}") from error


def as_graph(model: CharLM) -> onnx.Graph:
    """The whole model in ONNX, from ids and a state to logits and the state after them."""
    graph, zeros = onnx.Graph(), tensors_of(model.zero_state())
    forms = [(name, zero.dtype, (len(zero), "B", zero.shape[-1])) for name, zero in zip("hc", zeros, strict=False)]
    ids = graph.input("ids", np.int64, ("T", "B"))
    state = [graph.input(f"{name}_0", dtype, shape) for name, dtype, shape in forms]
    outputs, last = onnx.recurrent(graph, model.recurrent, onnx.embedding(graph, model.embedding, ids), state)
    logits = onnx.linear(graph, model.head, outputs)
    graph.output("logits", logits, zeros[0].dtype, ("T", "B", len(model.vocabulary)))
    for (name, dtype, shape), tensor in zip(forms, last, strict=True):
        graph.output(f"{name}_n", tensor, dtype, shape)
    return graph
