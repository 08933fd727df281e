import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_rnn.text import TextError, UnknownCharacterError, Vocabulary

TEXTS = st.text(st.characters(), min_size=1)  # all of Unicode, lone surrogates too


@given(TEXTS)
@example("Война и мир, Ёжик\n")
@example("e\u0301 is two characters, \u00e9 is one")
@example("🙂👩‍👩‍👧 \U0010ffff\x00\ud800")
def test_decode_undoes_encode(text: str) -> None:
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int64
    assert ids.shape == (len(text),)
    assert [vocabulary.characters[i] for i in ids] == list(text)
    assert vocabulary.decode(ids) == text


@given(TEXTS)
def test_characters_are_distinct_and_in_code_point_order(text: str) -> None:
    characters = Vocabulary.from_text(text).characters
    assert set(characters) == set(text)
    assert list(characters) == sorted(set(characters))


@given(TEXTS)
def test_rebuilt_from_its_characters_it_is_equal(text: str) -> None:
    vocabulary = Vocabulary.from_text(text)
    for characters in (vocabulary.characters, list(vocabulary.characters)):
        assert Vocabulary(characters) == vocabulary
        assert hash(Vocabulary(characters)) == hash(vocabulary)


def test_order_is_part_of_identity() -> None:
    assert Vocabulary("ab") != Vocabulary("ba")
    assert Vocabulary("ab") != "ab"


@given(TEXTS, TEXTS)
def test_unknown_characters_are_skipped_or_named(known: str, text: str) -> None:
    vocabulary = Vocabulary.from_text(known)
    kept = "".join(c for c in text if c in known)
    assert vocabulary.decode(vocabulary.encode(text, unknown="skip")) == kept
    unknown = {c: text.index(c) for c in text if c not in known}
    if unknown:
        with pytest.raises(UnknownCharacterError) as caught:
            vocabulary.encode(text)
        assert caught.value.unknown == unknown
        for c, at in list(unknown.items())[:10]:
            assert f"{c!r} (U+{ord(c):04X}) at position {at}" in str(caught.value)


def test_error_names_each_unknown_character_once_and_the_way_on() -> None:
    with pytest.raises(TextError) as caught:
        Vocabulary("abc").encode("aжcж🙂")
    assert str(caught.value) == (
        "2 characters of the text not in the vocabulary of 3: 'ж' (U+0436) at position 1, "
        "'🙂' (U+1F642) at position 4; remove them from the text, leave them out with "
        'unknown="skip", or build the vocabulary from a text that has them'
    )


def test_error_names_ten_characters_and_counts_the_others() -> None:
    with pytest.raises(UnknownCharacterError, match=r"^11 characters .* 'j' \(U\+006A\) at position 9 and 1 more; "):
        Vocabulary("z").encode("abcdefghijk")


def test_contains_takes_single_characters_only() -> None:
    vocabulary = Vocabulary("abc")
    assert "a" in vocabulary
    assert "ab" not in vocabulary
    assert "" not in vocabulary
    assert 0 not in vocabulary


def test_empty_text_is_encoded_and_decoded() -> None:
    vocabulary = Vocabulary("abc")
    assert vocabulary.encode("").shape == (0,)
    assert vocabulary.decode([]) == ""
    assert vocabulary.decode(vocabulary.encode("")) == ""


@pytest.mark.parametrize("ids", [np.array([0, 2], np.uint8), np.array([0, 2]), [0, 2], range(0, 3, 2)])
def test_decode_takes_any_integers(ids: object) -> None:
    assert Vocabulary("abc").decode(ids) == "ac"  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [3, -1])
def test_decode_refuses_ids_out_of_range(wrong: int) -> None:
    with pytest.raises(IndexError, match=rf"id {wrong} at position 1 is outside of a vocabulary of 3"):
        Vocabulary("abc").decode([0, wrong, wrong])


def test_decode_refuses_what_is_no_sequence_of_integers() -> None:
    with pytest.raises(TypeError, match=r"ids are integers on one axis \[N\], got float64 of shape \(1,\)"):
        Vocabulary("abc").decode([0.0])
    with pytest.raises(TypeError, match=r"got int64 of shape \(1, 2\)"):
        Vocabulary("abc").decode(np.array([[0, 1]], dtype=np.int64))


def test_bad_characters_are_refused() -> None:
    with pytest.raises(TextError, match="at least one character"):
        Vocabulary.from_text("")
    with pytest.raises(ValueError, match=r"one character .* got 'bc'"):
        Vocabulary(["a", "bc"])
    with pytest.raises(ValueError, match="distinct, got 'b' more than once"):
        Vocabulary("abcb")


def test_unknown_is_error_or_skip() -> None:
    with pytest.raises(ValueError, match="got 'ignore'"):
        Vocabulary("abc").encode("abc", unknown="ignore")  # type: ignore[arg-type]
