"""Texts and prompts: Russian, in several encodings and forms, at consoles that know less; and bytes."""

from __future__ import annotations

import os
import sys
import tomllib
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from demos import char_lm
from demos.lm.corpus import for_people, prompt_for, read_corpus
from demos.lm.options import Evaluate, Sample, Train
from demos.lm.settings import OptionError, values
from tests.demos.char_lm_runs import TINY, program, refused, train
from tinygrad_rnn import checkpoint
from tinygrad_rnn.text import Vocabulary

RUSSIAN = "Всё смешалось в доме. — Ей-богу, «ёлки»!\n" * 100
FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
DATA = Path(char_lm.__file__).parent / "data"


@pytest.fixture(scope="module")
def russian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a model that has learned a little Russian."""
    folder = tmp_path_factory.mktemp("russian")
    (folder / "text.txt").write_text(RUSSIAN, encoding="utf-8")
    assert train(folder / "text.txt", folder / "run", "--report", iterations=3) == 0
    return folder / "run"


def test_war_and_peace_in_russian() -> None:
    corpus = read_corpus(Train(text=str(DATA / "war_and_peace_ru.txt")))
    assert (len(corpus.characters), len(corpus.vocabulary)) == (1_421_758, 165)
    assert sum(corpus.sizes.values()) == 1_421_758
    assert corpus.characters.startswith("ВОЙНА И МИР\nТом первый\n")
    assert unicodedata.is_normalized("NFC", corpus.characters)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16", "cp1251", "koi8-r"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_one_text_in_any_encoding_with_any_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    content = "Всё смешалось в доме.\n" * 40
    (tmp_path / "text.txt").write_bytes(content.replace("\n", end).encode(encoding))
    corpus = read_corpus(Train(text=str(tmp_path / "text.txt"), encoding=encoding))
    assert corpus.characters == content
    assert corpus.vocabulary == Vocabulary(sorted(set(content)))


@pytest.mark.parametrize("form", FORMS)
def test_a_text_stays_in_its_form_and_prompts_are_put_into_it(form: Literal["NFC", "NFD"]) -> None:
    vocabulary = Vocabulary.from_text(unicodedata.normalize(form, "ёлка и чай"))
    assert ("й" in vocabulary) == (form == "NFC")
    for other in FORMS:
        prompt = unicodedata.normalize(other, "йё")
        assert prompt_for(vocabulary, prompt, Train()) == unicodedata.normalize(form, "йё")
        assert prompt_for(vocabulary, prompt + "☃", Train()) == unicodedata.normalize(form, "йё☃")  # that has no form
    assert prompt_for(vocabulary, "ЁЖ", Train()) == "ЁЖ"  # as little known in any form: as it is


def test_bytes_that_the_locale_left_undecoded() -> None:
    given = {name: "чай".encode().decode("ascii", "surrogateescape") for name in ("prompt", "checkpoint")}
    assert values(Sample, given).prompt == "чай"
    assert values(Sample, given).checkpoint == given["checkpoint"]  # by which the file is opened
    given = {"text": str(Path("/", given["prompt"]))}
    assert values(Evaluate, given).text == str(Path("/", "чай").absolute())
    with pytest.raises(OptionError, match=r"^prompt: 'caf\\udce9' is not UTF-8$"):
        values(Sample, {"prompt": "caf\udce9"})


@pytest.mark.parametrize(
    ("encoding", "plain"),
    [
        ("utf-8-sig", "utf-8"),
        ("UTF_8_SIG", "utf-8"),
        ("utf-8", "utf-8"),
        ("cp1251", "cp1251"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16", "utf-16-" + sys.byteorder[0] + "e"),
    ],
)
def test_bytes_there_and_back(encoding: str, plain: str) -> None:
    options, content = Train(bytes=True, encoding=encoding), "Чай — «ёж» \n"
    as_bytes = prompt_for(Vocabulary("a"), content, options)
    assert as_bytes.encode("latin-1") == content.encode(plain)
    assert "".join(for_people(as_bytes, options)) == content


def test_a_model_of_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(b"\xef\xbb\xbf" + RUSSIAN.replace("\n", "\r\n").encode())
    assert train(text, tmp_path / "run", "--bytes", "--report", iterations=3) == 0
    out = capsys.readouterr().out
    assert f"text.txt, {len(text.read_bytes()):,} characters, " in out
    assert out.count(" per byte\n") == 3  # two n-grams, one report
    at = ["--checkpoint", str(tmp_path / "run")]
    assert char_lm.main(["sample", *at, "--prompt", "Всё", "--length", "0"]) == 0
    assert capsys.readouterr().out == "Всё\n"
    text.write_bytes(text.read_bytes() * 2)
    assert char_lm.main(["evaluate", *at, "--text", str(text)]) == 0
    assert f"{len(text.read_bytes()) - 1:,} bytes\n" in capsys.readouterr().out
    message = refused(capsys, "sample", *at, "--prompt", "Вэx")
    assert "without 0x8d (byte 3), 0x78 (byte 4), counted from 0, so" in message


def test_unknown_characters_are_named_or_left_out(
    russian: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--checkpoint", str(russian)]
    message = refused(capsys, "sample", *at, "--prompt", "Всё ☃ щ☃")
    assert "without '☃' (position 4), 'щ' (position 6), counted from 0, so" in message
    assert char_lm.main(["sample", *at, "--prompt", "Всё ☃ щ☃в", "--length", "0", "--unknown", "skip"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "Всё  в\n"
    assert captured.err == "left out: '☃' (position 4), 'щ' (position 6), counted from 0\n"

    (tmp_path / "other.txt").write_text("Всё щщ в доме", encoding="utf-8")
    evaluate = ["evaluate", *at, "--text", str(tmp_path / "other.txt")]
    assert "without 'щ' (position 4), counted from 0, so" in refused(capsys, *evaluate)
    assert char_lm.main([*evaluate, "--unknown", "skip"]) == 0
    assert ", 10 characters\n" in capsys.readouterr().out


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
CONSOLES = [
    ({"PYTHONIOENCODING": "cp866"}, "cp866", 'Ей-богу, "ёлки"'),
    ({"PYTHONIOENCODING": "cp1251"}, "cp1251", "Ей-богу, «ёлки»"),
    ({"LC_ALL": "C"}, "utf-8", "Ей-богу, «ёлки»"),
    (ASCII, "ascii", '??-????, "????"'),
]


@pytest.mark.parametrize(("environment", "encoding", "shown"), CONSOLES)
def test_consoles(russian: Path, environment: dict[str, str], encoding: str, shown: str) -> None:
    at = ["sample", "--checkpoint", russian, "--seed", 1]
    code, out, err = program(*at, "--prompt", "Ей-богу, «ёлки»", "--length", 30, **environment)
    assert (code, err) == (0, b"")
    text = out.decode(encoding).replace("\r\n", "\n")
    assert text.startswith(shown)
    assert len(text) == len(shown) + 30 + len("\n")


def test_training_and_errors_at_a_console_of_ascii(russian: Path, tmp_path: Path) -> None:
    text, run = tmp_path / "Война.txt", tmp_path / "прогон"
    text.write_text(RUSSIAN, encoding="utf-8")
    code, out, err = program("train", "--text", text, "--run", run, *TINY, "--iterations", 3, "--report", **ASCII)
    assert (code, err) == (0, b"")
    assert b"?" in out
    noted = tomllib.loads((run / "options.toml").read_text(encoding="utf-8"))["text"]
    assert noted == checkpoint.load(run / "last.safetensors")[1]["options"]["text"] == str(text)
    assert program("evaluate", "--checkpoint", run, **ASCII)[::2] == (0, b"")
    assert char_lm.main(["evaluate", "--checkpoint", str(run)]) == 0  # and so in another locale
    code, _, err = program("sample", "--checkpoint", russian, "--prompt", "Всё щ", **ASCII)
    assert code == 2
    assert rb"without '\u0449' (position 4), counted from 0, so" in err


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names of files are Unicode there")
@pytest.mark.parametrize("environment", [{}, ASCII])
def test_a_text_whose_name_is_not_utf_8(tmp_path: Path, environment: dict[str, str]) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(name, "wb") as file:  # noqa: PTH123  a path of bytes
        file.write(RUSSIAN.encode())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.safetensors").write_bytes(b"precious")
    code, out, err = program("train", "--text", os.fsdecode(name), "--run", tmp_path / "run", *TINY, **environment)
    assert (code, out) == (2, b"")
    assert err.startswith(b"char_lm.py train: argument --text: ")
    assert err.endswith(b"caf\\udce9.txt' is not UTF-8\n")
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["last.safetensors"]
