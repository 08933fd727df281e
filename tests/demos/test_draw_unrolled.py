"""The command that draws unrolled networks, and the figures of the lecture."""

from __future__ import annotations

import doctest
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from demos import draw_unrolled, hello, lecture_figures, make_pictures
from demos.lecture_figures import CELLS, FIGURES
from tests.draw.dot import Picture, read
from tests.draw.test_picture import ROOT, needs_dot
from tinygrad_rnn import Tensor
from tinygrad_rnn.draw import drawing
from tinygrad_rnn.draw.flow import flow
from tinygrad_rnn.draw.values import decimal


def drawn(tmp_path: Path, *arguments: str) -> str:
    """The DOT text of what the command draws."""
    file = tmp_path / "picture.dot"
    draw_unrolled.main([*arguments, "--output", str(file)])
    return file.read_text(encoding="utf-8")


def sources(picture: Picture, name: str) -> set[str]:
    """The first lines of the labels of all that ``name`` was computed from, by the arrows of the picture."""
    found, stack = {name}, [name]
    while stack:
        head = stack.pop()
        new = {tail for tail, to in picture.edges if to == head} - found
        found |= new
        stack += new
    return {picture.nodes[x]["label"].split("\n")[0] for x in found}


@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_is_the_same_for_one_seed(figure: str, tmp_path: Path) -> None:
    one, two = (drawn(tmp_path, "--figure", figure, "--seed", "1") for _ in range(2))
    assert one == two
    assert read(one).nodes


FIGURES_IN_ANOTHER_PROCESS = """
import tempfile, pathlib, contextlib, io
from demos import draw_unrolled
from demos.lecture_figures import FIGURES
file = pathlib.Path(tempfile.mkdtemp()) / "x.dot"
for figure in FIGURES:
    with contextlib.redirect_stdout(io.StringIO()):
        draw_unrolled.main(["--figure", figure, "--output", str(file)])
    print(ascii(file.read_text(encoding="utf-8")))
"""


def test_figures_are_the_same_in_every_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIGURES_IN_ANOTHER_PROCESS]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    run = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", env=environment, cwd=ROOT)  # noqa: S603
    assert run.stdout.splitlines() == [ascii(drawn(tmp_path, "--figure", figure)) for figure in FIGURES]


@pytest.mark.parametrize("level", ["op", "cell", "layer"])
@pytest.mark.parametrize("cell", CELLS)
def test_each_cell_is_drawn_at_each_level(
    cell: str, level: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ("--cell", cell, "--level", level, "--steps", "2", "--layers", "2")
    texts = {drawn(tmp_path, *plain, *more) for more in ((), ("--heat",), ("--backward",), ("--theme", "dark"))}
    assert len(texts) == 4
    assert f"{cell}.layer1" in capsys.readouterr().out


def test_hidden_recurrence_reaches_back_to_the_start_and_input_recurrence_one_step(tmp_path: Path) -> None:
    reached = {}
    for figure in ("hidden", "input"):
        picture = read(drawn(tmp_path, "--figure", figure))
        (last,) = [name for name, look in picture.nodes.items() if "t=4" in name and look.get("penwidth") == "2.4"]
        reached[figure] = {label for label in sources(picture, last) if label.startswith("x")}
    assert reached == {"hidden": {"x1", "x2", "x3", "x4"}, "input": {"x3", "x4"}}


def test_bptt_shows_the_numbers_of_a_loop_by_hand(tmp_path: Path) -> None:
    (loss,) = lecture_figures.bptt(np.random.default_rng(0))
    leaves = [(x.name, float(x.data)) for x in flow(loss).things if isinstance(x, Tensor) and x.node is None]
    w, u = dict(leaves)["w"], dict(leaves)["u"]
    xs, ys = ([value for name, value in leaves if name == one] for one in "xy")
    h, hs = 0.5, []
    for x in xs:
        h = math.tanh(w * x + u * h)
        hs.append(h)
    slopes, slope = [], 0.0
    for h, y in zip(hs[::-1], ys[::-1], strict=True):
        slope += 2 * (h - y)
        slopes.append(slope)
        slope *= (1 - h * h) * u
    labels = [look["label"] for look in read(drawn(tmp_path, "--figure", "bptt")).nodes.values()]
    expected = [f"tanh\n{decimal(h)}\n∂ {decimal(g)}" for h, g in zip(hs, slopes[::-1], strict=True)]
    assert [label for label in labels if label.startswith("tanh")] == expected


def test_what_is_read_and_what_is_written(tmp_path: Path) -> None:
    labels = {
        figure: [look["label"] for look in read(drawn(tmp_path, "--figure", figure)).nodes.values()]
        for figure in ("one-to-many", "many-to-one", "many-to-many")
    }
    assert sum("\ny\n" in label for label in labels["one-to-many"]) == 4
    assert not any(label.startswith("x\n4") for label in labels["one-to-many"])
    assert "targets\n2" in labels["many-to-one"]
    assert not any("stack" in label for label in labels["many-to-one"])
    assert {"targets\n4×2", "stack\n4×2×4"} <= set(labels["many-to-many"])


def test_one_cell_reads_and_writes_at_every_step_under_one_name(tmp_path: Path) -> None:
    labels = [look["label"] for look in read(drawn(tmp_path, "--figure", "one-to-many")).nodes.values()]
    assert [label for label in labels if "rnn" in label.lower()] == ["RNN"] * 4


def test_truncated_is_cut_with_scissors_between_two_steps_of_one_row(tmp_path: Path) -> None:
    picture = read(drawn(tmp_path, "--figure", "truncated"))
    losses = [name for name, look in picture.nodes.items() if look["label"].startswith("Σ")]
    starts = [{label for label in sources(picture, name) if label in {"h₀", "✂"}} for name in losses]
    assert starts == [{"h₀"}, {"h₀"}, {"✂"}, {"✂"}]  # no arrow leads from one window to the other
    cells = [look["pos"].rstrip("!").split(",") for look in picture.nodes.values() if look["label"] == "RNN"]
    assert len({y for _, y in cells}) == 1
    assert [float(x) for x, _ in cells] == sorted(float(x) for x, _ in cells)
    (cut,) = (look["pos"] for look in picture.nodes.values() if look["label"] == "✂")
    assert float(cells[1][0]) < float(cut.split(",")[0]) < float(cells[2][0])


def test_the_gradient_vanishes_in_the_rnn_alone() -> None:
    first = {}
    for name, loss in lecture_figures.vanishing(np.random.default_rng(0)).items():
        found = flow(loss)
        steps = [i for i, op in found.graph.operations() if op.scope[-1:] == (0,)]
        first[name] = found.norm(steps[-1]) or 0.0
    assert first["RNN"] < 1e-7
    assert 1e-5 < first["GRU"] < 1e-2 < first["LSTM, forget bias 2"]


@needs_dot
@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("html", b"<!doctype html>")])
def test_formats(
    form: str, start: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_unrolled.main(["--cell", "rnn", "--steps", "2", "--format", form])
    assert (tmp_path / f"rnn.{form}").read_bytes().lower().startswith(start.lower())
    assert capsys.readouterr().out.endswith(f"wrote rnn.{form}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--output x.gif", "x.gif: the name must end in .svg, .png, .pdf, .dot, .html"),
        ("--output x.svg --format png", "x.svg: the name must end in .png"),
        ("--figure hello --steps 3 --cell gru", "hello has its own cells and steps, so it takes no --cell, --steps"),
        ("--figure vanishing --format html", "--figure vanishing is a strip, which has no page"),
        ("--figure vanishing --level op --heat", "--figure vanishing is a strip, which has no --heat, --level"),
        ("--figure vanishing --backward", "--figure vanishing is a strip, which has no --backward"),
        ("--theme dark --format html", "--theme: a page shows light or dark"),
        ("--seed -1", "-1 is no whole number from 0 to"),
    ],
)
def test_what_is_wrong_is_said(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        draw_unrolled.main(words.split())
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_without_a_layout_program_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(drawing, "find_pure", lambda: None)
    monkeypatch.setattr("graphviz.backend.dot_command.DOT_BINARY", Path("dot"))
    for form in ("svg", "html"):
        with pytest.raises(ImportError, match=r"pip install 'tinygrad-rnn\[draw\]' brings graphviz-pure"):
            draw_unrolled.main(["--output", str(tmp_path / f"x.{form}")])
    assert drawn(tmp_path).startswith("digraph")


def test_the_command_line_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in ((["--help"], "many-to-one"), (["--steps", "0"], ""), (["--figure", "helo"], "")):
        with pytest.raises(SystemExit):
            draw_unrolled.main(arguments)
        said = capsys.readouterr()
        assert words in said.out
    assert all(name in (draw_unrolled.__doc__ or "") for name in FIGURES)


@needs_dot
def test_the_pictures_of_the_readmes_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_pictures, "DEMOS", {"hello.svg": hello.main})
    make_pictures.main([str(tmp_path / "images")])
    files = [tmp_path / "images" / name for name in (*make_pictures.GRAPHS, "hello.svg")]
    assert [file.read_bytes()[:5] for file in files] == [b"<?xml"] * len(files)
    assert capsys.readouterr().out == "".join(f"wrote {file}\n" for file in files)


def test_every_picture_is_shown_and_made_in_one_place_but_for_those_that_take_minutes() -> None:
    shown = set()
    for readme in (ROOT / "README.md", ROOT / "demos" / "README.md"):
        shown |= set(re.findall(r"\]\([a-z/]*images/(\w+\.svg)\)", readme.read_text(encoding="utf-8")))
    assert shown == {file.name for file in make_pictures.IMAGES.iterdir()}
    assert shown == {*make_pictures.GRAPHS, *make_pictures.DEMOS, "adding.svg", "budget.svg"}


def test_the_example_of_the_readme_is_right() -> None:
    found = doctest.testfile(str(ROOT / "demos" / "README.md"), module_relative=False, encoding="utf-8")
    assert found.attempted > 0
    assert found.failed == 0
