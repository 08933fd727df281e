"""Nested states, arguments and results: dictionaries, tuples, named tuples and lists, with tensors at the leaves.

None stands for nothing, as an empty tuple does. A leaf is named by its path, as Python would write it: ``[0]['w']``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def branches(tree: Any) -> dict[str, Any] | None:
    """What ``tree`` holds, by the path to it; None if it is a leaf."""
    if tree is None:
        return {}
    if isinstance(tree, dict):
        return {f"[{key!r}]": part for key, part in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return {f".{name}": part for name, part in zip(tree._fields, tree, strict=True)}
    if isinstance(tree, (tuple, list)):
        return {f"[{i}]": part for i, part in enumerate(tree)}
    return None


def flat(tree: Any) -> list[Any]:
    """The leaves of ``tree``.

    >>> flat({"w": (1.0, [2.0]), "b": None})
    [1.0, 2.0]
    """
    parts = branches(tree)
    return [tree] if parts is None else [leaf for part in parts.values() for leaf in flat(part)]


def leaves(tree: Any, path: str = "") -> list[tuple[str, Any]]:
    """The leaves of ``tree``, each with its path.

    >>> leaves({"w": (1.0, [2.0]), "b": None})
    [("['w'][0]", 1.0), ("['w'][1][0]", 2.0)]
    """
    parts = branches(tree)
    if parts is None:
        return [(path, tree)]
    return [leaf for label, part in parts.items() for leaf in leaves(part, path + label)]


def rebuilt(form: Any, values: Iterator[Any]) -> Any:
    """A tree nested as ``form`` is, of leaves that come from ``values``."""
    parts = branches(form)
    if parts is None:
        return next(values)
    new = [rebuilt(part, values) for part in parts.values()]
    if form is None:
        return None
    if isinstance(form, dict):
        return dict(zip(form, new, strict=True))
    return type(form)(*new) if hasattr(form, "_fields") else type(form)(new)


def matched(form: Any, tree: Any, what: str, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, leaf of ``form``, what stands in its place in ``tree``), for each leaf.

    Raises ValueError, naming ``what`` and the path, where the two are nested differently.
    """
    own, other = branches(form), branches(tree)
    if own is None:
        if other is not None:
            raise ValueError(f"{what}{path} must be one array, but is {described(tree)}")
        yield path, form, tree
        return
    if other is None or own.keys() != other.keys():
        raise ValueError(f"{what}{path} must be {described(form)}, but is {described(tree)}")
    for label, part in own.items():
        yield from matched(part, other[label], what, path + label)


def described(tree: Any) -> str:
    """What a message calls a tree: its type and what it is indexed by, or the form of a leaf."""
    if tree is None:
        return "None"
    if isinstance(tree, dict):
        return f"a dict of {listed(map(repr, tree)) or 'nothing'}"
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return f"a {type(tree).__name__} of {listed(tree._fields)}"
    if isinstance(tree, (tuple, list)):
        return f"a {type(tree).__name__} of {len(tree)}"
    if hasattr(tree, "shape"):
        return f"one array of shape {tree.shape}"
    return f"a single {type(tree).__name__}"


def listed(names: Iterable[str]) -> str:
    """Names in a row."""
    return ", ".join(names)
