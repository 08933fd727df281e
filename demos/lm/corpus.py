r"""A file as the characters of a model, and the characters of a model as text for people.

The file is read as ``text.read_text`` does it: a byte order mark is dropped, every line end becomes a ``\n``, and that
is all. Characters are code points and stay as they are: there is no Unicode normalisation, so й is one character in a
text that has it composed (NFC) and two in one that has it decomposed (NFD). A prompt is another matter: it is put into
the form that the model knows, as ``prompt_for`` says.

A model of bytes has as its characters the bytes that occur in the text, as the code points U+0000 to U+00FF. Nothing is
dropped or replaced then. Prompts are encoded for it, and what it writes is decoded.
"""

from __future__ import annotations

import codecs
import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from demos.lm.options import Train
from demos.lm.paths import in_locale
from tinygrad_rnn import text
from tinygrad_rnn.text.vocabulary import Ids


@dataclass(frozen=True)
class Corpus:
    """A text that is learned: its vocabulary, and its three parts as ids [N] int64, one after the other."""

    name: str
    characters: str
    vocabulary: text.Vocabulary
    training: Ids
    validation: Ids
    test: Ids

    @property
    def parts(self) -> dict[str, Ids]:
        """The parts by name."""
        return {"training": self.training, "validation": self.validation, "test": self.test}

    @property
    def sizes(self) -> dict[str, int]:
        """Characters in each part."""
        return {name: len(part) for name, part in self.parts.items()}

    @cached_property
    def sha256(self) -> str:
        """By which a text is known again."""
        return digest(self.characters)


def digest(characters: str) -> str:
    """The SHA-256, in hexadecimal, of ``characters`` in UTF-8."""
    return hashlib.sha256(characters.encode("utf-8", "surrogatepass")).hexdigest()


def read_corpus(options: Train) -> Corpus:
    """The text that ``options`` name. Raises TextError for what ``text.read_text`` refuses."""
    characters = read(options.text, options.encoding, options.bytes)
    vocabulary = text.Vocabulary.from_text(characters)
    training, validation, test = (share / sum(options.split) for share in options.split)
    parts = text.split(vocabulary.encode(characters), (training, validation, test))
    return Corpus(Path(options.text).name, characters, vocabulary, *parts)


def read(path: str, encoding: str, as_bytes: bool) -> str:
    """The characters in a file, or its bytes as characters."""
    return text.read_text(in_locale(path), "bytes" if as_bytes else encoding)


def windows_of(corpus: Corpus, options: Train) -> tuple[text.Batches, list[tuple[Ids, Ids]]]:
    """The windows [T, B] of the training part, without end, and those of one pass through the validation part.

    Raises TextError, which names the part, for one that is too short.
    """
    steps, streams = options.steps, options.batch_size
    window = f"a window of {steps} steps and {streams} streams"
    needs = {"training": (steps * streams + 1, window), "validation": (2, "scoring"), "test": (0, "")}
    for (name, size), share in zip(corpus.sizes.items(), options.split, strict=True):
        least, for_what = needs[name]
        if size < least:
            part = f"the {name} part, {share:g}% of {len(corpus.characters):,} characters"
            less = "lower --steps or --batch-size, " if name == "training" else ""
            raise text.TextError(
                f"{options.text}: {part}, has {size:,}, but {for_what} needs {least:,}: {less}give it a larger share "
                "by --split, or take a longer text"
            )
    batches = text.Batches(corpus.training, steps=steps, batch_size=streams)
    return batches, list(text.evaluation_batches(corpus.validation, steps=steps, batch_size=streams))


def prompt_for(vocabulary: text.Vocabulary, prompt: str, options: Train) -> str:
    r"""``prompt`` in the characters of a model that was trained with ``options``.

    Of the prompt as it is, its composed form (NFC) and its decomposed one (NFD), the first that has the fewest
    characters which the model doesn't know.

    >>> prompt_for(text.Vocabulary("йо"), "и\u0306о", Train())
    'йо'
    >>> prompt_for(text.Vocabulary("Ð¼Ñ"), "м", Train(bytes=True))
    'Ð¼'
    """
    if options.bytes:
        data = prompt.encode(options.encoding, "replace")
        return data.removeprefix(byte_order_mark(options.encoding)).decode("latin-1")
    forms = [prompt, unicodedata.normalize("NFC", prompt), unicodedata.normalize("NFD", prompt)]
    return min(forms, key=lambda form: sum(character not in vocabulary for character in form))


def for_people(characters: Iterable[str], options: Train) -> Iterator[str]:
    r"""What a model writes, as text: as it is, or decoded if they are bytes; a � stands for what can't be.

    >>> "".join(for_people("\xd0\xbc!\xd0", Train(bytes=True)))
    'м!�'
    """
    if not options.bytes:
        yield from characters
        return
    decoder = codecs.getincrementaldecoder(options.encoding)("replace")
    decoder.decode(byte_order_mark(options.encoding))
    for character in characters:
        yield decoder.decode(character.encode("latin-1"))
    yield decoder.decode(b"", final=True)


def byte_order_mark(encoding: str) -> bytes:
    """What ``encoding`` begins every text with, however short: of most, nothing."""
    return "".encode(encoding)
