"""The commands that use a model that was trained: ``sample`` and ``evaluate``."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from demos import console
from demos.lm.corpus import for_people, prompt_for, read
from demos.lm.files import find, learned, model_in, read_checkpoint, restore
from demos.lm.options import Evaluate, Sample
from demos.lm.progress import say
from demos.lm.sampling import continuation
from demos.lm.scoring import in_words, score
from demos.lm.settings import values
from tinygrad_rnn import text


def sample(given: Mapping[str, Any]) -> int:
    """Continue a prompt with new characters."""
    options = values(Sample, given)
    model, trained = restore(options.checkpoint)
    prompt = prompt_for(model.vocabulary, options.prompt, trained)
    if options.unknown == "skip":
        prompt = known_part(model.vocabulary, prompt)
    how = {name: getattr(options, name) for name in ("length", "temperature", "top_k", "top_p")}
    new = continuation(model, prompt=prompt, rng=np.random.default_rng(options.seed), **how)
    for piece in for_people(itertools.chain(prompt, new), trained):
        print(piece, end="", flush=True)
    print()
    return 0


def evaluate(given: Mapping[str, Any]) -> int:
    """Score a text: one that is named, or the three parts of the one that was learned."""
    options = values(Evaluate, given)
    file = read_checkpoint(find(options.checkpoint, best=True))
    model, trained = model_in(file), file.options
    if options.text:
        content = read(options.text, options.encoding or trained.encoding, trained.bytes)
        if options.unknown == "skip":
            content = known_part(model.vocabulary, content)
        parts = {"all": model.vocabulary.encode(content)}
    else:
        parts = learned(file, trained).parts
        parts["training"] = parts.pop("training")  # the long one comes last
    unit = "byte" if trained.bytes else "character"
    say("text", f"{Path(options.text or trained.text).name}, scored per {unit}")
    for name, ids in parts.items():
        windows = text.evaluation_batches(ids, steps=trained.steps, batch_size=trained.batch_size)
        total = score(model, console.progress(list(windows), name))
        say(name, f"{in_words(total.nats)}, {total.characters:,} {unit}s")
    return 0


def known_part(vocabulary: text.Vocabulary, content: str) -> str:
    """The characters of ``content`` that ``vocabulary`` has; on stderr, which of the others were met first where."""
    try:
        vocabulary.encode(content)
    except text.UnknownCharacterError as error:
        print(f"left out: {places(error)}", file=sys.stderr)
        return vocabulary.decode(vocabulary.encode(content, unknown="skip"))
    return content


def places(error: text.UnknownCharacterError) -> str:
    """The unknown characters, each with the position where it first stands."""
    return ", ".join(f"{character!r} (position {at})" for character, at in error.unknown.items())
