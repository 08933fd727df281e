"""The exercises of `demos/tour`: these tests fail until they are solved.

`pytest tests/exercises` tests the answers in `demos/tour/exercises`; `--answers FOLDER` those in another folder. A run
that does not name them passes them by.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--answers",
        type=Path,
        default=HERE.parents[1] / "demos" / "tour" / "exercises",
        help="folder with the answers to the exercises (default: %(default)s)",
    )


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> ModuleType:
    """The student's file of the same name: 01_derivative.py for test_01_derivative.py."""
    name = request.path.name.removeprefix("test_")
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), request.config.getoption("answers") / name)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
