"""No file of the project, and no file that it reads, is ever run as code: no pickle, no eval, no exec."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("tinygrad_rnn", "demos", "tests")
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__"}


def dangers(tree: ast.Module) -> Iterator[str]:
    """What in a module could run data as code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in MODULES:
                yield f"from {node.module} import"
        elif isinstance(node, ast.Name) and node.id in CALLS:
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "builtins":
            yield f"builtins.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield "allow_pickle"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_pickle_eval_or_exec(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert len(files) > 10
    found = [f"{file.relative_to(ROOT)}: {what}" for file in files for what in dangers(ast.parse(file.read_bytes()))]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "import pickle as p", "from pickle import loads", "from joblib.numpy_pickle import load",
        "eval('1')", "run = exec", "compile('1', '', 'eval')", "__import__('os')", "builtins.eval('1')",
        "np.load(file, allow_pickle=True)",
    ],
)  # fmt: skip
def test_the_search_finds_them(code: str) -> None:
    assert list(dangers(ast.parse(code)))


def test_methods_of_these_names_are_others() -> None:
    assert list(dangers(ast.parse("model.eval(); re.compile('a'); self.exec = 1"))) == []
