"""What is written on an operation, and the family that gives its colour and shape, in one table."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.draw.graph import Leaf, Operation
from tinygrad_rnn.draw.theme import SHAPES
from tinygrad_rnn.nn.cells import DETACHED
from tinygrad_rnn.op import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinygrad_rnn.draw.graph import Vertex
    from tinygrad_rnn.tensor import Scope

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


def label(node: Vertex, inputs: list[Vertex], *, shape: bool = True, dtype: bool = False) -> list[str]:
    """What is written on a node, line by line.

    The shape of an operation's result is written where it is a new one: no input has it. So is its dtype.
    """
    lines = heading(node)
    fresh = shape and node.shape not in {x.shape for x in inputs}
    if isinstance(node, Leaf):
        fresh = shape and bool(node.name) and node.kind != "constant" and bool(node.shape)
    kind = [node.dtype] if dtype and node.dtype not in {x.dtype for x in inputs} else []
    size = [dims(node.shape) if node.shape else "scalar"] if fresh else []
    return [*lines, *([" ".join(size + kind)] if size or kind else [])]


def heading(node: Vertex) -> list[str]:
    """What is written on a node whatever its shape: the sign of an operation, names, a number."""
    if isinstance(node, Leaf):
        if node.kind == "constant" or not node.name:
            return [node.value or dims(node.shape)]
        name = node.name.replace(DETACHED, "✂")  # where truncated backpropagation through time cuts the graph
        return [name]
    return [sign(node), node.name] if node.name else [sign(node)]


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


def tooltip(node: Vertex, *, where: bool = True) -> str:
    """The whole truth about a node, for those who hover over it; without ``where``, but for its scope."""
    what = f"{node.shape} {node.dtype}"
    if isinstance(node, Leaf):
        return f"{node.kind} {node.name} {what}" if node.name else f"{node.kind} {what}"
    params = f"({', '.join(f'{key}={value!r}' for key, value in node.params.items())})" if node.params else ""
    return f"{node.op}{params} → {what}{place(node.scope) if where else ''}"


@cache
def place(scope: Scope) -> str:
    """A scope as the end of a sentence.

    >>> place(("lstm", 3))
    ' in lstm / t=3'
    """
    return f" in {describe(scope)}" if scope else ""


def text_width(text: str, size: float) -> float:
    """About how wide a line of text is in a sans serif of ``size`` points; rather too wide than too narrow."""
    return size * sum(0.34 if c in NARROW else 1.05 if ord(c) > 0x2E7F else 0.92 if c in WIDE else 0.63 for c in text)


NARROW, WIDE = frozenset("iljtfrI.,:;'|!()[]{} ·-"), frozenset("mwMWЖШЩЮМФжшщюмф@%—=+−×÷√Σ…")


@cache
def block_size(lines: tuple[str, ...], family: str) -> tuple[float, float]:
    """The size of a mark with these lines.

    >>> block_size(("×",), "pointwise")
    (22.0, 22.0)
    """
    size = float(SHAPES[family].get("fontsize", "12"))
    wide = max((text_width(line, size) for line in lines), default=0.0)
    high = 1.25 * size * max(1, len(lines))
    if family == "pointwise" and len(lines) == 1:
        return max(22.0, wide + 6), max(22.0, wide + 6)
    if family == "cell":
        return max(92.0, wide + 26), max(44.0, high + 14)
    if family == "parameter":
        return wide * 1.25 + 10, high * 1.25 + 6
    return max(24.0, wide + 12), high + 8
