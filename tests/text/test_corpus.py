from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.text import TextError, Vocabulary, read_text, split


def write(directory: Path, data: bytes) -> Path:
    path = directory / "text.txt"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "characters", "distinct"),
    [("war_and_peace.txt", 3_196_212, 82), ("tiny_shakespeare.txt", 1_115_394, 65)],
)
def test_corpora_have_their_published_sizes(corpora: Path, name: str, characters: int, distinct: int) -> None:
    text = read_text(corpora / name)
    assert len(text) == characters
    assert len(Vocabulary.from_text(text)) == distinct


def test_war_and_peace_as_bytes_has_87_values(corpora: Path) -> None:
    text = read_text(corpora / "war_and_peace.txt", encoding="bytes")
    assert len(text) == 3_258_246
    assert len(Vocabulary.from_text(text)) == 87


def test_mark_is_dropped_and_line_ends_are_one_character(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffмир\r\nвойна\rи\n\r\n".encode())
    assert read_text(path) == "мир\nвойна\nи\n\n"
    assert read_text(str(path)) == read_text(path)


def test_text_is_not_normalised(tmp_path: Path) -> None:
    text = "e\u0301 \u00e9 \u0439 \u0438\u0306"
    assert read_text(write(tmp_path, text.encode())) == text


@given(st.binary(min_size=1))
def test_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    text = read_text(write(tmp_path_factory.mktemp("bytes"), data), encoding="bytes")
    assert text.encode("latin-1") == data


def test_other_encodings(tmp_path: Path) -> None:
    assert read_text(write(tmp_path, "мир".encode("cp1251")), encoding="cp1251") == "мир"


def test_missing_file_and_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"nowhere\.txt: can't be read: No such file"):
        read_text(tmp_path / "nowhere.txt")
    with pytest.raises(TextError, match=rf"^{tmp_path}: can't be read: "):
        read_text(tmp_path)


def test_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(TextError, match=r"text\.txt: can't be read: Permission denied"):
        read_text(tmp_path / "text.txt")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_invalid_byte_and_its_offset_in_the_file_are_named(tmp_path: Path, mark: bytes) -> None:
    path = write(tmp_path, mark + "мир".encode() + b"\xff\xfe abc")
    where = rf"text\.txt: not valid utf-8-sig: byte 0xff at offset {len(mark) + 6} \(invalid start byte\)"
    with pytest.raises(TextError, match=where + "; pass the encoding that the file has"):
        read_text(path)


def test_text_cut_in_the_middle_of_a_character_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"byte 0xd1 at offset 4 \(unexpected end of data\)"):
        read_text(write(tmp_path, "мир".encode()[:-1]))


def test_unknown_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"text\.txt: there is no encoding called 'utf-9'"):
        read_text(write(tmp_path, b"abc"), encoding="utf-9")


def test_a_codec_that_does_not_say_where_it_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"text\.txt: not valid undefined: .*undefined encoding"):
        read_text(write(tmp_path, b"abc"), encoding="undefined")


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_empty_text_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TextError, match=rf"text\.txt: holds no text \({len(data)} bytes\)"):
        read_text(write(tmp_path, data))


@given(st.integers(0, 500), st.integers(0, 20), st.integers(0, 20))
def test_split_is_a_partition_in_order(size: int, a: int, b: int) -> None:
    text = "".join(map(chr, range(size)))
    fractions = (a / 40, b / 40, (40 - a - b) / 40)
    parts = split(text, fractions)
    assert "".join(parts) == text
    assert all(abs(len(part) - f * len(text)) <= 1 for part, f in zip(parts, fractions, strict=True))
    train, validation, test = split(Vocabulary.from_text(text + "a").encode(text), fractions)
    assert [train.size, validation.size, test.size] == [len(part) for part in parts]


def test_cuts_are_at_whole_characters() -> None:
    # 0.9 + 0.05 is a little more than 0.95 in floating point, 0.7 + 0.1 a little less than 0.8.
    assert [len(part) for part in split("x" * 1000)] == [900, 50, 50]
    assert [len(part) for part in split("x" * 10, (0.7, 0.1, 0.2))] == [7, 1, 2]
    assert [len(part) for part in split("x" * 20, (0.95, 0.05, 0.0))] == [19, 1, 0]
    assert [len(part) for part in split("x" * 19, (0.8, 0.1, 0.1))] == [15, 2, 2]


@pytest.mark.parametrize(
    "fractions",
    [(0.9, 0.1, 0.1), (1.1, -0.1, 0.0), (0.5, 0.2, 0.2), (float("nan"), 0.5, 0.5)],
)
def test_fractions_must_be_shares(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="fractions are 0 or more and sum to 1, got"):
        split("abc", fractions)
