"""The main job as a process: Ctrl-C, terminals, consoles, pipes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demos import char_lm
from demos.lm import training
from demos.lm.run import signals
from tests.demos.char_lm_runs import PROGRAM, REPORT, TINY, start, stopped_by, train
from tinygrad_rnn import checkpoint


def test_ctrl_c_finishes_the_step_and_saves(text: Path, model: Path) -> None:
    code, out, err = stopped_by(signal.SIGINT, text, model)
    assert (code, err) == (130, "")
    stopped = re.search(rf"^interrupted +after iteration (\d+), saved in {model}\r?$", out, re.MULTILINE)
    assert stopped
    _, header = checkpoint.load(model / "last.safetensors")
    assert header["iteration"] == int(stopped[1]) >= 100
    assert char_lm.main(["sample", "--checkpoint", str(model), "--length", "5"]) == 0
    assert sorted(file.name for file in model.iterdir()) == ["last.safetensors", "log.jsonl", "options.toml"]


def test_the_second_ctrl_c_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with signals() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert interrupted == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with signals() as interrupted:
        pass
    assert not interrupted
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_before_training_leaves_no_traceback(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "new_model", lambda *_: signal.raise_signal(signal.SIGINT))
    assert train(text, model) == 130
    assert capsys.readouterr().err == "char_lm.py: interrupted\n"
    assert list(model.parent.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_bar(text: Path, model: Path) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 80))
    arguments = ["train", "--text", text, "--run", model, *TINY, "--iterations", 120, "--report", 60]
    with start(*arguments, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        received = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(ours, 4096):
                received += data
        os.close(ours)
        assert process.wait(30) == 0
    out = received.decode()
    bar = r"\d+% [^\r\n]*\d+/120  loss \d\.\d+ nats  [\d,]+ chars/s  ETA \d+:\d\d, at \d\d:\d\d"
    assert re.search(bar, out)
    assert max(len(line) for line in re.findall(bar, out)) <= 80
    assert [int(iteration) for iteration, *_ in REPORT.findall(out.replace("\r", "\n"))] == [60, 120]
    assert not re.search(r"^ *100/120", out.replace("\r", "\n"), re.MULTILINE)  # no log lines beside the bar


@pytest.mark.parametrize("terminal", [True, False])
def test_no_sample_steers_a_terminal(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    text = model.parent / "steers.txt"
    text.write_bytes(b"\x1b[31m\x07\x7f\xc2\x9b\t\n" * 200)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert train(text, model, "--report", iterations=1) == 0
    assert char_lm.main(["sample", "--checkpoint", str(model), "--seed", "1", "--prompt", "\x1b[31m\x07\x9b\t"]) == 0
    out = capsys.readouterr().out
    steering = set("\x1b\x07\x7f\x9b")
    assert set(out) & steering == (set() if terminal else steering)
    assert ("�[31m��\t" in out) == terminal


def test_threads_are_set_before_numpy_loads(text: Path, model: Path) -> None:
    probe = (
        "import os, runpy, sys; sys.argv = ['char_lm.py', *sys.argv[1:]]\n"
        "class Stop(BaseException): pass\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'numpy': print(os.environ['OPENBLAS_NUM_THREADS']); raise Stop\n"
        "sys.meta_path.insert(0, Finder())\n"
        "try: runpy.run_path(PROGRAM, run_name='__main__')\n"
        "except Stop: pass\n"
    ).replace("PROGRAM", repr(PROGRAM))
    for option, expected in {(): "1", ("--threads=2",): "2", ("--threads", "3"): "3"}.items():
        command = [sys.executable, "-c", probe, "train", *option]
        done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603  our own program
        assert done.stdout.split() == [expected]


def test_nobody_reads_on(text: Path, model: Path) -> None:
    train(text, model, iterations=1)
    arguments = ["sample", "--checkpoint", model, "--length", 100_000]
    with start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(3)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1
