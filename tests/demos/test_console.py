"""What all demos share at the console."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import graphviz
import pytest

from demos import console
from tests.demos.char_lm_runs import ROOT

PROGRAMS = sorted(
    path.relative_to(ROOT / "demos").as_posix()
    for path in (ROOT / "demos").rglob("*.py")
    if "console.run(main)" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_demo_says_what_it_does_and_sets_one_blas_thread(program: str) -> None:
    """Help needs nothing but the standard library and NumPy, and the thread count is there before NumPy is."""
    script = (
        "import os, sys, builtins, runpy\n"
        "real = builtins.__import__\n"
        "def watch(name, *rest, **more):\n"
        "    assert name != 'numpy' or os.environ.get('OPENBLAS_NUM_THREADS') == '1'\n"
        "    assert name not in {'matplotlib', 'tqdm', 'safetensors'}, name\n"
        "    return real(name, *rest, **more)\n"
        "builtins.__import__ = watch\n"
        f"sys.argv = [{program!r}, '--help']\n"
        f"runpy.run_path({str(ROOT / 'demos' / program)!r}, run_name='__main__')\n"
    )
    threads = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in threads} | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(  # noqa: S603  our own text
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert run.stderr == ""
    assert run.returncode == 0
    assert f"python demos/{program}" in run.stdout
    if "console.parser(" in (ROOT / "demos" / program).read_text(encoding="utf-8"):
        assert "--seed N" in run.stdout
        assert "--plot FILE" in run.stdout


def test_a_table_has_its_first_column_left_and_the_others_right(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(["k", "value"], [["one", "1"], ["three", "12345.6"]])
    assert capsys.readouterr().out == "k        value\none          1\nthree  12345.6\n\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot", "it.jpg"], "it.jpg: the name must end in .svg, .png or .pdf"),
        (["--plot", "file/it.svg"], "file/it.svg can't be written: file: File exists"),
        (["--plot", "folder.svg"], "folder.svg can't be written: folder.svg: Is a directory"),
        (["--seed", "-1"], "-1 is no whole number from 0 to 4294967295"),
        (["--seed", "1.5"], "1.5 is no whole number from 0 to 4294967295"),
        (["--seed", "4294967296"], "4294967296 is no whole number from 0 to 4294967295"),
    ],
)
def test_options_that_make_no_sense(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stop:
        console.parser("about", plot="it").parse_args(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_the_folder_of_a_picture_is_made_and_no_picture_is_left_empty(tmp_path: Path) -> None:
    old, empty, new = tmp_path / "old.svg", tmp_path / "empty.svg", tmp_path / "a" / "b" / "new.svg"
    old.write_text("a picture")
    empty.touch()
    for file in (old, empty, new):
        assert console.parser("about", plot="it").parse_args(["--plot", str(file)]).plot == file
    assert old.read_text() == "a picture"
    assert empty.exists()
    assert new.parent.is_dir()
    assert not new.exists()


def test_a_missing_package_is_noticed_before_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(console, "find_spec", {"graphviz": "there"}.get)
    arguments = ["--plot", str(tmp_path / "it.svg")]
    assert console.parser("about", plot="it", needs="graphviz").parse_args(arguments).plot
    with pytest.raises(SystemExit):
        console.parser("about", plot="it").parse_args(arguments)
    assert "it needs the package matplotlib: pip install 'tinygrad-rnn[demos]'" in capsys.readouterr().err


def test_a_graph_without_the_layout_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(graph: graphviz.Digraph, format: str) -> bytes:
        raise graphviz.ExecutableNotFound(["dot"])

    monkeypatch.setattr(graphviz.Digraph, "pipe", missing)
    with pytest.raises(ImportError, match="make sure the Graphviz executables are on"):
        console.save(graphviz.Digraph(), tmp_path / "graph.svg")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [(ImportError("get it"), 2, "demo.py: get it\n"), (KeyboardInterrupt(), 130, ""), (None, 0, "")],
)
def test_how_a_demo_ends(
    error: BaseException | None,
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def main() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(sys, "argv", ["demos/demo.py"])
    with pytest.raises(SystemExit) as stop:
        console.run(main)
    assert stop.value.code == code
    assert capsys.readouterr().err == message


def test_progress_is_silent_off_a_terminal_and_a_bar_on_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(console.progress(range(3), "counting")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(console.progress(range(3), "counting")) == [0, 1, 2]
    assert "counting" in capsys.readouterr().err
