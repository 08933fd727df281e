import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphviz
import pytest
from graphviz.backend import dot_command

from tinygrad_rnn.draw import engine
from tinygrad_rnn.draw.drawing import Drawing, LayoutProgramNotFound
from tinygrad_rnn.draw.engine import doctor, find_pure
from tinygrad_rnn.draw.words import Report

ROOT = Path(__file__).parents[2]
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
needs_pure = pytest.mark.skipif(find_pure() is None, reason="the program graphviz-pure is not installed")


@pytest.fixture(autouse=True)
def _the_choice_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot_command, "DOT_BINARY", Path("dot"))


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without layout programs."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.metadata.files", lambda name: None)


def drawing() -> Drawing:
    picture = Drawing("two nodes")
    picture.edge("a", "b")
    return picture


@needs_dot
@needs_pure
def test_dot_goes_first() -> None:
    assert drawing().pipe().startswith(b"<?xml")
    assert Path("dot") == dot_command.DOT_BINARY


@needs_pure
@pytest.mark.parametrize("format", ["svg", "png"])
def test_graphviz_pure_is_used_when_dot_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, format: str
) -> None:
    monkeypatch.setenv("PATH", "")
    start = {"svg": b"<?xml", "png": b"\x89PNG"}[format]
    assert drawing().pipe(format).startswith(start)
    assert find_pure() == dot_command.DOT_BINARY
    written = Path(drawing().render(directory=tmp_path, format=format))
    assert written == tmp_path / f"two nodes.gv.{format}"
    assert written.read_bytes().startswith(start)


@needs_pure
def test_the_program_that_a_user_chose_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copy(str(find_pure()), own)
    monkeypatch.setattr(dot_command, "DOT_BINARY", own)
    drawing().pipe()
    assert own == dot_command.DOT_BINARY


@needs_pure
def test_a_format_that_graphviz_pure_lacks_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(graphviz.CalledProcessError) as caught:
        drawing().pipe("pdf", quiet=True)
    program, advice = caught.value.__notes__
    assert program == f"draw: the layout program was {find_pure()}"
    assert advice == "draw: graphviz-pure writes svg, png, jpeg, dot and json; other formats need Graphviz's dot"


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize("call", [Drawing.pipe, Drawing.render, Drawing.view])
def test_without_a_program_the_error_names_both_remedies(
    call: Callable[[Drawing], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LayoutProgramNotFound, match=r"pip install 'tinygrad-rnn\[draw\]' .*install Graphviz"):
        call(drawing())
    with pytest.raises(graphviz.ExecutableNotFound):
        call(drawing())


@pytest.mark.usefixtures("nothing")
def test_text_and_saving_need_no_program(tmp_path: Path) -> None:
    assert drawing().source == 'digraph "two nodes" {\n\ta -> b\n}\n'
    assert Path(drawing().save(directory=tmp_path)).read_text(encoding="utf-8") == drawing().source


@pytest.mark.usefixtures("nothing")
def test_a_notebook_gets_text_without_a_program() -> None:
    picture = drawing()
    assert picture._repr_mimebundle_() == {"text/plain": engine.missing()}
    assert picture._repr_mimebundle_(["image/png"]) == {"text/plain": engine.missing()}


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 3\n", "no program at all\x00"])
@pytest.mark.skipif(os.name != "posix", reason="a script stands for a program that fails")
def test_a_notebook_gets_text_from_a_program_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    (tmp_path / "dot").write_text(script)
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    bundle = drawing()._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "can't be run (" in doctor()


@needs_pure
def test_a_notebook_gets_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    picture = drawing()
    assert list(picture._repr_mimebundle_()) == ["image/svg+xml"]
    assert picture._repr_mimebundle_(exclude=["image/svg+xml"]) == {}


def test_copies_and_parts_are_drawings() -> None:
    assert isinstance(drawing().copy(), Drawing)
    picture = Drawing()
    with picture.subgraph(name="cluster") as part:
        part.node("a")
    assert isinstance(part, Drawing)
    assert (picture.format, part.format, Drawing(format="png").format) == ("svg", "svg", "png")


@needs_dot
@needs_pure
def test_doctor_names_versions_and_paths() -> None:
    package, dot, pure, verdict, _ = doctor().splitlines()
    assert package == f"package graphviz       {graphviz.__version__}"
    assert dot.startswith("program dot            ")
    assert dot.endswith(f"  {shutil.which('dot')}")
    assert pure.endswith(f"  {find_pure()}")
    assert verdict == "Pictures are laid out by dot."


@pytest.mark.usefixtures("nothing")
def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, dot, pure, verdict, _ = doctor().splitlines()
    assert dot == f"program dot            missing  {engine.GET_DOT}"
    assert pure == "program graphviz-pure  missing  pip install 'tinygrad-rnn[draw]'"
    assert verdict == "Pictures can't be laid out: get one of the programs."


IMPORT = """
import sys, tinygrad_rnn.draw
from tinygrad_rnn import Tensor
assert "graphviz" not in sys.modules
x = Tensor(1.0, requires_grad=True)
assert tinygrad_rnn.draw.draw(x + x).source
print(tinygrad_rnn.draw.summary(x + x))
"""


def test_the_package_works_with_an_empty_path() -> None:
    environment = {**os.environ, "PATH": ""}
    run = subprocess.run(  # noqa: S603  this interpreter, this text
        [sys.executable, "-c", IMPORT], capture_output=True, check=False, encoding="utf-8", env=environment, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("1 operation")


def test_reports_show_themselves() -> None:
    assert repr(Report("one\ntwo")) == "one\ntwo"
