"""Passes over the calls of one step: each makes the step anew with fewer calls that wait for the step before.

What waits, forward, is what depends on the state; backward, what depends on the cotangent of the state. All else can be
computed for all steps at once. Small calls cost their overhead and not their arithmetic, so it pays to move arithmetic
there, and to make one call of several.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.scan.lower import Book, Value, item, key_of

if TYPE_CHECKING:
    from tinygrad_rnn.scan.plan import Draft

SMALL = 2048  # elements of a value, up to which the overhead of a call counts more than its arithmetic


def waiting(draft: Draft, room: str) -> set[int]:
    """The numbers of the values that depend on what is given as ``room``."""
    found: set[int] = set()
    for v in draft.book.values:
        if draft.given.get(v.number, ("",))[0] == room or any(a.number in found for a in v.operands):
            found.add(v.number)
    return found


# ------------------------------------------------------------------------------------------------ products regrouped


def regrouped(draft: Draft) -> Draft:
    """Backward, (w · a) · b becomes w · (a · b), and w - w · a becomes w · (1 - a), where only w waits.

    What is in the brackets is then computed for all steps at once, as in hand-written kernels that keep the derivatives
    of the gates and not the gates. Done to small values only: large ones cost their arithmetic wherever they are.
    Values forward stay as the operations make them.
    """
    waits, new_waits = waiting(draft, "seed"), set()

    def rule(v: Value, args: tuple[Any, ...], book: Book) -> Value:
        new = None
        if v.number in waits and v.kind == "ufunc" and v.size <= SMALL:
            new = regroup(v.fn, args, book, lambda x: type(x) is Value and x.number in new_waits)
        if new is None or (new.shape, new.dtype) != (v.shape, v.dtype):
            kwargs = v.kwargs
            if v.kind == "assemble":
                args, keys = flat_assembly(args, kwargs["keys"])
                kwargs = {**kwargs, "keys": keys}
            new = book.write(v.kind, v.fn, args, kwargs, v.sample)
        if v.number in waits:
            new_waits.add(new.number)
        return new

    return draft.rebuilt(rule)


def regroup(fn: Any, args: tuple[Any, ...], book: Book, waits: Callable[[Any], bool]) -> Value | None:
    """The call ``fn(*args)`` regrouped, or None if there is nothing to regroup."""
    if fn is np.negative:
        return scaled(args[0], -1, book, waits)
    if fn is np.multiply:
        for w, a in (args, args[::-1]):
            if waits(w) and not waits(a):
                return scaled(w, a, book, waits)
    if fn in {np.add, np.subtract}:
        for x, a in ((args[0], 1), *factors(args[0], waits)):
            for y, b in ((args[1], 1), *factors(args[1], waits)):
                if x is y and (type(a) is Value or type(b) is Value):
                    return book.call("ufunc", np.multiply, (x, book.call("ufunc", fn, (a, b), {})), {})
    return None


def scaled(w: Value, a: Any, book: Book, waits: Callable[[Any], bool]) -> Value | None:
    """w · a, where w is itself a product of what waits and what doesn't, or joins such products."""
    for x, b in factors(w, waits):
        if type(a) is Value or type(b) is Value:
            return book.call("ufunc", np.multiply, (x, book.call("ufunc", np.multiply, (b, a), {})), {})
    if w.kind == "assemble" and type(a) is Value and a.shape == w.shape:
        keys = w.kwargs["keys"]
        parts = [scaled(part, book.view(item, a, key), book, waits) for part, key in zip(w.args, keys, strict=True)]
        if all(part is not None for part in parts):
            return book.write("assemble", w.fn, tuple(parts), w.kwargs, w.sample)
    return None


def factors(product: Any, waits: Callable[[Any], bool]) -> list[tuple[Value, Any]]:
    """The ways to see ``product`` as (what waits, what doesn't): one or none."""
    if type(product) is not Value or product.fn is not np.multiply or product.kind != "ufunc":
        return []
    a, b = product.args
    return [(x, y) for x, y in ((a, b), (b, a)) if waits(x) and not waits(y)]


def flat_assembly(args: tuple[Any, ...], keys: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Parts and keys of an assembly, with those of an assembly inside it in its place."""
    parts: list[tuple[Any, Any]] = []
    for part, key in zip(args, keys, strict=True):
        inner = part.kwargs["keys"] if type(part) is Value and part.kind == "assemble" else ()
        if inner and all(map(last_axis, (key, *inner))):
            parts += [
                (x, (*key[:-1], slice(key[-1].start + k[-1].start, key[-1].start + k[-1].stop)))
                for x, k in zip(part.args, inner, strict=True)
            ]
        else:
            parts.append((part, key))
    return tuple(x for x, _ in parts), tuple(key for _, key in parts)


# ------------------------------------------------------------------------------------------- calls on neighbours joined


def joined(draft: Draft) -> Draft:
    """One call for several equal ones on slices that lie side by side; their results become slices of its result.

    The gates of a cell are slices of one product, and where two of them lie side by side and go through the same
    function, as i and f of an LSTM or r and z of a GRU, it is called once.
    """
    while groups := neighbours(draft):
        draft = draft.rebuilt(joining(groups))
    return draft


def joining(groups: list[list[Value]]) -> Callable[[Value, tuple[Any, ...], Book], Value]:
    """The rule that makes one call of each group."""
    group_of = {v.number: group for group in groups for v in group}
    whole: dict[int, Value] = {}  # by the number of a group's first value

    def rule(v: Value, args: tuple[Any, ...], book: Book) -> Value:
        group = group_of.get(v.number)
        if group is None:
            return book.write(v.kind, v.fn, args, v.kwargs, v.sample)
        first, last = group[0], group[-1]
        if first.number not in whole:
            wide = [widened(new, a, b, book) for new, a, b in zip(args, first.args, last.args, strict=True)]
            whole[first.number] = book.call("ufunc", v.fn, tuple(wide), v.kwargs)
        start = sum(x.shape[-1] for x in takewhile(lambda x: x is not v, group))
        return book.view(item, whole[first.number], (..., slice(start, start + v.shape[-1])))

    return rule


def widened(new: Any, first: Any, last: Any, book: Book) -> Any:
    """An argument of the joined call: from the slice that ``first`` is to the slice that ``last`` is."""
    if span(first) is None:
        return new
    return book.view(item, new.args[0], (*first.args[1][:-1], slice(first.args[1][-1].start, last.args[1][-1].stop)))


def span(x: Any) -> tuple[int, int] | None:
    """Start and stop, if ``x`` is a slice of the last axis."""
    if type(x) is not Value or x.kind != "view" or x.fn is not item or not last_axis(x.args[1]):
        return None
    key = x.args[1]
    return (key[-1].start, key[-1].stop) if ... in key or len(key) == x.ndim else None


def last_axis(key: tuple[Any, ...]) -> bool:
    """Whether an index takes all of each axis but for the last it names, and of that a stretch."""
    *rest, last = key
    stretch = type(last) is slice and last.step is None and type(last.start) is type(last.stop) is int
    return stretch and all(part is ... or part == slice(None) for part in rest)


def neighbours(draft: Draft) -> list[list[Value]]:
    """Groups of elementwise calls that differ in their slices only, and whose slices lie side by side in order."""
    ends = {v.number for v in draft.ends}
    alike: dict[Any, list[Value]] = {}
    for v in draft.book.values:
        spans = [span(a) for a in v.args]
        elementwise = v.kind == "ufunc" and isinstance(v.fn, np.ufunc) and v.fn is not np.matmul
        if not elementwise or v.number in ends or not any(spans):
            continue
        fits = all(
            (s is not None and s[1] - s[0] == v.shape[-1]) or type(a) is not Value or a.size == 1
            for a, s in zip(v.args, spans, strict=True)
        )
        if fits:
            pattern = tuple(
                key_of(a) if s is None else ("slice", a.args[0].number) for a, s in zip(v.args, spans, strict=True)
            )
            alike.setdefault((v.fn, key_of(tuple(v.kwargs.items())), v.shape[:-1], pattern), []).append(v)
    return [run for same in alike.values() for run in runs(same)]


def runs(same: list[Value]) -> list[list[Value]]:
    """The longest groups of values among ``same`` of which each one's slices begin where those before end."""
    ordered = sorted(same, key=lambda v: [s for s in map(span, v.args) if s])
    found: list[list[Value]] = []
    for v in ordered:
        pairs = zip(map(span, found[-1][-1].args), map(span, v.args), strict=True) if found else ()
        if found and all(a is None or b is None or a[1] == b[0] for a, b in pairs):
            found[-1].append(v)
        else:
            found.append([v])
    return [group for group in found if len(group) > 1]
