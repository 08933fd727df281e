"""Imports point one way, and importing the package costs little more than importing NumPy."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "tinygrad_rnn").rglob("*.py"), *(ROOT / "demos").rglob("*.py")])
MODULES = [path for path in FILES if path != ROOT / "tinygrad_rnn" / "__init__.py"]
LEVELS = [
    {"messages", "tensor", "op", "scope", "contributions", "backward"},  # the core
    {"ops"},
    {"gradcheck", "tree", "derivatives", "scan", "nn"},
    {"optim", "text", "draw", "debug", "checkpoint", "onnx"},
    {"demos"},
]
CORE = ["messages", "tensor", "op", "scope", "contributions", "backward"]  # each imports only those before it
EVERYWHERE = {"numpy"} | set(sys.stdlib_module_names)
OPTIONAL = {  # each in one place
    "draw": {"graphviz"},
    "checkpoint": {"safetensors"},
    "onnx": {"onnx"},
    "demos": {"graphviz", "matplotlib", "tqdm", "mpi4py", "demos"},
}


def level(part: str) -> int:
    found = [i for i, parts in enumerate(LEVELS) if part in parts]
    assert found, f"{part} has no place in the order of imports: give it one in this file and in the design"
    return found[0]


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to: ``ops`` for ``tinygrad_rnn/ops/reduce.py``."""
    relative = path.relative_to(ROOT)
    return "demos" if relative.parts[0] == "demos" else relative.parts[1].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Full names of what a file imports when it runs: what stands under TYPE_CHECKING does not run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: absolute imports only"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_imported(path: Path) -> set[str]:
    """Parts of the package that a file imports; names that the package itself exports count as its operations."""
    names = [name.split(".") for name in imported(path) if name.startswith("tinygrad_rnn")]
    modules = {part_of(file) for file in MODULES}
    return {name[1] if len(name) > 1 and name[1] in modules else "ops" for name in names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_from_higher_levels_to_lower_ones(path: Path) -> None:
    here = part_of(path)
    for other in parts_imported(path):
        assert level(other) <= level(here), f"{here} imports {other}"


@pytest.mark.parametrize("name", CORE)
def test_the_core_is_a_chain(name: str) -> None:
    path = ROOT / "tinygrad_rnn" / f"{name}.py"
    later = parts_imported(path) - set(CORE[: CORE.index(name)])
    if name == "tensor":
        later -= {"backward"}  # inside the method of that name
    assert not later, f"{name} imports {later}"


def test_the_core_is_as_long_as_the_readme_says() -> None:
    said = re.search(
        r"\(`messages`, `tensor`, .*; about ([\d,]+) lines", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert said is not None
    lines = sum(len((ROOT / "tinygrad_rnn" / f"{name}.py").read_text("utf-8").splitlines()) for name in CORE)
    assert int(said[1].replace(",", "")) == pytest.approx(lines, rel=0.03)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_third_parties_are_imported_in_one_place_each(path: Path) -> None:
    allowed = EVERYWHERE | {"tinygrad_rnn"} | OPTIONAL.get(part_of(path), set())
    assert {name.split(".")[0] for name in imported(path)} <= allowed


def test_importing_the_package_loads_no_optional_library() -> None:
    code = "import sys, tinygrad_rnn; print(*sys.modules)"
    run = subprocess.run(  # noqa: S603  this interpreter, this text
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert "numpy" in loaded
    unwanted = {"graphviz", "hypothesis", "matplotlib", "tqdm", "safetensors", "onnx", "torch", "pytest", "asyncio"}
    assert not loaded & unwanted


EACH_ALONE = """
import importlib, sys
for name in sys.argv[1:]:
    for module in [m for m in sys.modules if m.startswith("tinygrad_rnn")]:
        del sys.modules[module]
    try:
        importlib.import_module(name)
    except ImportError as error:
        sys.exit(f"import {name}: {error}")
"""


def test_each_module_can_be_imported_first() -> None:
    """No cycle that works in one order only."""
    paths = [path.relative_to(ROOT).with_suffix("") for path in MODULES if part_of(path) != "demos"]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    run = subprocess.run(  # noqa: S603  this interpreter, this text
        [sys.executable, "-c", EACH_ALONE, *names],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
