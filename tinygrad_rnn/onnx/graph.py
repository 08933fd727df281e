"""A graph of ONNX as it grows. Values are known by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.checkpoint import StrPath, replacement

Name: TypeAlias = str  # of a value
Axis: TypeAlias = int | str  # a length, or the name of one that is open

OPSET, IR = 17, 8  # of 2022: what programs of that year read as well as those of today
LIMIT = 2**31 - 1  # bytes in a file of protocol buffers


class ExportError(ValueError):
    """A part of a model that ONNX can't express."""


class Graph:
    """A graph of ONNX that nodes are added to; ``prefix`` begins the names of all values that nodes make.

    Raises ImportError without the package onnx.
    """

    def __init__(self, prefix: str = "") -> None:
        self.onnx = library()
        self.prefix = prefix
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.nodes: list[Any] = []
        self.constants: dict[Name, Any] = {}

    def input(self, name: Name, dtype: npt.DTypeLike, shape: Sequence[Axis]) -> Name:
        """A value that whoever runs the graph hands in."""
        self.inputs.append(self.declared(name, dtype, shape))
        return name

    def output(self, name: Name, value: Name, dtype: npt.DTypeLike, shape: Sequence[Axis]) -> None:
        """Give ``value`` back under ``name``."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name], name=name))
        self.outputs.append(self.declared(name, dtype, shape))

    def declared(self, name: Name, dtype: npt.DTypeLike, shape: Sequence[Axis]) -> Any:
        """What is told of an input or output."""
        helper = self.onnx.helper
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)

    def node(self, kind: str, *inputs: Name, **attributes: Any) -> Name:
        """Add a node of one result."""
        return self.nodes_of(kind, *inputs, results=1, **attributes)[0]

    def nodes_of(self, kind: str, *inputs: Name, results: int, **attributes: Any) -> list[Name]:
        """Add a node of several results."""
        name = f"{self.prefix}{kind}_{len(self.nodes)}"
        names = [f"{name}.{k}" for k in range(results)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return names

    def constant(self, name: Name, array: npt.ArrayLike) -> Name:
        """An array that stands in the file; if another one has that ``name``, it gets a number behind it."""
        name = self.prefix + name
        name = name if name not in self.constants else f"{name}.{len(self.constants)}"
        self.constants[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def numbers(self, *numbers: int) -> Name:
        """Axes, or lengths, which ONNX takes as a value."""
        name = "numbers_" + "_".join(map(str, numbers))
        known = self.prefix + name
        return known if known in self.constants else self.constant(name, np.array(numbers, np.int64))

    def split(self, value: Name, parts: int) -> list[Name]:
        """``value`` cut along its first axis into so many equal parts."""
        return [value] if parts == 1 else self.nodes_of("Split", value, results=parts, axis=0)

    def join(self, values: Sequence[Name], axis: int = 0) -> Name:
        """``values`` side by side along ``axis``."""
        return values[0] if len(values) == 1 else self.node("Concat", *values, axis=axis)

    def plain(self, name: str, doc: str = "") -> Any:
        """An ``onnx.GraphProto``."""
        constants = list(self.constants.values())
        return self.onnx.helper.make_graph(self.nodes, name, self.inputs, self.outputs, constants, doc)

    def model(self, metadata: Mapping[str, str] | None = None, *, name: str = "model", doc: str = "") -> Any:
        """An ``onnx.ModelProto``, with ``metadata`` in its properties, that has passed ONNX's own checker."""
        helper = self.onnx.helper
        model = helper.make_model(
            self.plain(name, doc),
            producer_name="tinygrad_rnn",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR,
        )
        helper.set_model_props(model, dict(metadata or {}))
        if model.ByteSize() > LIMIT:
            raise ExportError(f"ONNX: a file holds {LIMIT:,} bytes at most, but this model needs {model.ByteSize():,}")
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def save(self, path: StrPath, metadata: Mapping[str, str] | None = None, *, name: str = "model") -> None:
        """Write ``model`` to a file, which is whole or not there. Raises CheckpointError if that fails."""
        data = self.model(metadata, name=name).SerializeToString(deterministic=True)
        with replacement(Path(path)) as file:
            file.write(data)


def library() -> Any:
    """The package onnx, which only this export needs."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError(
            "the export to ONNX needs the package onnx: pip install 'tinygrad-rnn[onnx]' (or pip install onnx)"
        ) from error
    return onnx
