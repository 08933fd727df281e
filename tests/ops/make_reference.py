"""Write the table of all operations, tinygrad_rnn/ops/README.md, from the code: python -m tests.ops.make_reference."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import tinygrad_rnn.ops
from tests.ops.cases import OPS
from tinygrad_rnn.op import Op

FOLDER = Path(tinygrad_rnn.ops.__file__).parent
FILE = FOLDER / "README.md"
FILES = ["elementwise", "reduce", "linalg", "shape", "index", "loss"]
HEAD = """# All operations

Each is one short definition: a NumPy function with its derivative beside it. In a rule, `g` is the cotangent of the
result, `out` the result; a rule names the input whose cotangent it gives, a joint rule gives those of all inputs. The
engine undoes broadcasting and adds contributions up. `At` and `Rows` are contributions that stay unexpanded until all
of them are there: a slice or gather, and a product aᵀ b.

For every operation with a derivative the tests compare first derivatives (`gradcheck`) and second ones
(`gradgradcheck`) with central differences, Hypothesis choosing shapes, values and broadcasting; and for every rule they
plant a wrong one and see it caught. Results are compared with an oracle that shares no code with the operation.

This file is made from the code: `python -m tests.ops.make_reference`.
"""


def page() -> str:
    """The whole file."""
    return HEAD + "".join(section(name) for name in FILES)


def section(name: str) -> str:
    """The operations of one file, in its order."""
    path = FOLDER / f"{name}.py"
    tree = ast.parse(source := path.read_text(encoding="utf-8"))
    rows = "".join(f"| {' | '.join(row)} |\n" for row in rows_of(tree, source))
    summary = (ast.get_docstring(tree) or "").partition("\n")[0].replace("``", "`")
    header = "| operation | value, conventions | derivative |\n|---|---|---|\n"
    return f"\n## [{name}.py]({name}.py)\n\n{summary}\n\n{header}{rows}"


def rows_of(tree: ast.Module, source: str) -> Iterator[tuple[str, str, str]]:
    """(call, what its docstring says, rules) of each operation."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in OPS:
            (decorator,) = (d for d in node.decorator_list if isinstance(d, ast.Call))
            yield f"`{call(OPS[node.name])}`", cell(words(node)), "<br>".join(rules(decorator, source)) or "none"


def call(operation: Op) -> str:
    """How the operation is called: its parameters without their types."""
    parameters = inspect.signature(operation.forward).parameters.values()
    bare = [p.replace(annotation=p.empty) for p in parameters]
    return operation.name + str(inspect.Signature(bare))


def words(node: ast.FunctionDef) -> str:
    """A docstring up to its example, in one line."""
    text = (ast.get_docstring(node) or "").partition(">>>")[0]
    return " ".join(text.split()).replace("``", "`")


def rules(decorator: ast.Call, source: str) -> Iterator[str]:
    """Each rule as code: the body of a lambda, the name of a function."""
    for rule, name in [*((a, "all") for a in decorator.args), *((k.value, k.arg or "") for k in decorator.keywords)]:
        body = rule.body if isinstance(rule, ast.Lambda) else rule
        code = " ".join((ast.get_source_segment(source, body) or "").split())
        yield cell(f"{name}: `{code}`")


def cell(text: str) -> str:
    """Text for a cell of a table: vertical bars don't end it."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
