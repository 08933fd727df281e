"""The backward graph as plain data: for each recorded operation its rule, what it computes and what it reads.

A rule is made of operations, so it is traced like anything else: it is run once with Tensors, and the operations that
it used say what its formula is and which of the values of the forward pass have to be kept for it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_rnn.backward import unbroadcast
from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.draw.flow import norm
from tinygrad_rnn.draw.style import index
from tinygrad_rnn.op import Op, thread
from tinygrad_rnn.tensor import Array, Node, Tensor, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_rnn.draw.flow import Flow

INFIX = {"add": (" + ", 1), "sub": (" − ", 1), "mul": (" × ", 2), "div": (" / ", 2), "matmul": (" @ ", 2)}
LONGEST = 36  # characters of a formula; a longer one is called by its operation
MOST_VALUES = 16  # in a formula: what is used twice stands in it twice, so that the text could grow without bounds


class Gift(NamedTuple):
    """What a rule contributes to the gradient of one input: how it is computed, and its Euclidean norm."""

    input: int
    formula: str
    norm: float


@dataclass(frozen=True, slots=True)
class Vjp:
    """The rule of one operation: a vector-Jacobian product, from the gradient g of its result to those of its inputs.

    All numbers are positions in ``Graph.nodes``. The mirror image of an edge input → operation goes from this Vjp to
    that of the input, or to the gradient of a leaf.
    """

    operation: int
    gives: tuple[Gift, ...]  # one for each input that gets a contribution
    saved: tuple[int, ...]  # values of the forward pass that the formulas read: inputs, or the result itself

    def label(self, op: str) -> str:
        """The formulas as a text, or the name of the operation ``op`` where they are long."""
        formulas = [gift.formula for gift in self.gives]
        text = formulas[0] if len(formulas) == 1 else f"({', '.join(formulas)})"
        return text if len(text) <= LONGEST and "…" not in formulas else f"{op.replace('_', ' ')} VJP"


def mirror(flow: Flow) -> list[Vjp]:
    """The rules that backward runs, in the order in which it does.

    >>> from tinygrad_rnn.draw.flow import flow
    >>> x, w = (Tensor(value, requires_grad=True) for value in (3.0, 2.0))
    >>> for vjp in mirror(flow((x * w).tanh())):
    ...     print(vjp.operation, [(gift.input, gift.formula) for gift in vjp.gives], vjp.saved)
    3 [(2, 'g − g × out × out')] (3,)
    2 [(0, 'g × y'), (1, 'g × x')] (0, 1)
    """
    with traced():
        return [vjp(flow, i) for i, _ in reversed(flow.graph.operations()) if flow.gradients[i] is not None]


@contextmanager
def traced() -> Iterator[None]:
    """Every operation inside is recorded, needed for a gradient or not, and nobody is told."""
    recorder = thread.recorder
    before = recorder.enabled, recorder.tracing, recorder.observers
    recorder.enabled, recorder.tracing, recorder.observers = True, True, ()
    try:
        yield
    finally:
        recorder.enabled, recorder.tracing, recorder.observers = before


def vjp(flow: Flow, i: int) -> Vjp:
    """The rule of operation ``i``, run once on its values."""
    out = flow.things[i]
    op, inputs, params, _ = out.node
    g = Tensor(np.asarray(flow.gradients[i]))
    present = [k for k, x in enumerate(inputs) if x is not None]
    position = dict(zip(present, flow.graph.nodes[i].inputs, strict=True))  # type: ignore[union-attr]
    words: dict[int, str] = {}
    for x, word in zip(reversed(inputs), reversed(input_words(op, len(inputs))), strict=True):
        if isinstance(x, (Tensor, np.ndarray)):  # numbers are shown as they are
            words |= dict.fromkeys(keys(x), word)
    words |= {id(g): "g", id(out): "out"}
    parts = op.joint(g, out, *inputs, **params) if op.joint else [None] * len(inputs)
    gives, read = [], set[int]()
    for k, (x, part) in enumerate(zip(inputs, parts, strict=False)):
        if isinstance(x, Tensor) and x.requires_grad:
            part = part if op.joint else op.rules[k](g, out, *inputs, **params)  # noqa: PLW2901
            if part is not None:
                found, size = reads(part, words)
                gives.append(Gift(position[k], written(part, words, x, size), norm(expanded(part, x))))
                read |= found
    saved = [position[k] for k in present if read.intersection(keys(inputs[k]))] + [i] * (id(out) in read)
    return Vjp(i, tuple(gives), tuple(dict.fromkeys(saved)))


def expanded(part: Any, x: Tensor) -> Array:
    """The contribution ``part`` to the gradient of ``x``, as an array of its shape."""
    if isinstance(part, At):
        part = At.total([At(plain(part.value), tuple(map(plain, part.arrays)), part.key, part.shape)])
    elif isinstance(part, Rows):
        part = Rows.total([Rows(plain(part.a), plain(part.b))])
    return unbroadcast(np.asarray(plain(part)), x.shape)  # type: ignore[no-any-return]


def input_words(op: Op, count: int) -> list[str]:
    """A name for each input: that of the operation's parameter, numbered where it takes any number of them."""
    names = op.input_names
    return [*names[:count], *(f"{names[-1]}{k}" for k in range(len(names), count))]


def keys(x: Any) -> list[int]:
    """The identities that ``x`` is known by: its own and, where it was not computed, that of its memory.

    A rule may look at a constant (targets, a mask) as an array of another shape, which no trace shows.
    """
    array = x.data if isinstance(x, Tensor) and x.node is None else x
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return [id(x), id(array)]


def operands(x: Any) -> tuple[Any, ...]:
    """What a traced value was computed from: nothing for a number or an array."""
    if isinstance(x, At):
        return (x.value, *x.arrays)
    if isinstance(x, Rows):
        return (x.a, x.b)
    return x.node.inputs if isinstance(x, Tensor) and x.node is not None else ()


def reads(x: Any, words: dict[int, str]) -> tuple[set[int], int]:
    """The identities of those things among ``words`` that ``x`` was computed from, and of how many values in all."""
    found: set[int] = set()
    stack, seen = [x], set[int]()
    while stack:
        y = stack.pop()
        if known := [key for key in keys(y) if key in words]:
            found.update(known)
        elif id(y) not in seen:
            seen.add(id(y))
            stack += operands(y)
    return found, len(seen)


def written(part: Any, words: dict[int, str], x: Tensor, size: int) -> str:
    """The formula of the contribution ``part`` to the gradient of ``x``; "…" for one of very many values."""
    if size > MOST_VALUES:
        return "…"
    if getattr(part, "shape", x.shape) != x.shape:  # the engine sums, where the input was broadcast
        return f"Σ {formula(part, words, 2)}"
    return formula(part, words)


def formula(x: Any, words: dict[int, str], level: int = 0) -> str:
    """A traced value as text; in brackets if it binds less tightly than ``level``.

    A value of the form a + b has level 1, a × b level 2; the right operands of − and / bind one level tighter.
    """
    for key in keys(x):
        if key in words:
            return words[key]
    if isinstance(x, At):
        return f"{formula(x.value, words, 3)} at [{', '.join(map(index, x.key))}]"
    if isinstance(x, Rows):
        return f"{formula(x.a, words, 3)}ᵀ {formula(x.b, words, 3)}"
    if not isinstance(x, Tensor) or x.node is None:
        value = np.asarray(x.data if isinstance(x, Tensor) else x)
        return f"{value.item():.4g}" if value.size == 1 and value.dtype.kind in "fiub" else "constant"
    return call(x.node, words, level)


def call(node: Node, words: dict[int, str], level: int) -> str:
    """A traced operation as text: a sign between its operands, or its name before them."""
    name, inputs = node.op.name, node.inputs
    if name in INFIX:
        sign, own = INFIX[name]
        one, two = formula(inputs[0], words, own), formula(inputs[1], words, own + (name in {"sub", "div"}))
        return f"({one}{sign}{two})" if own < level else f"{one}{sign}{two}"
    if name == "neg":
        return f"−{formula(inputs[0], words, 3)}"
    if name in {"transpose", "swapaxes"}:
        return f"{formula(inputs[0], words, 3)}ᵀ"
    if name == "getitem":
        return f"{formula(inputs[0], words, 3)}[{', '.join(map(index, node.params['key']))}]"
    return f"{name}({', '.join(formula(x, words) for x in inputs if x is not None)})"
