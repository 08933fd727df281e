"""Checkpoints that are not what they should be: one type of error, with the file and the reason."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demos.lm.corpus import read_corpus
from demos.lm.files import learned, model_in, read_checkpoint, restore, resume, save
from demos.lm.folder import check_output, find
from demos.lm.options import Train
from demos.lm.settings import OptionError
from demos.lm.training import Trainer
from tests.demos.char_lm_runs import LINE
from tinygrad_rnn import checkpoint
from tinygrad_rnn.checkpoint import CheckpointError
from tinygrad_rnn.tensor import Array
from tinygrad_rnn.text import TextError

DTYPES = ("bool", "uint8", "int64", "float16", "float64", "complex64")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a GRU after 3 steps."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "text.txt").write_text(LINE * 5, encoding="utf-8")
    options = Train(text=str(folder / "text.txt"), cell="gru", layers=1, units=3, steps=4, batch_size=2, dropout=0.1)
    trainer = Trainer(options, read_corpus(options))
    for _ in range(3):
        trainer.step()
    trainer.best.take(3.5, 3)
    save(trainer, folder / "good.safetensors")
    return folder / "good.safetensors"


def use(path: Path) -> Trainer:
    """Whatever the commands do with a checkpoint; the training that goes on."""
    file = read_checkpoint(path)
    model_in(file)
    learned(file, file.options)
    return resume(file, {})


def test_a_good_one_is_accepted(good: Path) -> None:
    trainer = use(good)
    assert (trainer.iteration, trainer.best.nats) == (3, 3.5)


def test_truncated_ones(good: Path, tmp_path: Path) -> None:
    data, path = good.read_bytes(), tmp_path / "cut"
    for length in range(0, len(data), 37):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=rf"^{path}: not a whole safetensors file: "):
            use(path)


def test_a_thousand_flipped_bytes(good: Path, tmp_path: Path) -> None:
    data, path, rng = good.read_bytes(), tmp_path / "flipped", np.random.default_rng(0)
    for _ in range(1000):
        flipped = bytearray(data)
        flipped[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match=rf"^{path}: \S"):
            use(path)


def without(name: str) -> Callable[[dict[str, Array], dict[str, Any]], None]:
    return lambda arrays, _: arrays.__delitem__(name)


def shaped(name: str, *shape: int) -> Callable[[dict[str, Array], dict[str, Any]], None]:
    return lambda arrays, _: arrays.update({name: np.zeros(shape, np.float32)})


def cast(name: str, dtype: str) -> Callable[[dict[str, Array], dict[str, Any]], None]:
    return lambda arrays, _: arrays.update({name: arrays[name].astype(dtype)})


def option(**changed: Any) -> Callable[[dict[str, Array], dict[str, Any]], None]:
    return lambda _, header: header["options"].update(changed)


def said(**changed: Any) -> Callable[[dict[str, Array], dict[str, Any]], None]:
    return lambda _, header: header.update(changed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("head.bias"), "the value of parameter 'head.bias' is missing"),
        (without("optimizer.square_sum"), r"Adam.load_state_dict: missing \['square_sum'\]"),
        (without("recent"), "'recent' is missing"),
        (shaped("head.bias", 3), r"'head.bias' has shape \(36,\), but the value given has \(3,\)"),
        (shaped("optimizer.grad_sum", 3), r"grad_sum is float32 of shape \(3,\), but must be float32"),
        (shaped("state.0", 1, 99, 3), r"state.0 is float32 \(1, 99, 3\), but must be float32 \(1, 2, 3\)"),
        (shaped("state.7", 1, 2, 3), "state.7 is no part of the state of this model, which has 1"),
        (shaped("recent", 3), "recent is float32, but must be float64"),
        (shaped("recently", 3), "there is no parameter 'recently'"),
        *[(cast("head.bias", dtype), f"head.bias is {dtype}, but must be float32") for dtype in DTYPES],
        (shaped("other", 3), "there is no parameter 'other'"),
        (said(vocabulary="abc"), r"'embedding.weight' has shape \(3, 3\), but the value given has \(36, 3\)"),
        (said(vocabulary="".join(map(chr, range(1000, 1036)))), "its vocabulary of 36 characters is not that of "),
        (said(vocabulary="aa"), "characters of a vocabulary are distinct"),
        (said(vocabulary=7), "not iterable"),
        (said(text={}), "'sha256' is missing"),
        (said(iteration=4), "iteration 4 and position 3 in the data disagree"),
        (said(rng={"bit_generator": "MT19937"}), "state must be for a PCG64 "),
        (said(best={"nats": "low"}), "could not convert"),
        (said(options=[]), "mapping"),
        (said(optimizer=None), "NoneType"),
        (option(cell="tcn"), "cell: 'tcn' is none of rnn, lstm, gru"),
        (option(cell="lstm"), r"'recurrent.weight_ih_l0' has shape \(12, 3\), but the value given has \(9, 3\)"),
        (option(units="3"), "units: '3' is not a whole number"),
        (option(units=100_000), "the header describes 1 layers of 100000 units and 36 characters, but the file holds"),
        (option(layers=100), "the header describes 100 layers of 3 units and 36 characters, but the file holds"),
        (option(batch_size=100_000), "a window of 4 steps and 100000 streams needs 400,001"),
        (option(dropout=True), "dropout: True is not a number"),
        (option(split=[50, 20, 20]), "split: three percentages that sum to 100 are needed, not 50 20 20"),
        (option(encoding="bytes"), "encoding: a model of bytes is asked for by --bytes"),
        (option(encoding="\ud800"), "encoding: .* is not UTF-8"),
        (option(text="\ud800"), "text: .* is not UTF-8"),
        (option(colour="red"), "colour: there is no such option"),
        (option(report=5), "report: 5 is not a list"),
        (option(seed=10**400), "seed: .* is not 9.22337e.18 or less"),
        (option(lr=10**400), "lr: .* is not a number"),
    ],
)  # fmt: skip
def test_whole_ones_that_say_what_can_not_be(
    good: Path, tmp_path: Path, change: Callable[[dict[str, Array], dict[str, Any]], None], reason: str
) -> None:
    arrays, header = checkpoint.load(good)
    change(arrays, header)
    path = tmp_path / "wrong.safetensors"
    checkpoint.save(path, arrays, header)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=rf"^{path}: not a checkpoint of this program: .*{reason}"):
            use(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(2**70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), value=JSON)
def test_any_value_anywhere_in_the_header(good: Path, tmp_path: Path, data: st.DataObject, value: object) -> None:
    arrays, header = checkpoint.load(good)
    place: Any = header
    name = data.draw(st.sampled_from(sorted(place)))
    while isinstance(place[name], dict) and data.draw(st.booleans()):
        place = place[name]
        name = data.draw(st.sampled_from(sorted(place)))
    place[name] = value
    path = tmp_path / "any.safetensors"
    checkpoint.save(path, arrays, header)
    try:
        use(path)
    except (CheckpointError, TextError) as error:  # it may as well be accepted, if the value is possible
        blamed = header["options"]["text"] if isinstance(error, TextError) else path
        assert str(error).startswith(f"{blamed}: ")  # noqa: PT017


def test_the_best_of_a_folder_is_used_and_the_last_is_gone_on_with(good: Path, tmp_path: Path) -> None:
    for name in ("last", "best"):
        (tmp_path / f"{name}.safetensors").write_bytes(good.read_bytes())
        assert find(str(tmp_path), best=True).stem == name
        assert find(str(tmp_path), best=False).stem == "last"
    assert find(str(good), best=True) == good
    model, options = restore(str(tmp_path))
    assert (options.units, model.training) == (3, False)


def test_a_text_that_has_changed_is_no_longer_learned(good: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(LINE * 5, encoding="utf-8")
    file = read_checkpoint(good)
    assert resume(file, {"text": str(text)}).iteration == 3  # the same text in another place
    text.write_text((LINE * 5).replace("best", "most"), encoding="utf-8")
    elsewhere = "; if it is elsewhere now, train --resume and evaluate take that place by --text"
    said = f"{good}: {text} is not the text that was learned, text.txt, or has changed since{elsewhere}"
    with pytest.raises(CheckpointError, match=f"^{re.escape(said)}$"):
        resume(file, {"text": str(text)})
    text.unlink()
    with pytest.raises(TextError, match=rf"^{re.escape(str(text))}: can't be read: [^;]*{elsewhere}$"):
        resume(file, {"text": str(text)})


def test_a_page_or_a_model_takes_the_place_of_no_file_of_a_run(good: Path, tmp_path: Path) -> None:
    names = ["last.safetensors", "best.safetensors", "log.jsonl", "options.toml", "previous_1/last.safetensors"]
    for folder in ("sub", "previous_1"):
        (tmp_path / folder).mkdir()
    for name in names:
        (tmp_path / name).write_bytes(b"precious")
        for path in (tmp_path / name, tmp_path / "sub" / ".." / name):
            with pytest.raises(
                OptionError, match=rf"^output: {path} is there already, as {tmp_path / name}, which would"
            ):
                check_output(path)
    (tmp_path / "link").symlink_to(tmp_path / "log.jsonl")
    for path in (tmp_path / "link", good):
        with pytest.raises(OptionError, match=rf"^output: {path} is there already"):
            check_output(path, good)
    for path in (tmp_path / "report.html", tmp_path / "sub" / "last.safetensors", good.with_name("text.txt")):
        check_output(path, good)  # a page is made again at any time, and the others are not there or of no run
