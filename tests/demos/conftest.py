from __future__ import annotations

from pathlib import Path

import pytest

from tests.demos.char_lm_runs import LINE


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small text of 4500 characters."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(LINE * 50, encoding="utf-8")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder of a test's run."""
    return tmp_path / "run"
