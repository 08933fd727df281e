"""The Digraph that ``draw`` returns: it finds its layout program when it needs one, and never fails in a notebook."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import graphviz
from graphviz.backend import dot_command

from tinygrad_rnn.draw.engine import find_pure, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class LayoutProgramNotFound(graphviz.ExecutableNotFound):  # type: ignore[misc]  # graphviz has no types
    """Neither ``dot`` nor ``graphviz-pure`` is there; the message says how to get one of them."""

    def __init__(self) -> None:
        RuntimeError.__init__(self, missing())


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """A ``graphviz.Digraph`` that is laid out by ``dot`` if that is on PATH, else by ``graphviz-pure``.

    Files are SVG unless ``format`` says otherwise: both programs write it, and every browser shows it. In a notebook
    it is a picture; where that can't be made, a text that says why and what to do.
    """

    def __init__(self, name: str | None = None, **options: Any) -> None:
        super().__init__(name, **{**options, "format": options.get("format") or "svg"})

    def pipe(self, *args: Any, **options: Any) -> Any:
        """The picture as bytes, or as text with ``encoding``; see ``graphviz.Digraph.pipe``.

        Raises ``LayoutProgramNotFound`` without ``dot`` and ``graphviz-pure``.
        """
        return run(super().pipe, *args, **options)

    def render(self, *args: Any, **options: Any) -> str:
        """Write the DOT text and the picture into files, and return the latter's path; see ``graphviz.Digraph.render``.

        Raises ``LayoutProgramNotFound`` without ``dot`` and ``graphviz-pure``.
        """
        return str(run(super().render, *args, **options))

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """What a notebook shows: the picture, or a text if it can't be made."""
        try:
            return super()._repr_mimebundle_(include, exclude, **options)  # type: ignore[no-any-return]
        except Exception as error:  # noqa: BLE001  an error here would hide the value of the cell
            return {"text/plain": "\n".join([str(error), *getattr(error, "__notes__", [])])}


def run(method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a method that runs the layout program, after telling graphviz which one; errors name the program."""
    if shutil.which(dot_command.DOT_BINARY) is None:
        pure = find_pure()
        if pure is None:
            raise LayoutProgramNotFound
        dot_command.DOT_BINARY = pure
    try:
        return method(*args, **options)
    except graphviz.CalledProcessError as error:
        program = Path(dot_command.DOT_BINARY)
        error.add_note(f"draw: the layout program was {program}")
        if program.stem == "graphviz-pure":
            error.add_note("draw: graphviz-pure writes svg, png, jpeg, dot and json; other formats need Graphviz's dot")
        raise
