"""The tour: every file runs and prints what it says it prints.

In a file, what is printed stands behind an arrow: `print(x.grad)  # → 6.0`, or on lines of its own below. An ellipsis
stands for a part that is measured, and a function here holds those parts to what the text makes of them.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from tinygrad_rnn import registry

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "demos" / "tour"
FILES = sorted(TOUR.glob("[0-9]*.py"))
NAMES = [path.stem for path in FILES]
ARROW = re.compile(r"# → (.*)$", re.MULTILINE)


def run(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the parts that `…` stands for were, in one run of a file; all else must be as the file says."""
    path = TOUR / f"{name}.py"
    before = dict(registry)
    runpy.run_path(str(path), run_name="__main__")
    registry.clear()  # a file may define an operation
    registry.update(before)
    lines = capsys.readouterr().out.splitlines()
    expected = ARROW.findall(path.read_text(encoding="utf-8"))
    assert len(lines) == len(expected), lines
    found: list[str] = []
    for pattern, line in zip(expected, lines, strict=True):
        match = re.fullmatch(re.escape(pattern).replace("…", "(.*?)"), line.rstrip())
        assert match, f"{line!r} is not what {pattern!r} says"
        found += match.groups()
    return found


def times_are_numbers(parts: list[str]) -> None:
    assert all(re.fullmatch(r"\d+(\.\d)?", milliseconds) for milliseconds in parts), parts


def perplexity_falls_and_names_are_written(parts: list[str]) -> None:
    before, soon, later = map(float, parts[:3])
    assert 26 < before < 28
    assert 6.8 < soon < 9.5
    assert 5.6 < later < 7.0
    assert all(re.fullmatch("[a-z]+( [a-z]+)+", names) for names in parts[3:])


MEASURED: dict[str, Callable[[list[str]], None]] = {
    "05_sparse": times_are_numbers,
    "14_plan": times_are_numbers,
    "15_char_lm": perplexity_falls_and_names_are_written,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_prints_what_it_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    parts = run(name, capsys)
    assert bool(parts) == (name in MEASURED)
    if parts:
        MEASURED[name](parts)


@pytest.mark.parametrize(("path", "following"), [*zip(FILES, [*FILES[1:], None], strict=True)], ids=NAMES)
def test_a_file_is_short_and_leads_on(path: Path, following: Path | None) -> None:
    text = path.read_text(encoding="utf-8")
    number = int(path.name[:2])
    assert len(text.splitlines()) <= 100
    assert text.startswith(f"# %% [markdown]\n# # {number}. ")
    last = text.rpartition("# %% [markdown]\n")[2]
    edit = f"Edit `demos/tour/exercises/{path.name}`, then run `pytest tests/exercises/test_{path.name}`."
    assert f"# ## Exercises\n#\n# {edit}\n" in last
    assert re.findall(r"^# (\d)\. ", last, re.MULTILINE) == ["1", "2"]
    assert not following or f"`{following.name}`" in last


def test_the_list_of_files_is_complete() -> None:
    text = (TOUR / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((\d\d_\w+\.py)\)", text) == [path.name for path in FILES]
