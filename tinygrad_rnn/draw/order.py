"""Orders of directed graphs: their circles, and sorting with as little change as can be."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from heapq import heappop, heappush
from typing import TypeVar

V = TypeVar("V", bound=Hashable)


def circles(vertices: Iterable[V], edges: Iterable[tuple[V, V]]) -> list[list[V]]:
    """The sets of two or more vertices that lie on common circles (Tarjan 1972, without recursion)."""
    after: dict[V, list[V]] = {v: [] for v in vertices}
    for a, b in edges:
        if a in after and b in after and a != b:
            after[a].append(b)
    index: dict[V, int] = {}
    low: dict[V, int] = {}
    path: list[V] = []
    on_path: set[V] = set()
    found: list[list[V]] = []
    for root, first in after.items():
        if root in index:
            continue
        work = [(root, iter(first))]
        index[root] = low[root] = len(index)
        path.append(root)
        on_path.add(root)
        while work:
            v, rest = work[-1]
            for w in rest:
                if w not in index:
                    index[w] = low[w] = len(index)
                    path.append(w)
                    on_path.add(w)
                    work.append((w, iter(after[w])))
                    break
                if w in on_path:
                    low[v] = min(low[v], index[w])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[v])
                if low[v] == index[v]:
                    circle = [path.pop()]
                    while circle[-1] != v:
                        circle.append(path.pop())
                    on_path.difference_update(circle)
                    if len(circle) > 1:
                        found.append(circle[::-1])
    return found


def sorted_up(vertices: Iterable[V], edges: Iterable[tuple[V, V]]) -> list[V]:
    """The vertices so that each comes after those with an edge to it; otherwise, and on circles, in their own order."""
    number = {v: k for k, v in enumerate(vertices)}
    before = dict.fromkeys(number, 0)
    after: dict[V, list[V]] = {v: [] for v in number}
    for a, b in dict.fromkeys(edges):
        if a in number and b in number and a != b:
            after[a].append(b)
            before[b] += 1
    ready = [(number[v], v) for v in number if not before[v]]
    order: dict[V, None] = {}
    waiting = iter(number)
    while len(order) < len(number):
        while ready:
            _, v = heappop(ready)
            if v in order:
                continue
            order[v] = None
            for w in after[v]:
                before[w] -= 1
                if not before[w]:
                    heappush(ready, (number[w], w))
        v = next((w for w in waiting if w not in order), None)  # type: ignore[assignment]
        if v is not None:
            ready = [(number[v], v)]
    return list(order)
