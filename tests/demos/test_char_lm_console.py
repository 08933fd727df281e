"""The main job as a process: Ctrl-C, terminals, consoles, pipes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from demos import char_lm
from demos.lm import progress, training
from demos.lm.run import signals
from tests.demos.char_lm_runs import PROGRAM, REPORT, ROOT, TINY, refused, start, stopped_by, train
from tinygrad_rnn import checkpoint

BUFFERED = {"PYTHONUNBUFFERED": ""}  # so that what could not be written is tried again at the end


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


def test_ctrl_c_before_anything_is_loaded_leaves_no_traceback() -> None:
    probe = (
        "import os, runpy, signal, sys; sys.argv = ['char_lm.py', 'train']\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'numpy': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"runpy.run_path({PROGRAM!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False, text=True)  # noqa: S603
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "char_lm.py: interrupted\n")


has_hangup = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")


@has_hangup
def test_a_terminal_that_is_closed_is_as_good_as_ctrl_c(text: Path, model: Path) -> None:
    code, out, err = stopped_by(signal.SIGHUP, text, model)
    assert (code, err) == (129, "")
    _, header = checkpoint.load(model / "last.safetensors")
    assert f"interrupted    after iteration {header['iteration']}, saved in" in out


@has_hangup
def test_a_terminal_is_closed_more_than_once() -> None:
    """By itself and by the shell; not at all under nohup."""
    probe = (
        "from signal import *\n"
        "from demos.lm.run import signals\n"
        "for how in (SIG_DFL, SIG_IGN):\n"
        "    signal(SIGHUP, how)\n"
        "    with signals() as received:\n"
        "        raise_signal(SIGHUP)\n"
        "        raise_signal(SIGHUP)\n"
        "    print(*map(int, received), getsignal(SIGHUP) == how)\n"
        "with signals() as received:\n"
        "    raise_signal(SIGTERM)\n"
        "    print(getsignal(SIGTERM) == SIG_DFL, getsignal(SIGINT) == default_int_handler)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, check=False, text=True)  # noqa: S603
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 1 True\nTrue\nTrue True\n", "")


def on_a_terminal(stdout: IO[bytes] | None, *arguments: object) -> str:
    """What a terminal of 80 columns gets from the program: all that it prints, or all but what goes to ``stdout``."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 80))
    with start(*arguments, stdout=stdout or theirs, stderr=theirs) as process:
        os.close(theirs)
        received = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(ours, 4096):
                received += data
        os.close(ours)
        assert process.wait(30) == 0
    return received.decode()


BAR = r"\d+% [^\r\n]*\d+/120  loss \d\.\d+ nats  [\d,]+ chars/s  ETA \d+:\d\d, at \d\d:\d\d"
needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@needs_terminal
def test_a_terminal_gets_a_bar(text: Path, model: Path) -> None:
    out = on_a_terminal(None, "train", "--text", text, "--run", model, *TINY, "--iterations", 120, "--report", 60)
    assert re.search(BAR, out)
    assert max(len(line) for line in re.findall(BAR, out)) <= 80
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


@needs_terminal
def test_a_file_beside_the_bar_has_the_lines(text: Path, model: Path, tmp_path: Path) -> None:
    """As after `char_lm.py train | tee losses.txt`."""
    with (tmp_path / "losses.txt").open("wb") as file:
        bar = on_a_terminal(file, "train", "--text", text, "--run", model, *TINY, "--iterations", 120, "--report", 60)
    out = (tmp_path / "losses.txt").read_text(encoding="utf-8")
    assert re.search(BAR, bar)
    assert [int(iteration) for iteration, *_ in REPORT.findall(out)] == [60, 120]
    lines = re.findall(r"^ *(\d+)/120  loss \d\.\d+ nats, \d\.\d+ bits  [\d,]+ chars/s  ETA ", out, re.MULTILINE)
    assert lines == ["100"]
    assert "%" not in out


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
    with start(*arguments, env=BUFFERED, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(3)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_nobody_reads_on_while_it_trains(text: Path, model: Path) -> None:
    arguments = ["train", "--text", text, "--run", model, *TINY, "--iterations", 1_000_000, "--report"]
    more = ["--save-every", 1_000_000]
    with start(*arguments, *more, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        while b"100/1000000" not in process.stdout.readline():
            pass
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141
    _, header = checkpoint.load(model / "last.safetensors")
    assert header["iteration"] % 100 == 0


def test_output_that_takes_no_more_ends_training_with_what_was_learned(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(progress.Progress, "print", full)
    message = refused(capsys, "train", "--text", text, "--run", model, *TINY, "--report", "4", "--save-every", "3")
    assert message == "standard output: No space left on device"
    _, header = checkpoint.load(model / "last.safetensors")
    assert (header["iteration"], header["best"]["iteration"]) == (4, 4)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_sample_on_a_full_disk(text: Path, model: Path) -> None:
    train(text, model, "--report", "--save-every", "1", iterations=1)
    with (
        Path("/dev/full").open("wb") as full,
        start("sample", "--checkpoint", model, env=BUFFERED, stdout=full, stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr
        assert process.stderr.read() == b"char_lm.py: standard output: No space left on device\n"
        assert process.wait(30) == 2
