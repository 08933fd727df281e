"""What the README says can be done is done here: its tour runs, its links lead somewhere, its commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

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


def test_links_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(targets) > 10
    assert [target for target in targets if not (ROOT / target).exists()] == []


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
