"""The recorded graph behind some tensors as plain data, without values: what every picture and report starts from."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tinygrad_rnn.tensor import Node, Scope, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Leaf:
    """Something that was not recorded: where the graph begins.

    A *parameter* is a Tensor that requires grad, an *input* one that does not; a *constant* is an array, a number or
    a text (the subscripts of einsum).
    """

    kind: Literal["parameter", "input", "constant"]
    name: str  # of the Tensor, or ""
    shape: tuple[int, ...]
    dtype: str
    value: str  # of a single number or a text; else ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One recorded operation; ``inputs`` are positions in ``Graph.nodes``, in the order of the arguments."""

    op: str
    inputs: tuple[int, ...]
    params: dict[str, Any]  # the static ones: axis, key, shape
    scope: Scope
    shape: tuple[int, ...]
    dtype: str
    name: str  # of the resulting Tensor, or ""


Vertex: TypeAlias = Leaf | Operation


@dataclass(frozen=True, slots=True)
class Graph:
    """Every node after its inputs: operations in order of creation, each leaf just before its first use."""

    nodes: tuple[Vertex, ...]
    outputs: tuple[int, ...]  # positions in `nodes`

    def operations(self) -> list[tuple[int, Operation]]:
        """The operations with their positions."""
        return [(i, node) for i, node in enumerate(self.nodes) if isinstance(node, Operation)]

    def inputs(self, position: int) -> tuple[int, ...]:
        """The inputs of what is at a position; a leaf has none."""
        node = self.nodes[position]
        return node.inputs if isinstance(node, Operation) else ()

    def edges(self) -> list[tuple[int, int]]:
        """(input, operation) for every recorded input, one used twice listed twice."""
        return [(source, i) for i, operation in self.operations() for source in operation.inputs]


def collect(outputs: Sequence[Tensor]) -> Graph:
    """The graph that ``outputs`` were computed by: each operation once, however often its result is used.

    A Tensor among the inputs is one leaf wherever it is used; each array or number is a leaf of its own. Inputs that
    were left out (None) are no edges.

    Raises TypeError for an output that is no Tensor, ValueError for one that was not recorded, RuntimeError if an
    earlier backward has freed the graph.

    >>> x = Tensor(2.0, requires_grad=True, name="x")
    >>> [node.op if isinstance(node, Operation) else node.name for node in collect([x * x + x]).nodes]
    ['x', 'mul', 'add']
    """
    nodes: list[Vertex] = []
    position: dict[int, int] = {}
    dtypes: dict[Any, str] = {}
    for out, (op, inputs, params, scope) in recorded(outputs):
        sources = []
        for x in inputs:
            if x is None:
                continue
            if id(x) not in position or type(x) is not Tensor:
                position[id(x)] = len(nodes)
                nodes.append(leaf(x))
            sources.append(position[id(x)])
        position[id(out)] = len(nodes)
        dtype = out.dtype
        if dtype not in dtypes:
            dtypes[dtype] = str(dtype)
        nodes.append(Operation(op.name, tuple(sources), params, scope, out.shape, dtypes[dtype], out.name or ""))
    return Graph(tuple(nodes), tuple(position[id(out)] for out in outputs))


def recorded(outputs: Sequence[Tensor]) -> list[tuple[Tensor, Node]]:
    """The recorded tensors behind ``outputs`` with their nodes, in order of creation; found without recursion."""
    for out in outputs:
        if type(out) is not Tensor:
            raise TypeError(f"draw: takes tensors, as in draw(loss) or draw(h, c), but got a {type(out).__name__}")
        if out.node is None:
            raise ValueError(
                f"draw: no operation was recorded for this tensor of shape {out.shape}: it is a leaf, was detached or "
                "computed under no_grad(), or nothing it was computed from requires grad"
            )
    found: dict[int, Tensor] = {}
    stack: list[Any] = list(outputs)
    while stack:
        x = stack.pop()
        if type(x) is not Tensor or x._made is None or id(x) in found:  # noqa: SLF001  nodes are plain data
            continue
        if not x._made[1]:  # noqa: SLF001  what backward has let go has no inputs
            raise RuntimeError(
                "draw: this graph was freed by backward(); draw before backward(), or give it retain_graph=True"
            )
        found[id(x)] = x
        stack += x._made[1]  # noqa: SLF001
    return [(x, x.node) for x in sorted(found.values(), key=attrgetter("time")) if x.node is not None]


def leaf(x: Any) -> Leaf:
    """An input that no operation made, as plain data."""
    array = x.data if type(x) is Tensor else np.asarray(x)
    about = array.shape, str(array.dtype), "" if array.ndim else x if isinstance(x, str) else f"{array.item():.4g}"
    if type(x) is not Tensor:
        return Leaf("constant", "", *about)
    return Leaf("parameter" if x.requires_grad else "input", x.name or "", *about)
