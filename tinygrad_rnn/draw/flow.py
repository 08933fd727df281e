"""How the gradient flows through a recorded graph: at every tensor, at every state along time, and by which rules.

Everything is found by the engine's own ``gradients`` and by the operations' own rules. The graph is not freed, and
no ``.grad`` is touched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.backward import gradients
from tinygrad_rnn.draw.graph import Graph, collect, recorded
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Array, Scope, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Flow:
    """A graph with the value of each node and the gradient of the loss there, by position in ``graph.nodes``.

    A gradient is None where there is none: at constants, and at tensors that don't require grad.
    """

    graph: Graph
    things: tuple[Any, ...]  # the Tensor, array, number or text that each node stands for
    gradients: tuple[Array | None, ...]

    @classmethod
    def without_gradients(cls, outputs: Sequence[Tensor], graph: Graph) -> Flow:
        """The values of ``graph``, the graph of ``outputs``, alone."""
        return cls(graph, tuple(tensors(outputs, graph)), (None,) * len(graph.nodes))

    def value(self, i: int) -> Any:
        """The value of node ``i``: an array, a number or a text."""
        thing = self.things[i]
        return thing.data if isinstance(thing, Tensor) else thing

    def norm(self, i: int) -> float | None:
        """‖∂L/∂x‖ of node ``i``, the Euclidean norm over all its elements; None where there is no gradient."""
        g = self.gradients[i]
        return None if g is None else norm(g)


@dataclass(frozen=True, slots=True)
class Track:
    """One tensor of a state along time: the h, or the c, of one layer; ``positions`` in the order of computation."""

    scope: Scope  # of the layer, without the time step
    name: str
    positions: dict[int, int]  # in Graph.nodes, by time step

    @property
    def title(self) -> str:
        """Where it is and what, as text: ``layer0 c``."""
        return f"{describe(self.scope)} {self.name}".strip()


def flow(loss: Tensor) -> Flow:
    """The gradient of the scalar ``loss`` at every tensor it was computed from.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> found = flow((x * x).tanh())
    >>> [getattr(node, "op", node.name) for node in found.graph.nodes]
    ['x', 'mul', 'tanh']
    >>> [f"{found.norm(i):.1e}" for i in range(3)]
    ['3.7e-07', '6.1e-08', '1.0e+00']

    Raises as ``collect`` for what was not recorded, ValueError for a loss that is no scalar.
    """
    graph = collect([loss])
    if loss.size != 1:
        raise ValueError(
            f"draw: gradients are those of one number, the loss, but this tensor has shape {loss.shape}; "
            "reduce it, such as by .sum() or .mean()"
        )
    things = tensors([loss], graph)
    wrt = [x for x in things if isinstance(x, Tensor) and x.requires_grad]
    found = dict(zip(map(id, wrt), gradients(loss, wrt, retain_graph=True), strict=True))
    return Flow(graph, tuple(things), tuple(found.get(id(x)) if isinstance(x, Tensor) else None for x in things))


def tensors(outputs: Sequence[Tensor], graph: Graph) -> list[Any]:
    """What each node of ``graph``, the graph of ``outputs``, stands for: a Tensor, or a constant as it was given."""
    things: list[Any] = [None] * len(graph.nodes)
    for (i, operation), (out, node) in zip(graph.operations(), recorded(outputs), strict=True):
        things[i] = out
        for source, x in zip(operation.inputs, (x for x in node.inputs if x is not None), strict=True):
            things[source] = x
    return things


def norm(g: Array) -> float:
    """The Euclidean norm over all elements, in float64 and without underflow.

    >>> norm(np.array([3e-300, 4e-300]))
    5e-300
    """
    largest = float(np.max(np.abs(g), initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    return largest * float(np.sqrt(np.sum(np.square(np.divide(g, largest, dtype=np.float64)))))


def tracks(graph: Graph) -> list[Track]:
    """The states in ``graph``: what is computed in one time step of a layer and read in another.

    In the step that no other reads (the last one computed) it is the result at the same place of the same operations.
    A layer of one step has as states what is read outside of that step. Raises ValueError if there are no recorded
    steps: without time steps there is no gradient along time.
    """
    layers: dict[Scope, dict[int, list[int]]] = {}  # operations of each layer and step
    where: dict[int, tuple[Scope, int]] = {}
    for i, operation in graph.operations():
        if (place := layer_and_step(operation.scope)) is not None:
            layers.setdefault(place[0], {}).setdefault(place[1], []).append(i)
            where[i] = place
    carried: dict[tuple[Scope, int], dict[int, None]] = {}  # what other steps of the layer read
    outward: dict[int, None] = {}  # what is read outside of all steps of its layer
    for source, i in graph.edges():
        if source in where and where[source] != where.get(i):
            layer, t = where[source]
            if where.get(i, (None,))[0] == layer:
                carried.setdefault((layer, t), {})[source] = None
            else:
                outward[source] = None
    found = [
        track
        for layer, steps in layers.items()
        for track in layer_tracks(graph, layer, steps, {t: sorted(carried.get((layer, t), {})) for t in steps}, outward)
    ]
    if not found:
        check_unrolled(graph)
        raise ValueError(
            "draw: no time steps were recorded, so there is no gradient along time; use a recurrent layer or scan(), "
            "or put `with scope(t):` of tinygrad_rnn.scope around each step of your own loop"
        )
    return found


def layer_tracks(
    graph: Graph, layer: Scope, steps: dict[int, list[int]], carried: dict[int, list[int]], outward: dict[int, None]
) -> list[Track]:
    """The states of one layer: as many as are ``carried`` from step to step."""
    order = sorted(steps, key=lambda t: steps[t][0])
    if len(order) == 1:
        carried = {t: [i for i in steps[t] if i in outward or i in graph.outputs] for t in order}
    count = max(map(len, carried.values()))
    rows = [{t: carried[t][k] for t in order if len(carried[t]) == count} for k in range(count)]
    if len(order) > 1 and not carried[order[-1]]:
        before, last = (steps[t] for t in order[-2:])
        for row in rows:
            if order[-2] in row and (i := same_place(graph, before, row[order[-2]], last)) is not None:
                row[order[-1]] = i
    starts = initial_names(graph, [steps[t] for t in order[:2]], [row.get(order[0]) for row in rows])
    return [Track(layer, names(graph, row) or start, row) for start, row in zip(starts, rows, strict=True)]


def same_place(graph: Graph, before: list[int], state: int, now: list[int]) -> int | None:
    """Where ``state``, a result of the step ``before``, is in the step ``now``: None if the steps differ so far."""
    place = before.index(state)
    one, two = ([graph.nodes[i].op for i in step[: place + 1]] for step in (before, now))  # type: ignore[union-attr]
    return now[place] if one == two else None


def names(graph: Graph, row: dict[int, int]) -> str:
    """The name that the tensors of ``row`` were all given, if they were."""
    given = {graph.nodes[i].name for i in row.values()}
    return given.pop() if len(given) == 1 else ""


def initial_names(graph: Graph, steps: list[list[int]], states: list[int | None]) -> list[str]:
    """What the tensors of a state are called: h if their start is named h₀; else h for the only one, or a number.

    The start of a state is read in the first of ``steps`` where the second reads the state itself.
    """
    found: dict[int | None, str] = {}
    for one, two in zip(*(steps if len(steps) == 2 else ([], [])), strict=False):
        for start, state in zip(graph.nodes[one].inputs, graph.nodes[two].inputs, strict=False):
            name, zero, _ = graph.nodes[start].name.partition("₀")  # "h₀", or "h₀ detached"
            if zero:
                found.setdefault(state, name)
    return [found.get(state) or ("h" if len(states) == 1 else f"state {k}") for k, state in enumerate(states)]


def layer_and_step(scope: Scope) -> tuple[Scope, int] | None:
    """The layer that a scope belongs to and its innermost time step; None outside of time steps.

    >>> layer_and_step(("lstm", "layer1", 7, "gates"))
    (('lstm', 'layer1'), 7)
    """
    for depth in reversed(range(len(scope))):
        if isinstance(t := scope[depth], int):
            return scope[:depth], t
    return None


def check_unrolled(graph: Graph) -> None:
    """Raise ValueError for a planned scan in ``graph``: what happens between its steps is not recorded."""
    if any(operation.op == "planned_scan" for _, operation in graph.operations()):
        raise ValueError(
            "draw: a planned scan is one node of the graph, so the states between its steps, and the gradients there, "
            "are not recorded; set layer.unroll = True (or scan(..., unroll=True)) and compute the loss again"
        )
