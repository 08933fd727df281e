"""Options: declared once, the same from the command line, from a file, and from a checkpoint."""

from __future__ import annotations

import argparse
import doctest
import importlib
import pkgutil
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos import char_lm, lm
from demos.lm.corpus import read_corpus
from demos.lm.options import Evaluate, Sample, Train
from demos.lm.settings import OptionError, add_to, from_toml, options_of, recorded, to_toml, values
from tests.demos.char_lm_runs import program, refused, train
from tinygrad_rnn import checkpoint


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(lm.__path__)])
def test_examples_in_the_documentation(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"demos.lm.{name}"), optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.parametrize("kind", [Train, Sample, Evaluate])
def test_defaults_obey_their_own_limits_and_metavars_and_meanings_are_there(kind: Any) -> None:
    for field in fields(kind):
        option = options_of(kind)[field.name]
        assert option.checked(field.default) == field.default
        assert option.about
        assert option.metavar or option.kind is bool


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "encoding": st.sampled_from(["utf-8", "UTF-16", "cp1251"]),
            "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            "split": st.floats(0, 100).map(lambda share: [share, 100 - share, 0.0]),
            "units": st.integers(1, 100_000),
            "lr": st.floats(0, 1e9) | st.integers(0, 10),
            "bytes": st.booleans(),
            "report": st.lists(st.integers(1, 2**40), max_size=4),
            "cell": st.sampled_from(["rnn", "lstm", "gru"]),
        },
    )
)
def test_what_is_written_to_toml_and_json_comes_back(given: dict[str, Any]) -> None:
    options = values(Train, given)
    assert values(Train, tomllib.loads(to_toml(options))) == options
    assert values(Train, recorded(options)) == options


def test_the_command_line_says_the_same_as_a_file(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_to(parser, Train)
    words = "--units 3 --lr 1 --bytes --report 4 5 --split 80 10 10 --cell gru --text жизнь.txt"
    given = vars(parser.parse_args(words.split()))
    assert given.pop("config") is None
    file = tmp_path / "options.toml"
    file.write_text(
        'units = 3\nlr = 1\nbytes = true\nreport = [4, 5]\nsplit = [80, 10, 10]\ncell = "gru"\ntext = "жизнь.txt"\n',
        encoding="utf-8",
    )
    assert values(Train, from_toml(str(file))) == values(Train, given)
    assert values(Train, given).split == (80.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("units = 0", "units: 0 is not 1 or more"),
        ("units = 1.5", "units: 1.5 is not a whole number"),
        ("units = true", "units: True is not a whole number"),
        ('lr = "fast"', "lr: 'fast' is not a number"),
        ("lr = nan", "lr: nan is not 0 or more"),
        ("bytes = 1", "bytes: 1 is not true or false"),
        ('cell = "LSTM"', "cell: 'LSTM' is none of rnn, lstm, gru"),
        ("report = [100, 0]", "report: 0 is not 1 or more"),
        ("split = [90, 10]", "split: three percentages that sum to 100 are needed, not 90 10"),
        ("split = [90, 10, 10]", "split: three percentages that sum to 100 are needed, not 90 10 10"),
        ("batchsize = 3", "batchsize: there is no such option; batch_size is meant?"),
        ("[train]\nunits = 3", "train: there is no such option; options stand at the top of the file, without [train]"),
        ("resume = 5", "resume: 5 is not a text"),
        ("resume = true", "resume: True is not a text"),
        ('resume = "run"\nthreads = "x"', "threads: 'x' is not a whole number"),
        ('run = "a\\u0000"', "run: 'a\\x00' has a NUL in it, the character that ends a name"),
        ('text = "a\\u0000"', "text: 'a\\x00' has a NUL in it"),
        ('encoding = "a\\u0000"', "encoding: 'a\\x00' has a NUL in it"),
        ('encoding = "undefined"', "encoding: there is no encoding called 'undefined' that a text can have; utf-8, c"),
        ('bytes = true\nencoding = "foo"', "encoding: there is no encoding called 'foo'"),
        ('bytes = true\nencoding = "idna"', "encoding: there is no encoding called 'idna'"),
        ('encoding = "hex"', "encoding: there is no encoding called 'hex'"),
        ("iterations = 1" + "0" * 400, "0 is not 1e+12 or less"),
        ("warm_up = 1" + "0" * 400, "0 is not 1e+12 or less"),
        ('encoding = "bytes"', "encoding: a model of bytes is asked for by --bytes"),
        ("units = ", "options.toml: not a TOML file: Invalid value"),
        (b"units = '\xff'", "options.toml: not a TOML file: 'utf-8' codec"),
        ("a = " + "[" * 100_000, "options.toml: not a TOML file: "),
        (None, "options.toml: can't be read: No such file or directory"),
    ],
)  # fmt: skip
def test_files_of_options_that_are_wrong(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str], content: str | bytes | None, message: str
) -> None:
    file = tmp_path / "options.toml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in refused(capsys, "train", "--text", text, "--run", tmp_path / "run", "--config", file)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", ["a = " + "[" * 5000 + "]" * 5000, 'threads = "\\u0000"'])
def test_files_of_options_that_already_the_number_of_threads_is_read_from(tmp_path: Path, content: str) -> None:
    (tmp_path / "options.toml").write_text(content)
    code, out, err = program("sample", "--config", tmp_path / "options.toml")
    assert (code, out, err.count(b"\n")) == (2, b"", 1)
    assert err.startswith(b"char_lm.py: ")


def test_shares_that_are_rounded(text: Path) -> None:
    corpus = read_corpus(values(Train, {"text": str(text), "split": [66.6666666, 16.6666666, 16.6666666]}))
    assert list(corpus.sizes.values()) == [3033, 758, 759]


def test_the_text_is_noted_with_its_whole_path(text: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(text.parent)
    assert train(Path(text.name), model, "--report", iterations=1) == 0
    assert from_toml(str(model / "options.toml"))["text"] == str(text)
    assert checkpoint.load(model / "last.safetensors")[1]["options"]["text"] == str(text)


def test_a_run_leaves_the_file_that_repeats_it(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert train(text, first, "--cell", "gru", "--dropout", "0.1", "--report", iterations=5) == 0
    again = ["train", "--config", str(first / "options.toml"), "--run", str(second)]
    assert char_lm.main(again) == 0
    assert (first / "last.safetensors").read_bytes() == (second / "last.safetensors").read_bytes()
    assert char_lm.main([*again, "--cell", "rnn"]) == 0  # the command line goes first
    options = checkpoint.load(second / "last.safetensors")[1]["options"]
    assert (options["cell"], options["dropout"]) == ("rnn", 0.1)


def test_an_option_that_is_none_can_not_be_given_in_a_file() -> None:
    assert values(Sample, {"top_k": None}).top_k is None
    with pytest.raises(OptionError, match=r"^length: None is not a whole number$"):
        values(Sample, {"length": None})
