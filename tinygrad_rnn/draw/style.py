"""What is written on an operation, and the family that gives its colour and shape, in one table."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.draw.graph import Leaf, Operation
from tinygrad_rnn.op import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinygrad_rnn.draw.graph import Vertex

SIGNS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "add": ("+", "pointwise"), "sub": ("−", "pointwise"), "mul": ("×", "pointwise"), "div": ("÷", "pointwise"),
    "neg": ("−x", "function"), "pow": ("xʸ", "function"), "exp": ("exp", "function"), "sqrt": ("√", "function"),
    "abs": ("|x|", "function"), "sigmoid": ("σ", "function"), "tanh": ("tanh", "function"),
    "linear": ("Wx + b", "product"), "matmul": ("@", "product"), "dot": ("x·y", "product"),
    "outer": ("x yᵀ", "product"), "einsum": ("einsum", "product"),
    "sum": ("Σ", "reduce"), "prod": ("Π", "reduce"), "norm": ("‖x‖", "reduce"), "mean": ("mean", "reduce"),
    "max": ("max", "reduce"), "min": ("min", "reduce"), "var": ("var", "reduce"), "std": ("std", "reduce"),
    "logsumexp": ("logsumexp", "reduce"), "cross_entropy": ("cross entropy", "reduce"),
    "mse_loss": ("mean squared error", "reduce"),
    "getitem": ("[…]", "arrange"), "take": ("take rows", "arrange"), "scatter_add": ("scatter add", "arrange"),
    "transpose": ("ᵀ", "arrange"), "swapaxes": ("swap axes", "arrange"), "diagonal": ("diagonal", "arrange"),
    "tril": ("tril", "arrange"), "broadcast_to": ("broadcast", "arrange"), "concatenate": ("concat", "arrange"),
    "expand_dims": ("expand dims", "arrange"), "squeeze": ("squeeze", "arrange"), "reshape": ("reshape", "arrange"),
    "stack": ("stack", "arrange"), "flip": ("flip", "arrange"), "roll": ("roll", "arrange"), "pad": ("pad", "arrange"),
    "astype": ("astype", "arrange"),
})  # fmt: skip  # an operation that is not listed is a function written by its name


def family(node: Vertex) -> str:
    """The row of a theme's ``families`` that a node is drawn with."""
    return node.kind if isinstance(node, Leaf) else SIGNS.get(node.op, ("", "function"))[1]


def label(node: Vertex, inputs: list[Vertex]) -> list[str]:
    """What is written on a node, line by line.

    The shape of an operation's result is written where it is a new one: no input has it.
    """
    if isinstance(node, Leaf):
        if node.kind == "constant" or not node.name:
            return [node.value or dims(node.shape)]
        return [node.name, dims(node.shape)] if node.shape else [node.name]
    lines = [sign(node)]
    if node.name:
        lines.append(node.name)
    if node.shape not in {x.shape for x in inputs}:
        lines.append(dims(node.shape) if node.shape else "scalar")
    return lines


def sign(node: Operation) -> str:
    """The name of an operation in a picture.

    >>> sign(Operation("getitem", (0,), {"key": (..., slice(4, 8))}, (), (2, 4), "float64", ""))
    '[…, 4:8]'
    """
    if node.op == "getitem":
        return f"[{', '.join(map(index, node.params['key']))}]"
    if node.op == "linear" and len(node.inputs) < 3:
        return "Wx"
    return SIGNS.get(node.op, (node.op, ""))[0]


def index(part: Any) -> str:
    """One part of an index, as it is written between brackets."""
    if isinstance(part, slice):
        text = f"{'' if part.start is None else part.start}:{'' if part.stop is None else part.stop}"
        return text if part.step is None else f"{text}:{part.step}"
    return "…" if part is ... else str(part)


def dims(shape: tuple[int, ...]) -> str:
    """A shape as text: ``3×2×4``; nothing for a scalar.

    >>> dims((3, 2, 4))
    '3×2×4'
    """
    return "×".join(map(str, shape))


def tooltip(node: Vertex) -> str:
    """The whole truth about a node, for those who hover over it."""
    what = f"{node.shape} {node.dtype}"
    if isinstance(node, Leaf):
        return f"{node.kind} {node.name} {what}" if node.name else f"{node.kind} {what}"
    params = f"({', '.join(f'{key}={value!r}' for key, value in node.params.items())})" if node.params else ""
    where = f" in {describe(node.scope)}" if node.scope else ""
    return f"{node.op}{params} → {what}{where}"
