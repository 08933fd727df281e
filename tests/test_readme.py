"""What the README says can be done is done here: its tour runs, its links lead somewhere, its commands exist."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tour_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    tour, own_cell = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert 15 <= len([line for line in tour.splitlines() if line.strip()]) <= 22
    script = tmp_path / "tour.py"
    script.write_text(f"{tour}\n{own_cell}\nassert outputs.shape == (T, B, H)\n", encoding="utf-8")
    run = subprocess.run(  # noqa: S603  our own text
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert run.stderr == ""
    assert run.stdout.splitlines() == ["4.0", "digraph"]


@pytest.mark.parametrize(
    "name",
    ["README.md", "demos/README.md", "demos/tour/README.md", "demos/data/README.md", "tinygrad_rnn/ops/README.md"],
)
def test_links_lead_to_files(name: str) -> None:
    file = ROOT / name
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", file.read_text(encoding="utf-8"))
    assert [target for target in targets if not (file.parent / target).exists()] == []


def test_every_picture_is_shown() -> None:
    shown = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "demos").rglob("*.md")])
    pictures = sorted((ROOT / "demos/images").iterdir())
    assert len(pictures) > 5
    assert [picture.name for picture in pictures if f"images/{picture.name}" not in shown] == []


def commands(text: str) -> list[tuple[str, ...]]:
    """The demos that a text runs: program, command if it has any, and options."""
    spans = re.findall(r"`(?:mpiexec [^`]*?)?python (demos/[\w/]+\.py)([^`]*)`", text)
    return [(program, *re.findall(r"^ (?:[a-z]+)\b|--[a-z-]+", rest)) for program, rest in spans]


@pytest.mark.parametrize(
    "command", sorted(set(commands((ROOT / "demos/README.md").read_text(encoding="utf-8")))), ids=" ".join
)
def test_commands_of_the_demos_exist(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    program, *words = command
    main = importlib.import_module(program.removesuffix(".py").replace("/", ".")).main
    with pytest.raises(SystemExit, match="0"):
        main([*(word.strip() for word in words if not word.startswith("-")), "--help"])
    about = capsys.readouterr().out
    assert [
        word for word in words if word.startswith("--") and f"{word} " not in about and f"{word}\n" not in about
    ] == []


def test_the_commands_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("demo", "test", "lint"):
        assert f"make {name}" in README
        assert re.search(rf"^{name}:.*## ", makefile, re.MULTILINE)
    for command in ("demos/char_lm.py train", "-m pytest", "-m venv"):
        assert command in README
        assert command in makefile


def test_star_import_leaves_python_alone() -> None:
    script = "from tinygrad_rnn import *\nprint(sum([1, 2]), max(3, 4), abs(-1), tanh.name)"
    run = subprocess.run(  # noqa: S603  our own text
        [sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert run.stdout.split() == ["3", "4", "1", "tanh"]
