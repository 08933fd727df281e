"""What a demo printed, for a terminal of 80 columns."""

from __future__ import annotations

import pytest


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 80 and not line.startswith("wrote ")] == []
    return out
