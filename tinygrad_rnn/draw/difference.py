"""What differs between two recorded graphs, in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from textwrap import shorten
from typing import TYPE_CHECKING, Any, TypeAlias

from tinygrad_rnn.draw.graph import Graph, Leaf, Operation, Vertex, collect
from tinygrad_rnn.draw.layout import steps_between
from tinygrad_rnn.draw.report import alike
from tinygrad_rnn.draw.style import dims, index
from tinygrad_rnn.draw.words import Report, counted, printable
from tinygrad_rnn.op import describe
from tinygrad_rnn.tensor import Scope, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Lines: TypeAlias = tuple[str, ...]


def diff(a: Tensor, b: Tensor) -> Report:
    """What differs between the graphs that ``a`` and ``b`` were computed by: structure and forms, no values.

    Operations are compared scope by scope, in the order in which they were recorded. ``-`` is in the graph of ``a``
    only, ``+`` in that of ``b`` only, and ``→`` leads from what is in ``a`` to what is in ``b`` instead: static
    parameters, shape and dtype, what an operation reads. Time steps with the same differences share one heading.

    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> diff((x * x).sum(), (x * x).tanh().sum())
    a: 2 operations, 1 leaf; b: 3 operations, 1 leaf
    (no scope)
      + tanh 2 float64
      sum: reads mul → tanh
    >>> diff(x.tanh(), x.tanh())
    no difference: 1 operation, 1 leaf

    Raises as ``draw``: TypeError for what is no Tensor, ValueError for one that was not recorded, RuntimeError if the
    graph was freed by backward.
    """
    one, two = collect([a]), collect([b])
    pairs = matches(one, two)
    found: dict[Scope, Lines] = {}
    for scope in dict.fromkeys([*pairs.before, *pairs.after]):
        if told := Counter(scope_lines(one, two, scope, pairs)):
            found[scope] = tuple(line if n == 1 else f"{line}  ({n:,} times)" for line, n in told.items())
    lines: list[str] = []
    if changed := list(leaf_lines(one, two)):
        lines += ["leaves", *(f"  {line}" for line in changed)]
    for name, text, scopes in alike(found):
        lines += [f"{name}, at each of {len(scopes):,} steps" if len(scopes) > 1 else name]
        lines += [f"  {line}" for line in text]
    if not lines:
        return Report(f"no difference: {size(one)}")
    return Report("\n".join([f"a: {size(one)}; b: {size(two)}", *lines]))


@dataclass(frozen=True, slots=True)
class Matches:
    """Which operation of one graph is which of the other, and the operations of each scope."""

    of: dict[int, int]  # from positions in the first to positions in the second
    before: dict[Scope, dict[int, Operation]]
    after: dict[Scope, dict[int, Operation]]


def matches(one: Graph, two: Graph) -> Matches:
    """Operations that are the same in both, matched scope by scope in their order.

    Where the kinds are the same one by one, so are the operations. Elsewhere those that agree in static parameters and
    form go first, and what stands between them is matched by kind alone.
    """
    before, after = scopes(one), scopes(two)
    of: dict[int, int] = {}
    for scope in before.keys() & after.keys():
        left, right = list(before[scope].items()), list(after[scope].items())
        exact = [] if kinds(left) == kinds(right) else blocks(*([full(x) for x in side] for side in (left, right)))
        i = j = 0
        for i_next, j_next, n in [*exact, Match(len(left), len(right), 0)]:
            gap = left[i:i_next], right[j:j_next]
            for a, b, m in blocks(*map(kinds, gap)):
                of |= {gap[0][a + k][0]: gap[1][b + k][0] for k in range(m)}
            of |= {left[i_next + k][0]: right[j_next + k][0] for k in range(n)}
            i, j = i_next + n, j_next + n
    return Matches(of, before, after)


def blocks(left: Sequence[str], right: Sequence[str]) -> list[Match]:
    """Runs that two sequences share, in order: (start in the first, start in the second, length)."""
    if left == right:
        return [Match(0, 0, len(left))]
    return SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()


def kinds(side: Sequence[tuple[int, Operation]]) -> list[str]:
    """The kind of each operation."""
    return [operation.op for _, operation in side]


def full(item: tuple[int, Operation]) -> str:
    """All about an operation but what it reads."""
    return f"{item[1].op}{item[1].params}{form(item[1])}"


def scopes(graph: Graph) -> dict[Scope, dict[int, Operation]]:
    """The operations recorded in each scope, by their positions."""
    found: dict[Scope, dict[int, Operation]] = {}
    for i, operation in graph.operations():
        found.setdefault(operation.scope, {})[i] = operation
    return found


def scope_lines(one: Graph, two: Graph, scope: Scope, pairs: Matches) -> Iterator[str]:
    """What differs in one scope, a line each, in the order of the operations."""
    left, right = pairs.before.get(scope, {}), pairs.after.get(scope, {})
    if not left or not right:
        here = left or right
        each = dict.fromkeys(x.op for x in here.values())
        yield f"{'-' if left else '+'} {counted(len(here), 'operation')}: {', '.join(each)}"
        return
    matched = {pairs.of[i] for i in left if i in pairs.of}
    new = {j: f"+ {x.op} {form(x)}" for j, x in right.items() if j not in matched}
    for i, a in left.items():
        if i not in pairs.of:
            yield f"- {a.op} {form(a)}"
            continue
        earlier = [j for j in new if j < pairs.of[i]]
        yield from map(new.pop, earlier)
        yield from changes(a, right[pairs.of[i]], one, two, pairs)
    yield from new.values()


def changes(a: Operation, b: Operation, one: Graph, two: Graph, pairs: Matches) -> Iterator[str]:
    """What differs between an operation of the first graph and its match in the second."""
    for key in dict.fromkeys([*a.params, *b.params]):
        old, new = (static(key, node.params.get(key)) for node in (a, b))
        if old != new:
            yield f"{a.op}: {key} {old} → {new}"
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        yield f"{a.op}: {form(a)} → {form(b)}"
    if len(a.inputs) != len(b.inputs):
        yield f"{a.op}: {counted(len(a.inputs), 'input')} → {len(b.inputs)}"
        return
    for x, y in zip(a.inputs, b.inputs, strict=True):
        if pairs.of.get(x) != y and not same_leaf(one.nodes[x], two.nodes[y]):
            yield f"{a.op}: reads {called(one.nodes[x], a.scope)} → {called(two.nodes[y], b.scope)}"


def leaf_lines(one: Graph, two: Graph) -> Iterator[str]:
    """Parameters and inputs that only one graph has, or that differ in shape or dtype."""
    left, right = (
        Counter(node for node in graph.nodes if isinstance(node, Leaf) and node.kind != "constant")
        for graph in (one, two)
    )
    gone, come = left - right, right - left
    for old, n in gone.items():
        new = next((x for x, m in come.items() if (x.kind, x.name, m) == (old.kind, old.name, n)), None)
        if new is None:
            yield f"- {leaf_text(old, n)}"
        else:
            yield f"{leaf_text(old, n)} → {form(new)}"
            del come[new]
    yield from (f"+ {leaf_text(new, n)}" for new, n in come.items())


def same_leaf(a: Vertex, b: Vertex) -> bool:
    """Whether two leaves stand for the same thing: they have one name or, without names, one form and value."""
    if not isinstance(a, Leaf) or not isinstance(b, Leaf) or (a.kind, a.name) != (b.kind, b.name):
        return False
    return bool(a.name) or a == b


def form(node: Vertex) -> str:
    """Shape and dtype as text."""
    return f"{dims(node.shape) or 'scalar'} {node.dtype}"


def leaf_text(node: Leaf, number: int) -> str:
    """A leaf as text, with its number if there are more of the kind."""
    name = f" {printable(node.name)}" if node.name else ""
    return f"{f'{number:,} × ' if number > 1 else ''}{node.kind}{name} {form(node)}"


def called(node: Vertex, scope: Scope) -> str:
    """How what an operation in ``scope`` reads is told: a leaf by its name or value, an operation by where it is."""
    if isinstance(node, Leaf):
        return f"{node.kind} {printable(node.name) or node.value or form(node)}"
    if node.scope == scope:
        return node.op
    if steps := steps_between(scope, node.scope):
        return f"{node.op} of t{steps:+d}"
    return f"{node.op} of {printable(describe(node.scope)) or 'no scope'}"


def static(key: str, value: Any) -> str:
    """A static parameter as text; an index as it is written between brackets."""
    text = f"[{', '.join(map(index, value))}]" if key == "key" and value is not None else repr(value)
    return shorten(printable(text), 60, placeholder=" …")


def size(graph: Graph) -> str:
    """How many operations and leaves there are."""
    operations = len(graph.operations())
    leaves = len(graph.nodes) - operations
    return f"{counted(operations, 'operation')}, {f'{leaves:,} leaves' if leaves != 1 else '1 leaf'}"
