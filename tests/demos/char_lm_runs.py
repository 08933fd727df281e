"""Running the main job on a small text: in this process, or as one of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demos import char_lm

ROOT = Path(__file__).parents[2]
PROGRAM = str(ROOT / "demos" / "char_lm.py")
LINE = 'It was the best of tricks: 12 quick foxes, each "lazy" dog\'s friend, jumped over the moon.\n'
TINY = ["--units", "12", "--steps", "10", "--batch-size", "8", "--warm-up", "5"]
NUMBER = r"(\d+\.\d+)"
REPORT = re.compile(
    rf"^iteration (\d+) +validation {NUMBER} nats, {NUMBER} bits, perplexity {NUMBER} per char", re.MULTILINE
)
SCORED = re.compile(rf"^(\w+) +{NUMBER} nats, {NUMBER} bits, perplexity {NUMBER}, ([\d,]+) characters$", re.MULTILINE)


def train(text: Path, folder: Path, *more: str, iterations: int = 40) -> int:
    arguments = ["--text", str(text), "--run", str(folder), "--iterations", str(iterations), *TINY, *more]
    return char_lm.main(["train", *arguments])


def start(*arguments: object, **settings: Any) -> subprocess.Popen[bytes]:
    """The program as a process of its own, which buffers no output unless ``env`` says so."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | settings.pop("env", {})
    command = [sys.executable, PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, **settings)  # noqa: S603  our own program


def program(*arguments: object, **env: str) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of the program."""
    with start(*arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()  # if it has not ended by itself
        return process.returncode, out, err


def stopped_by(signal: int, text: Path, folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout after the first line of a loss, and stderr of a training that a signal ends on its way."""
    arguments = ["train", "--text", text, "--run", folder, *TINY, "--iterations", 1_000_000, "--report"]
    with start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            if re.match(rb" *100/1000000  loss", line):
                break
        process.send_signal(signal)
        out, err = process.stdout.read().decode(), process.stderr.read().decode()
        return process.wait(30), out, err


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What one line on stderr says, after exit code 2."""
    try:
        code = char_lm.main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse
        code = stop.code if isinstance(stop.code, int) else -1
    err = capsys.readouterr().err
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("char_lm.py")
    return err.partition(": ")[2].rstrip("\n")
