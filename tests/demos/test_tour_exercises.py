"""The exercises of the tour can be solved, and their tests fail until they are."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "demos" / "tour"
STUBS = TOUR / "exercises"
TESTS = ROOT / "tests" / "exercises"
SOLUTIONS = TESTS / "solutions"
NAMES = [path.name for path in sorted(TOUR.glob("[0-9]*.py"))]


def outcomes(answers: Path) -> dict[str, str]:
    """Each test of the exercises, as ``01_derivative.py 2 each_step_is_newtons``, with its outcome: PASSED, FAILED."""
    run = subprocess.run(  # noqa: S603  this interpreter, our own tests
        [sys.executable, "-m", "pytest", str(TESTS), f"--answers={answers}", "-q", "-rA", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    found = re.findall(r"^([A-Z]+) \S*/test_(\w+\.py)::test_exercise_(\d)_(\S+)", run.stdout, re.MULTILINE)
    assert found, run.stdout + run.stderr
    return {f"{file} {number} {rest}": outcome for outcome, file, number, rest in found}


def exercises(name: str) -> dict[str, str]:
    """The two exercises at the end of a file of the tour: the name of the function to write, by number."""
    found = re.findall(r"^# (\d)\. `(\w+)\(", (TOUR / name).read_text(encoding="utf-8"), re.MULTILINE)
    return dict(found)


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def open_exercises() -> set[str]:
    """Those that nobody has begun, ``01_derivative.py 1``: the function still raises NotImplementedError."""
    return {
        f"{name} {number}"
        for name in NAMES
        for number, function in exercises(name).items()
        if ast.unparse(functions(STUBS / name)[function].body[-1]) == "raise NotImplementedError"
    }


def test_every_file_of_the_tour_has_two_exercises_with_tests() -> None:
    for folder in (STUBS, TESTS):
        assert sorted(path.name.removeprefix("test_") for path in folder.glob("*[0-9]_*.py")) == NAMES
    for name in NAMES:
        assert list(exercises(name)) == ["1", "2"]
        assert set(exercises(name).values()) <= functions(STUBS / name).keys()


def test_an_exercise_that_is_not_solved_fails() -> None:
    by_exercise: dict[str, set[str]] = {}
    for test, outcome in outcomes(STUBS).items():
        by_exercise.setdefault(" ".join(test.split()[:2]), set()).add(outcome)
    assert sorted(by_exercise) == [f"{name} {number}" for name in NAMES for number in (1, 2)]
    assert {outcome for exercise in open_exercises() for outcome in by_exercise[exercise]} <= {"FAILED"}


@pytest.mark.skipif(not SOLUTIONS.exists(), reason="this copy was handed out without the solutions")
def test_the_solutions_solve_them() -> None:
    assert [test for test, outcome in outcomes(SOLUTIONS).items() if outcome != "PASSED"] == []
    for name in NAMES:
        for function in exercises(name).values():
            stub, solution = functions(STUBS / name)[function], functions(SOLUTIONS / name)[function]
            assert ast.unparse(solution.args) == ast.unparse(stub.args)
