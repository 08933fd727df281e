"""A recorded graph in words: what there is, where, and how much of it. No layout program is needed."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tinygrad_rnn.draw.flow import tensors
from tinygrad_rnn.draw.graph import Graph, Leaf, collect
from tinygrad_rnn.draw.words import Report, columns, counted, memory, printable, span
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Scope, Tensor, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

K = TypeVar("K")
KINDS_WIDTH = 60  # of the last column of a summary


def summary(*outputs: Tensor) -> Report:
    """What ``outputs`` were computed by, in words: operations by scope and kind, time steps, parameters, memory.

    Time steps that recorded the same kinds of operations share a row: ``200 × 16`` are 16 operations at each of 200
    steps, and the memory is that of all of them. Memory is what the graph keeps alive; each buffer counts once, where
    it was made, and a view of it counts nothing. The longest path is the largest number of operations each of which
    needs the result of the one before.

    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> summary((x * x + x).sum())
    3 operations, the longest path has 3; no time steps
    parameters  1 tensor  2 numbers  16 bytes
    results                          40 bytes
    <BLANKLINE>
    scope       operations    memory  kinds
    (no scope)           3  40 bytes  mul, add, sum

    Raises TypeError without outputs and for one that is no Tensor, ValueError for one that was not recorded,
    RuntimeError if the graph was freed by backward.
    """
    if not outputs:
        raise TypeError("summary: takes at least one tensor, as in summary(loss)")
    graph = collect(outputs)
    sizes = held(tensors(outputs, graph))
    lines = [headline(graph), *columns(totals(graph, sizes), right=[1, 2, 3]), ""]
    return Report("\n".join([*lines, *columns(scope_rows(graph, sizes), right=[1, 2])]))


def headline(graph: Graph) -> str:
    """Operations, longest path and time steps, and what else there is to know about them."""
    operations = graph.operations()
    depth = [0] * len(graph.nodes)
    for i, operation in operations:
        depth[i] = 1 + max((depth[source] for source in operation.inputs), default=0)
    steps = {part for _, operation in operations for part in operation.scope if isinstance(part, int)}
    time = f"{counted(len(steps), 'time step')}, t={span(steps)}" if steps else "no time steps"
    text = f"{counted(len(operations), 'operation')}, the longest path has {max(depth):,}; {time}"
    if plans := sum(operation.op == "planned_scan" for _, operation in operations):
        text += (
            f"\n{counted(plans, 'planned scan')}, each one operation whatever the number of its steps; "
            "the buffers of their plans are not in the figures below"
        )
    return text


def totals(graph: Graph, sizes: Sequence[int]) -> list[tuple[str, str, str, str]]:
    """A row for each kind of leaf, and one for the results."""
    rows = []
    for kind in ("parameter", "input", "constant"):
        found = [i for i, node in enumerate(graph.nodes) if isinstance(node, Leaf) and node.kind == kind]
        if found:
            elements = sum(int(np.prod(graph.nodes[i].shape)) for i in found)
            things = counted(len(found), "value" if kind == "constant" else "tensor")
            rows.append((f"{kind}s", things, counted(elements, "number"), memory(sum(sizes[i] for i in found))))
    return [*rows, ("results", "", "", memory(sum(sizes[i] for i, _ in graph.operations())))]


def scope_rows(graph: Graph, sizes: Sequence[int]) -> list[tuple[str, str, str, str]]:
    """A row for each scope, steps alike together: its name, operations, memory, and kinds of operations."""
    kinds: dict[Scope, Counter[str]] = {}
    size: Counter[Scope] = Counter()
    for i, operation in graph.operations():
        kinds.setdefault(operation.scope, Counter())[operation.op] += 1
        size[operation.scope] += sizes[i]
    rows = [("scope", "operations", "memory", "kinds")]
    for name, found, scopes in alike({scope: tuple(counter.most_common()) for scope, counter in kinds.items()}):
        each = f"{sum(n for _, n in found):,}"
        number = each if len(scopes) == 1 else f"{len(scopes):,} × {each}"
        text = ", ".join(op if n == 1 else f"{op} ×{n:,}" for op, n in found)
        first, *others = textwrap.wrap(text, KINDS_WIDTH)
        rows.append((name, number, memory(sum(size[scope] for scope in scopes)), first))
        rows += [("", "", "", line) for line in others]
    return rows


def held(things: Iterable[Any]) -> list[int]:
    """Bytes of the buffer that each value brought: none for a view of an earlier one, and for numbers and texts."""
    known: dict[int, Any] = {}  # with the arrays, so that no identity is used twice
    sizes = []
    for thing in things:
        array = plain(thing)
        if not isinstance(array, np.ndarray):
            sizes.append(0)
            continue
        while isinstance(array.base, np.ndarray):
            array = array.base
        sizes.append(0 if id(array) in known else array.nbytes)
        known[id(array)] = array
    return sizes


def alike(found: Mapping[Scope, K]) -> list[tuple[str, K, list[Scope]]]:
    """Scopes that differ in their innermost time step alone and have equal values: (name, value, scopes) of each group.

    >>> alike({("rnn", 0): "a", ("rnn", 1): "b", ("rnn", 2): "b"})
    [('rnn / t=0', 'a', [('rnn', 0)]), ('rnn / t=1…2', 'b', [('rnn', 1), ('rnn', 2)])]
    """
    groups: dict[tuple[Scope, Scope, bool, K], list[Scope]] = {}
    for scope, value in found.items():
        k = innermost_step(scope)
        key = (scope, (), False, value) if k is None else (scope[:k], scope[k + 1 :], True, value)
        groups.setdefault(key, []).append(scope)
    rows = []
    for (before, after, timed, value), scopes in groups.items():
        name = describe(before)
        if timed:
            steps = span(scope[len(before)] for scope in scopes)  # type: ignore[misc]  # this part is a number
            name = f"{f'{name} / ' if name else ''}t={steps}{f'.{describe(after)}' if after else ''}"
        rows.append((printable(name) or "(no scope)", value, scopes))
    return rows


def innermost_step(scope: Scope) -> int | None:
    """Where in a scope its innermost time step stands; None without one.

    >>> innermost_step(("decoder", 3, "attention"))
    1
    """
    return next((k for k in reversed(range(len(scope))) if isinstance(scope[k], int)), None)
