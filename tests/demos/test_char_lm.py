"""The main job, as a person meets it: what it prints, what it leaves, how it stops."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from demos import char_lm
from tinygrad_rnn import Tensor, checkpoint, cross_entropy, nn
from tinygrad_rnn.text import Vocabulary, evaluation_batches

ROOT = Path(__file__).parents[2]
PROGRAM = str(ROOT / "demos" / "char_lm.py")
LINE = 'It was the best of tricks: 12 quick foxes, each "lazy" dog\'s friend, jumped over the moon.\n'
TINY = ["--units", "12", "--steps", "10", "--batch-size", "8", "--warm-up", "5"]
NUMBER = r"(\d+\.\d+)"
REPORT = re.compile(
    rf"^iteration (\d+) +validation {NUMBER} nats, {NUMBER} bits, perplexity {NUMBER} per char", re.MULTILINE
)
SCORED = re.compile(
    rf"^(\w+) +{NUMBER} nats, {NUMBER} bits, perplexity {NUMBER} per character, ([\d,]+) cha", re.MULTILINE
)


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small text of 4500 characters."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(LINE * 50, encoding="utf-8")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Where a test has its checkpoint."""
    return tmp_path / "model.safetensors"


def train(text: Path, model: Path, *more: str, iterations: int = 40) -> int:
    arguments = ["--text", str(text), "--checkpoint", str(model), "--iterations", str(iterations), *TINY, *more]
    return char_lm.main(["train", *arguments])


def start(*arguments: object, **settings: Any) -> subprocess.Popen[bytes]:
    """The program as a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings.pop("env", {})
    command = [sys.executable, "-u", PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, **settings)  # noqa: S603  our own program


def program(*arguments: object, **env: str) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of the program."""
    with start(*arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def test_training_reports_on_schedule_and_learns(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(text, model, "--report", "5", "20") == 0
    out, err = capsys.readouterr()
    reports = REPORT.findall(out)
    assert [int(iteration) for iteration, *_ in reports] == [5, 20, 40]  # the last one always
    nats = [float(report[1]) for report in reports]
    assert nats[0] > nats[1] > nats[2]
    assert nats[0] < 1.05 * math.log(len(set(LINE)))  # about uniform at the start
    for _, n, b, p in reports:
        assert float(b) == pytest.approx(float(n) / math.log(2), abs=2e-3)
        assert float(p) == pytest.approx(math.exp(float(n)), rel=2e-3)
    assert re.search(r"^text +text\.txt, 4,550 characters, 36 distinct$", out, re.MULTILINE)
    assert re.search(r"^split +training 4,095, validation 227, test 228 characters$", out, re.MULTILINE)
    assert re.search(r"^BLAS threads +1$", out, re.MULTILINE)
    assert (
        len(re.findall(r"^n-gram order 6 +validation \d", out, re.MULTILINE)) == 2
    )  # before and beside the final result
    assert out.endswith(f"done             after iteration 40, saved in {model}\n")
    assert err == ""


def test_samples_have_200_characters_of_the_text(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(text, model, "--report")
    block = capsys.readouterr().out.split("per character\n\n")[-1].split("\n\nn-gram")[0]
    sample = "\n".join(line.removeprefix("    ") for line in block.split("\n"))
    assert 190 < len(sample) <= 200  # less what ends it, if that is blank
    assert set(sample) <= set(LINE)


def test_log_off_a_terminal_has_a_fixed_form(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(text, model, "--units", "4", iterations=200)
    lines = [line for line in capsys.readouterr().out.splitlines() if re.match(r" *\d+/", line)]
    form = rf"( *\d+)/200  loss {NUMBER} nats, {NUMBER} bits  [\d,]+ characters/s  ETA \d+:\d\d"
    found = [re.fullmatch(form, line) for line in lines]
    assert [match and match[1] for match in found] == ["   100", "   200"]
    for match in found:
        assert match
        assert float(match[3]) == pytest.approx(float(match[2]) / math.log(2), abs=2e-3)
    assert lines[-1].endswith("ETA 0:00")


def test_the_same_seed_gives_the_same_output_and_file(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs, files = [], []
    for seed in ("3", "3", "4"):
        assert train(text, tmp_path / "model", "--seed", seed, "--dropout", "0.2", "--report", "10") == 0
        outputs.append(capsys.readouterr().out)
        files.append((tmp_path / "model").read_bytes())
    assert outputs[0] == outputs[1] != outputs[2]
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_unrolled_training_is_the_same_to_rounding(cell: str, text: Path, tmp_path: Path) -> None:
    parameters = []
    for way in ("--unroll", "--no-unroll"):
        assert train(text, tmp_path / "model", "--cell", cell, way) == 0
        parameters.append(checkpoint.load(tmp_path / "model")[0])
    for name, array in parameters[0].items():
        np.testing.assert_allclose(array, parameters[1][name], atol=2e-4)


def test_reports_do_not_disturb_training(text: Path, tmp_path: Path) -> None:
    parameters = []
    for reports in ([], ["3", "5", "20"]):
        assert train(text, tmp_path / "model", "--dropout", "0.2", "--report", *reports) == 0
        parameters.append(checkpoint.load(tmp_path / "model")[0])
    for name, array in parameters[0].items():
        np.testing.assert_array_equal(array, parameters[1][name], strict=True)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_evaluate_and_sample_read_what_training_left(
    text: Path, model: Path, capsys: pytest.CaptureFixture[str], cell: str
) -> None:
    assert train(text, model, "--cell", cell, "--layers", "1", "--report", iterations=20) == 0
    (report,) = REPORT.findall(capsys.readouterr().out)

    assert char_lm.main(["evaluate", "--checkpoint", str(model)]) == 0
    scored = {name: rest for name, *rest in SCORED.findall(capsys.readouterr().out)}
    assert scored["validation"][:3] == list(report[1:])
    assert [scored[part][3] for part in ("validation", "test")] == ["226", "227"]  # all but the first character

    assert char_lm.main(["evaluate", "--checkpoint", str(model), "--text", str(text)]) == 0
    assert SCORED.findall(capsys.readouterr().out)[0][0::4] == ("all", "4,549")

    texts = []
    for seed in ("1", "1", "2"):
        sample = ["sample", "--checkpoint", str(model), "--prompt", "It was", "--length", "30", "--seed", seed]
        assert char_lm.main(sample) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("It was")
    assert len(texts[0]) == len("It was") + 30 + len("\n")


def test_sampling_at_temperature_0_is_the_likeliest_text(
    text: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(text, model, "--units", "32", "--lr", "0.03", "--report", iterations=120)
    capsys.readouterr()
    texts = set()
    for more in (["--temperature", "0"], ["--top-k", "1"], ["--top-p", "0.000001"]):
        char_lm.main(["sample", "--checkpoint", str(model), "--prompt", "It was the", "--length", "25", *more])
        texts.add(capsys.readouterr().out)
    assert texts == {LINE[: len("It was the") + 25] + "\n"}


def test_the_checkpoint_has_everything(text: Path, model: Path) -> None:
    assert train(text, model, "--layers", "2", "--seed", "5", iterations=7) == 0
    arrays, header = checkpoint.load(model)
    lstm = nn.LSTM(12, 12, 2)
    expected = {f"recurrent.{name}": value.shape for name, value in lstm.named_parameters()}
    expected |= {"embedding.weight": (36, 12), "head.weight": (36, 12), "head.bias": (36,)}
    assert {name: a.shape for name, a in arrays.items() if not name.startswith("optimizer.")} == expected
    size = sum(math.prod(shape) for shape in expected.values())
    assert arrays["optimizer.grad_sum"].shape == arrays["optimizer.square_sum"].shape == (size,)
    assert header["iteration"] == header["optimizer"]["step"] == 7
    assert header["vocabulary"] == "".join(sorted(set(LINE)))
    assert header["rng"]["bit_generator"] == "PCG64"
    options = header["options"]
    assert (options["units"], options["cell"], options["seed"], options["text"]) == (12, "lstm", 5, str(text))
    json.dumps(options)


def test_the_default_model_has_a_known_size() -> None:
    options = vars(char_lm.parse(["train"]))
    model = char_lm.new_model(Vocabulary([chr(i) for i in range(32, 114)]), options, np.random.default_rng(0))
    # embedding, two layers of four gates with two weights and two biases, head
    assert sum(p.size for p in model.parameters()) == 82 * 128 + 2 * 4 * 128 * (128 + 128 + 2) + (128 + 1) * 82
    H = 128
    for layer in range(2):
        bias = getattr(model.recurrent, f"bias_ih_l{layer}").data + getattr(model.recurrent, f"bias_hh_l{layer}").data
        assert bias[H : 2 * H].mean() == pytest.approx(1.0, abs=0.05)  # of the forget gates


def test_evaluation_is_exact_where_windows_are_uneven(text: Path, model: Path) -> None:
    train(text, model, "--dropout", "0.3", iterations=3)
    network, _ = char_lm.restore(str(model))
    ids = network.vocabulary.encode(LINE)[:62]
    one = char_lm.score(network, evaluation_batches(ids, steps=61, batch_size=1))
    pieces = char_lm.score(network, evaluation_batches(ids, steps=7, batch_size=1))
    assert one.characters == pieces.characters == 61
    assert pieces.nats == pytest.approx(one.nats, rel=1e-6)
    rows = char_lm.score(network, evaluation_batches(ids, steps=7, batch_size=4))
    assert rows.characters == 61


# ------------------------------------------------------------------------------------------------- as a process


def test_ctrl_c_finishes_the_step_and_saves(text: Path, model: Path) -> None:
    arguments = ["train", "--text", text, "--checkpoint", model, *TINY, "--iterations", 1_000_000, "--report"]
    with start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            if re.match(rb" *100/1000000  loss", line):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read().decode(), process.stderr.read()
        assert process.wait(30) == 130
    assert err == b""
    stopped = re.search(rf"^interrupted +after iteration (\d+), saved in {model}\r?$", out, re.MULTILINE)
    assert stopped
    _, header = checkpoint.load(model)
    assert header["iteration"] == int(stopped[1]) >= 100
    assert char_lm.main(["sample", "--checkpoint", str(model), "--length", "5"]) == 0
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_bar(text: Path, model: Path) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    arguments = ["train", "--text", text, "--checkpoint", model, *TINY, "--iterations", 120, "--report", 60]
    with start(*arguments, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        received = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(ours, 4096):
                received += data
        os.close(ours)
        assert process.wait(30) == 0
    out = received.decode()
    bar = r"\d+% [^\r\n]*\d+/120  loss \d\.\d+ nats, \d\.\d+ bits  [\d,]+ characters/s  ETA \d\d:\d\d"
    assert re.search(bar, out)
    assert max(len(line) for line in re.findall(bar, out)) <= 100
    assert [int(iteration) for iteration, *_ in REPORT.findall(out.replace("\r", "\n"))] == [60, 120]
    assert not re.search(r"^ *100/120", out.replace("\r", "\n"), re.MULTILINE)  # no log lines beside the bar


def test_russian_and_consoles_that_lack_characters(tmp_path: Path) -> None:
    text, model = tmp_path / "text.txt", tmp_path / "model"
    text.write_text("Всё смешалось в доме — “éé”.\n" * 100, encoding="utf-8")
    arguments = ["train", "--text", text, "--checkpoint", model, *TINY, "--iterations", 3]
    for encoding in ("cp866", "ascii"):
        code, out, err = program(*arguments, PYTHONIOENCODING=encoding)
        assert (code, err) == (0, b"")
        assert b"?" in out
    at = ["sample", "--checkpoint", model, "--prompt"]
    _, out, _ = program(*at, "Всё", "--length", 0, PYTHONIOENCODING="cp866")
    assert out.decode("cp866").split() == ["Всё"]
    code, _, err = program(*at, "Всё ж", PYTHONIOENCODING="ascii")
    assert code == 2
    assert err.decode("ascii").startswith(
        r"char_lm.py: the model has learned from a text without '\u0436' (position 4)"
    )


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


# ------------------------------------------------------------------------------------------------------ bad input


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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "text.txt: can't be read: No such file or directory"),
        (b"", "text.txt: holds no text (0 bytes)"),
        (b"\xef\xbb\xbf", "text.txt: holds no text (3 bytes)"),
        (b"abc \xd0\xbc\xff def" * 99, "text.txt: not valid utf-8-sig: byte 0xff at offset 6 (invalid start byte)"),
        (b"abc", "the text has 2 characters, but a window of steps=50 batch_size=50 needs 2501: lower batch_size or"),
        (b"x" * 2700, "the text has 2430 characters, but a window of steps=50 batch_size=50 needs 2501"),
    ],
)
def test_texts_that_can_not_be_learned(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], data: bytes | None, message: str
) -> None:
    if data is not None:
        (tmp_path / "text.txt").write_bytes(data)
    model.write_bytes(b"precious")
    assert message in refused(capsys, "train", "--text", tmp_path / "text.txt", "--checkpoint", model)
    assert model.read_bytes() == b"precious"


def test_a_validation_part_that_is_too_short(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("abcdefghijklmnopqrst")
    arguments = ["train", "--text", tmp_path / "text.txt", "--checkpoint", model, "--steps", "2", "--batch-size", "2"]
    assert "the text has 1 characters, but scoring needs 2" in refused(capsys, *arguments)


def test_a_folder_and_another_encoding(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_at = ["train", "--checkpoint", model, "--text"]
    assert f"{text.parent}: can't be read: " in refused(capsys, *train_at, text.parent)
    assert "there is no encoding called 'klingon'" in refused(capsys, *train_at, text, "--encoding", "klingon")


def test_a_checkpoint_that_can_not_be_written_is_refused_before_training(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.perf_counter()
    assert "can't be written" in refused(capsys, "train", "--text", text, "--checkpoint", text / "model")
    assert "it is a directory" in refused(capsys, "train", "--checkpoint", tmp_path)
    assert time.perf_counter() - started < 1
    assert text.read_text(encoding="utf-8") == LINE * 50


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_checkpoints_that_are_none(
    text: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    at = [command, "--checkpoint", model]
    assert "can't be read: No such file or directory" in refused(capsys, *at)
    assert "can't be read: " in refused(capsys, command, "--checkpoint", tmp_path)
    model.write_bytes(b"not a model")
    assert "not a whole safetensors file" in refused(capsys, *at)
    safetensors.numpy.save_file({"a": np.zeros(3)}, model)
    assert "without the header of a checkpoint" in refused(capsys, *at)
    checkpoint.save(model, {}, {"iteration": 3})
    assert "not a checkpoint of this program: 'vocabulary'" in refused(capsys, *at)
    train(text, model, iterations=1)
    capsys.readouterr()
    arrays, header = checkpoint.load(model)
    checkpoint.save(model, arrays | {"head.bias": np.zeros(3)}, header)
    assert "'head.bias' has shape (36,), but the value given has (3,)" in refused(capsys, *at)
    checkpoint.save(model, arrays, header | {"vocabulary": "abc"})
    assert "not a checkpoint of this program: load_state_dict: " in refused(capsys, *at)


def test_characters_that_the_model_does_not_know(
    text: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(text, model, iterations=1)
    capsys.readouterr()
    message = refused(capsys, "sample", "--checkpoint", model, "--prompt", "It жёж")
    assert (
        message == "the model has learned from a text without 'ж' (position 3), 'ё' (position 4), so it can't read that"
    )
    (tmp_path / "other.txt").write_text("It was §", encoding="utf-8")
    message = refused(capsys, "evaluate", "--checkpoint", model, "--text", tmp_path / "other.txt")
    assert "without '§' (position 7)" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: train | sample | evaluate"),
        (["learn"], "invalid choice: 'learn'"),
        (["train", "--unit", "3"], "unrecognized arguments: --unit 3"),
        (["train", "--units", "many"], "argument --units: invalid int value: 'many'"),
        (["train", "--units", "0"], "argument --units: 0 is not 1 or more"),
        (["train", "--dropout", "1.5"], "argument --dropout: 1.5 is not in 0..1"),
        (["train", "--lr", "nan"], "argument --lr: nan is not 0 or more"),
        (["train", "--lr", "inf"], "argument --lr: inf is not 0 or more"),
        (["train", "--clip", "-1"], "argument --clip: -1 is not 0 or more"),
        (["train", "--cell", "tcn"], "argument --cell: invalid choice: 'tcn'"),
        (["train", "--report", "0"], "argument --report: 0 is not 1 or more"),
        (["train", "--threads"], "argument --threads: expected one argument"),
        (["sample", "--temperature", "-0.1"], "argument --temperature: -0.1 is not 0 or more"),
        (["sample", "--top-k", "0"], "argument --top-k: 0 is not 1 or more"),
        (["sample", "--top-p", "0"], "argument --top-p: 0 is not in 1e-06..1"),
        (["sample", "--length", "-1"], "argument --length: -1 is not 0 or more"),
    ],
)
def test_options_out_of_range(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert message in refused(capsys, *arguments)


def test_divergence_stops_and_keeps_the_last_good_file(
    text: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def later_nan(*inputs: Any, **static: Any) -> Tensor:
        calls.append(1)
        return cross_entropy(*inputs, **static) * (math.nan if len(calls) > 12 else 1.0)

    monkeypatch.setattr(char_lm, "cross_entropy", later_nan)
    with np.errstate(invalid="ignore"):
        assert train(text, model, "--report", "5") == 1
    err = capsys.readouterr().err
    assert re.match(
        r"char_lm\.py: training diverged at iteration \d+: loss nan nats, gradient norm nan; lower --lr", err
    )
    assert checkpoint.load(model)[1]["iteration"] == 5


def test_help_names_every_default(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train", "sample", "evaluate"):
        with pytest.raises(SystemExit) as stop:
            char_lm.main([command, "--help"])
        assert stop.value.code == 0
        out = " ".join(capsys.readouterr().out.split())
        options = re.split(r" (?=--[a-z-]+ (?:\{|\[|[A-Z]))", out.split("options:")[1])[1:]
        assert options
        assert all("default" in option for option in options), options


def test_the_missing_progress_bar_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"pip install 'tinygrad-rnn\[demos\]'"):
        char_lm.terminal_bar(10)
