from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture(autouse=True)
def _signals_of_a_terminal() -> Iterator[None]:
    """Ctrl-C and a hang-up as they are on a terminal, also for programs started here: background jobs ignore them."""
    usual: dict[str, Any] = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
    before = {n: signal.signal(n, usual[name]) for name in usual if (n := getattr(signal, name, None))}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
