"""Finding the program that lays pictures out: ``dot`` of Graphviz, else ``graphviz-pure``, which pip can install.

The Python package graphviz writes DOT text and runs a program; it doesn't bring one. Nothing here runs at import.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_rnn.draw.words import Report, columns

if TYPE_CHECKING:
    from types import ModuleType

GET_DOT = "install Graphviz (graphviz.org; apt install graphviz, brew install graphviz, winget install graphviz)"
GET_PURE = "pip install 'tinygrad-rnn[draw]'"
WITHOUT = ".source, .save(), summary() and diff()"  # what needs no program


def load_graphviz() -> ModuleType:
    """The package graphviz, or an error that says how to get it."""
    try:
        import graphviz
    except ImportError as error:
        raise ImportError("draw: the Python package graphviz is missing; pip install graphviz") from error
    return graphviz  # type: ignore[no-any-return]


def find_pure() -> Path | None:
    """The program graphviz-pure: the one that pip put beside this Python, on PATH or not; else the one on PATH."""
    try:
        files = importlib.metadata.files("graphviz-pure") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    installed = [str(file.locate()) for file in files if Path(file).stem == "graphviz-pure"]
    found = next(filter(None, map(shutil.which, [*installed, "graphviz-pure"])), None)
    return found if found is None else Path(found).resolve()


def missing() -> str:
    """What to say when there is neither program."""
    return (
        "draw: no program is there to lay the picture out: neither dot nor graphviz-pure was found. "
        f"{GET_PURE} brings graphviz-pure; or {GET_DOT}. {WITHOUT} need neither"
    )


def doctor() -> Report:
    """What pictures are made with on this machine: versions, paths, what is missing and how to get it.

    >>> print(doctor().splitlines()[-1])
    .source, .save(), summary() and diff() need none of the programs.
    """
    try:
        package = ("package graphviz", importlib.metadata.version("graphviz"), "")
    except importlib.metadata.PackageNotFoundError:
        package = ("package graphviz", "missing", "pip install graphviz")
    dot, pure = shutil.which("dot"), find_pure()
    programs = [
        ("program dot", *(("missing", GET_DOT) if dot is None else (version(dot), dot))),
        ("program graphviz-pure", *(("missing", GET_PURE) if pure is None else (version(pure), str(pure)))),
    ]
    chosen = "dot" if dot else "graphviz-pure" if pure else None
    says = f"Pictures are laid out by {chosen}." if chosen else "Pictures can't be laid out: get one of the programs."
    return Report("\n".join([*columns([package, *programs]), says, f"{WITHOUT} need none of the programs."]))


def version(program: str | Path) -> str:
    """The version that ``program -V`` reports, or what went wrong."""
    try:
        run = subprocess.run(  # noqa: S603  a program that was found under the name of a layout program
            [program, "-V"], capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"can't be run ({type(error).__name__})"
    found = re.search(r"version (\S+)", run.stderr + run.stdout)
    return found[1] if found else "of unknown version"
