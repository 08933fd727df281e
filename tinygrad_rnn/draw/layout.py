"""Where scopes stand: hints for the layout program, from the names of nodes, their scopes and the edges alone."""

from __future__ import annotations

from itertools import islice, pairwise, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tinygrad_rnn.tensor import Scope

MOST_PAIRS = 64  # of nodes that hold two scopes apart: more cost time and change nothing


def keep_apart(scopes: Mapping[str, Scope], edges: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Pairs (left, right) of nodes, ends of one scope and beginnings of another, that put the second to the right.

    A time step stands to the right of the one before; a module to the right of those that feed it, unless both run
    over time and may stand above each other.

    >>> list(keep_apart({"a": (0,), "b": (0,), "c": (1,)}, [("a", "b")]))
    [('b', 'c')]
    """
    begins: dict[Scope, dict[str, None]] = {}
    for name, scope in scopes.items():
        for around in outer(scope):
            begins.setdefault(around, {})[name] = None
    ends = {scope: dict(names) for scope, names in begins.items()}
    feeds: dict[tuple[Scope, Scope], None] = {}
    for tail, head in edges:
        a, b = scopes[tail], scopes[head]
        common = shared(a, b)
        for around in outer(common):
            ends[around].pop(tail, None)
            begins[around].pop(head, None)
        if len(common) < min(len(a), len(b)):
            feeds[a[: len(common) + 1], b[: len(common) + 1]] = None
    for left, right in neighbours(begins, feeds):
        yield from islice(product(ends[left], begins[right]), MOST_PAIRS)


def neighbours(scopes: Mapping[Scope, Any], feeds: Mapping[tuple[Scope, Scope], None]) -> Iterator[tuple[Scope, Scope]]:
    """Pairs of scopes (left, right) of which the second stands wholly to the right of the first."""
    steps = [scope for scope in scopes if isinstance(scope[-1], int)]
    steps.sort(key=lambda scope: ([str(part) for part in scope[:-1]], scope[-1]))
    yield from ((a, b) for a, b in pairwise(steps) if a[:-1] == b[:-1])
    timed = {around for step in steps for around in outer(step)}
    yield from ((a, b) for a, b in feeds if (b, a) not in feeds and not {a, b} <= timed)


def outer(scope: Scope) -> list[Scope]:
    """The scope and those around it, outermost first, without the empty one."""
    return [scope[:depth] for depth in range(1, len(scope) + 1)]


def shared(a: Scope, b: Scope) -> Scope:
    """The innermost scope around both."""
    depth = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        depth += 1
    return a[:depth]


def steps_between(a: Scope, b: Scope) -> int:
    """How many time steps later ``b`` is, where the two scopes part; 0 if they don't part at a time step.

    >>> steps_between(("lstm", 3), ("lstm", 4)), steps_between(("lstm", 3), ("head",))
    (1, 0)
    """
    depth = len(shared(a, b))
    x, y = (*a, "")[depth], (*b, "")[depth]
    return y - x if isinstance(x, int) and isinstance(y, int) else 0
