"""The commands that use a model that was trained: ``sample`` and ``evaluate``."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from demos import console
from demos.lm.consoles import harmless
from demos.lm.corpus import for_people, prompt_for, read
from demos.lm.files import is_learned, learned, model_in, read_checkpoint, restore
from demos.lm.folder import find
from demos.lm.options import Evaluate, Sample, Train
from demos.lm.progress import say
from demos.lm.sampling import continuation
from demos.lm.scoring import in_words, score
from demos.lm.settings import OptionError, values
from tinygrad_rnn import text


def sample(given: Mapping[str, Any]) -> int:
    """Continue a prompt with new characters."""
    options = values(Sample, given)
    model, trained = restore(options.checkpoint)
    prompt = prompt_for(model.vocabulary, options.prompt, trained)
    prompt = readable(model.vocabulary, prompt, trained, options.unknown)
    how = {name: getattr(options, name) for name in ("length", "temperature", "top_k", "top_p")}
    new = continuation(model, prompt=prompt, rng=np.random.default_rng(options.seed), **how)
    for piece in for_people(itertools.chain(prompt, new), trained):
        print(harmless(piece), end="", flush=True)
    print()
    return 0


def evaluate(given: Mapping[str, Any]) -> int:
    """Score a text: one that is named, or the three parts of the one that was learned."""
    options = values(Evaluate, given)
    file = read_checkpoint(find(options.checkpoint, best=True))
    model, trained = model_in(file), file.options
    named = replace(trained, text=options.text or trained.text, encoding=options.encoding or trained.encoding)
    content = read(named.text, named.encoding, named.bytes) if options.text else ""
    if options.text and not is_learned(file, content):
        content = readable(model.vocabulary, content, trained, options.unknown)
        parts = {"all": model.vocabulary.encode(content)}
    else:
        parts = learned(file, named).parts
        parts["training"] = parts.pop("training")  # the long one comes last
    unit = "byte" if trained.bytes else "character"
    say("text", f"{Path(named.text).name}, scored per {unit}")
    for name, ids in parts.items():
        if len(ids) < 2 and len(parts) > 1:
            say(name, f"left out: it has {len(ids)} {unit}s, and scoring needs 2")
            continue
        windows = text.evaluation_batches(ids, steps=trained.steps, batch_size=trained.batch_size)
        total = score(model, console.progress(list(windows), name))
        say(name, f"{in_words(total.nats)}, {total.characters:,} {unit}s")
    return 0


def readable(vocabulary: text.Vocabulary, content: str, trained: Train, unknown: str) -> str:
    """``content`` as a model with ``vocabulary`` can read it, which was ``trained`` so.

    What the model doesn't know is left out if ``unknown`` is "skip", and told on stderr; else OptionError names it.
    """
    try:
        vocabulary.encode(content)
    except text.UnknownCharacterError as error:
        places = error.listed(place_of_byte if trained.bytes else place) + ", counted from 0"
        if unknown == "skip":
            print(f"left out: {places}", file=sys.stderr)
            return vocabulary.decode(vocabulary.encode(content, unknown="skip"))
        without = f"the model has learned from a text without {places}, so it can't read that"
        raise OptionError(f"{without}; --unknown skip leaves it out") from error
    return content


def place(character: str, at: int) -> str:
    """A character and where it first stands."""
    return f"{character!r} (position {at})"


def place_of_byte(character: str, at: int) -> str:
    """A byte and where it first stands."""
    return f"0x{ord(character):02x} (byte {at})"
