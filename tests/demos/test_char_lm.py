"""What the main job prints and leaves."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from demos import char_lm
from demos.lm import log
from demos.lm.files import restore
from demos.lm.options import Train
from demos.lm.scoring import score
from demos.lm.training import new_model
from tests.demos.char_lm_runs import LINE, NUMBER, REPORT, SCORED, refused, train
from tinygrad_rnn import checkpoint, nn
from tinygrad_rnn.text import Vocabulary, evaluation_batches


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
    assert out.endswith(f"done           after iteration 40, saved in {model}\n")
    assert err == ""


def test_samples_of_200_characters_fit_80_columns(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(text, model, "--report")
    out = capsys.readouterr().out
    assert max(map(len, out.split("\n")[:-3])) <= 80  # but for the paths in the last two lines
    block = out.split("per character\n\n")[-1].split("\n\nn-gram")[0]
    (sample,) = (record["sample"] for record in log.read(model / "log.jsonl") if record["event"] == "validate")
    assert block.split() == sample.split()
    assert all(line.startswith("    ") for line in block.split("\n") if line)
    assert len(sample) == 200
    assert set(sample) <= set(LINE)


def test_log_off_a_terminal_has_a_fixed_form(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(text, model, "--units", "4", iterations=200)
    lines = [line for line in capsys.readouterr().out.splitlines() if re.match(r" *\d+/", line)]
    form = rf"( *\d+)/200  loss {NUMBER} nats, {NUMBER} bits  [\d,]+ chars/s  ETA \d+:\d\d, at \d\d:\d\d"
    found = [re.fullmatch(form, line) for line in lines]
    assert [match and match[1] for match in found] == ["   100", "   200"]
    for match in found:
        assert match
        assert float(match[3]) == pytest.approx(float(match[2]) / math.log(2), abs=2e-3)
    assert "ETA 0:00, at " in lines[-1]


def test_the_same_seed_gives_the_same_output_and_file(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs, files = [], []
    for seed in ("3", "3", "4"):
        assert train(text, tmp_path / "model", "--seed", seed, "--dropout", "0.2", "--report", "10") == 0
        outputs.append(capsys.readouterr().out)
        files.append((tmp_path / "model" / "last.safetensors").read_bytes())
        shutil.rmtree(tmp_path / "model")
    assert outputs[0] == outputs[1] != outputs[2]
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_unrolled_training_is_the_same_to_rounding(cell: str, text: Path, tmp_path: Path) -> None:
    parameters = []
    for way in ("--unroll", "--no-unroll"):
        assert train(text, tmp_path / "model", "--cell", cell, way) == 0
        parameters.append(checkpoint.load(tmp_path / "model" / "last.safetensors")[0])
    for name, array in parameters[0].items():
        np.testing.assert_allclose(array, parameters[1][name], atol=2e-4)


def test_reports_do_not_disturb_training(text: Path, tmp_path: Path) -> None:
    parameters = []
    for reports in ([], ["3", "5", "20"]):
        assert train(text, tmp_path / "model", "--dropout", "0.2", "--report", *reports) == 0
        parameters.append(checkpoint.load(tmp_path / "model" / "last.safetensors")[0])
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
    assert [scored[part][3] for part in ("training", "validation", "test")] == ["4,094", "226", "227"]  # but the first

    (model / "own.txt").write_text(LINE * 2, encoding="utf-8")
    assert char_lm.main(["evaluate", "--checkpoint", str(model), "--text", str(model / "own.txt")]) == 0
    assert SCORED.findall(capsys.readouterr().out)[0][0::4] == ("all", str(2 * len(LINE) - 1))

    texts = []
    for seed in ("1", "1", "2"):
        sample = ["sample", "--checkpoint", str(model), "--prompt", "It was", "--length", "30", "--seed", seed]
        assert char_lm.main(sample) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("It was")
    assert len(texts[0]) == len("It was") + 30 + len("\n")


def test_evaluate_finds_the_text_where_it_is_now_and_leaves_out_what_is_empty(
    text: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = model.parent / "old.txt", model.parent / "new.txt"
    old.write_bytes(text.read_bytes())
    assert train(old, model, "--split", "95", "5", "0", "--report", iterations=1) == 0
    old.rename(new)
    at = ["evaluate", "--checkpoint", str(model)]
    capsys.readouterr()
    assert f"{old}: can't be read: No such file or directory; if it is elsewhere now, tr" in refused(capsys, *at)
    assert char_lm.main([*at, "--text", str(new)]) == 0
    _, validation, test, training = capsys.readouterr().out.splitlines()
    assert validation.endswith(", 227 characters")
    assert test.split(maxsplit=1) == ["test", "left out: it has 0 characters, and scoring needs 2"]
    assert training.endswith(", 4,321 characters")


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
    arrays, header = checkpoint.load(model / "last.safetensors")
    lstm = nn.LSTM(12, 12, 2)
    expected = {f"recurrent.{name}": value.shape for name, value in lstm.named_parameters()}
    expected |= {"embedding.weight": (36, 12), "head.weight": (36, 12), "head.bias": (36,)}
    size = sum(math.prod(shape) for shape in expected.values())
    expected |= {"optimizer.grad_sum": (size,), "optimizer.square_sum": (size,), "optimizer.sizes": (11,)}
    expected |= {"state.0": (2, 8, 12), "state.1": (2, 8, 12), "recent": (7,)}
    assert {name: a.shape for name, a in arrays.items()} == expected
    assert header["iteration"] == header["position"] == header["optimizer"]["step"] == 7
    assert header["vocabulary"] == "".join(sorted(set(LINE)))
    assert header["rng"]["bit_generator"] == "PCG64"
    options = header["options"]
    assert (options["units"], options["cell"], options["seed"], options["text"]) == (12, "lstm", 5, str(text))
    json.dumps(options)


def test_the_default_model_has_a_known_size() -> None:
    model = new_model(Vocabulary([chr(i) for i in range(32, 114)]), Train(), np.random.default_rng(0))
    # embedding, two layers of four gates with two weights and two biases, head
    assert sum(p.size for p in model.parameters()) == 82 * 128 + 2 * 4 * 128 * (128 + 128 + 2) + (128 + 1) * 82
    H = 128
    for layer in range(2):
        bias = getattr(model.recurrent, f"bias_ih_l{layer}").data + getattr(model.recurrent, f"bias_hh_l{layer}").data
        assert bias[H : 2 * H].mean() == pytest.approx(1.0, abs=0.05)  # of the forget gates


def test_evaluation_is_exact_where_windows_are_uneven(text: Path, model: Path) -> None:
    train(text, model, "--dropout", "0.3", iterations=3)
    network, _ = restore(str(model))
    ids = network.vocabulary.encode(LINE)[:62]
    one = score(network, evaluation_batches(ids, steps=61, batch_size=1))
    pieces = score(network, evaluation_batches(ids, steps=7, batch_size=1))
    assert one.characters == pieces.characters == 61
    assert pieces.nats == pytest.approx(one.nats, rel=1e-6)
    rows = score(network, evaluation_batches(ids, steps=7, batch_size=4))
    assert rows.characters == 61
