"""Sampling: how a text comes out of probabilities.

    python demos/sampling.py                             with a small model, trained in 5 seconds
    python demos/sampling.py --checkpoint runs/char_lm   with that of char_lm.py

1. A model that knows nothing has a perplexity of V, the number of characters.
2. Always taking the likeliest character gives the same text each time, and soon goes round in circles.
3. Drawing gives each character as often as the model says.
4. The temperature divides the logits: a low one repeats, 1 is what was learned, a high one misspells.
"""

from __future__ import annotations

import re
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING

from demos import console  # isort: split

import numpy as np

from demos.lm import corpus, files, folder, scoring, training
from demos.lm.model import CharLM
from demos.lm.options import WAR_AND_PEACE
from demos.lm.sampling import continuation
from tinygrad_rnn import cross_entropy, no_grad, optim, text
from tinygrad_rnn.checkpoint import CheckpointError
from tinygrad_rnn.tensor import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPERATURES = {0.25: "#00224e", 0.5: "#575d6d", 1.0: "#a59c74", 1.5: "#fee838"}  # and their colours
WORD = re.compile(r"[^\W\d_]+")  # letters
DRAWS, LENGTH, WIDTH = 20_000, 800, 18  # draws of one character, characters of a text, width of a column


def small(seed: int) -> tuple[CharLM, corpus.Corpus]:
    """A GRU of 128 units after 500 steps of 32 times 25 characters of War and Peace, and its text."""
    content = text.read_text(WAR_AND_PEACE)[:1_000_000]
    vocabulary = text.Vocabulary.from_text(content)
    parts = corpus.Corpus("War and Peace", content, vocabulary, *text.split(vocabulary.encode(content)))
    model = CharLM(vocabulary, "gru", 1, 128, dropout=0.0, rng=np.random.default_rng(seed))
    model.recurrent.unroll = False
    optimizer, schedule = optim.Adam(model.parameters(), betas=(0.9, 0.99)), optim.CosineDecay(0.01, 500)
    batches, state = text.Batches(parts.training, steps=25, batch_size=32), None
    for step in console.progress(range(500), "learning War and Peace"):
        optimizer.lr = schedule(step)
        state = training.update(model, optimizer, next(batches), state, clip=1.0).state
    return model, parts


def cross_entropies(model: CharLM, parts: corpus.Corpus) -> dict[str, float]:
    """Nats per character of the validation part: of a model that knows nothing, of one that counts, and of this one."""
    V, validation = len(model.vocabulary), parts.validation
    return {
        "uniform": cross_entropy(np.zeros((len(validation), V)), validation).item(),
        "n-gram, order 5": text.witten_bell(parts.training, validation, vocabulary_size=V, order=5)[-1],
        "this model": scoring.score(model, text.evaluation_batches(validation, steps=50, batch_size=50)).nats,
    }


def expected(model: CharLM, prompt: str, temperature: float = 1.0) -> Array:
    """With what probability each character [V] follows the prompt."""
    with no_grad():
        logits = model(model.vocabulary.encode(prompt)[:, None])[0].data[-1, 0]
    return text.distribution(logits, temperature=temperature)


def written(model: CharLM, prompt: str, temperature: float, length: int, rng: np.random.Generator) -> str:
    """The prompt and ``length`` characters after it."""
    return prompt + "".join(continuation(model, prompt=prompt, length=length, temperature=temperature, rng=rng))


def chi_square(counts: Array, p: Array) -> tuple[float, int]:
    """Σ (seen - expected)² / expected, and its mean, the number of kinds less one."""
    kinds = np.where(counts.sum() * p < 5, -1, np.arange(len(p)))  # the rare ones are one kind together
    groups = np.unique(kinds, return_inverse=True)[1]
    seen, mean = np.bincount(groups, counts), np.bincount(groups, counts.sum() * p)
    return float((np.square(seen - mean) / mean).sum()), len(seen) - 1


def frequencies(model: CharLM, p: Array, rng: np.random.Generator) -> None:
    """Print how often characters are drawn, beside the probability of each that the model gives it, ``p``."""
    counts, likeliest = np.bincount([text.draw(p, rng) for _ in range(DRAWS)], minlength=len(p)), np.argsort(-p)[:6]
    shares = (("expected", p), ("drawn", counts / DRAWS))
    rows = [[name, *(f"{100 * share[i]:.2f}" for i in likeliest)] for name, share in shares]
    console.table(["", *(repr(model.vocabulary.characters[i]) for i in likeliest)], rows)
    value, mean = chi_square(counts, p)
    print(f"   χ² is {value:.1f}; of such draws it is {mean} ± {(2 * mean) ** 0.5:.1f}\n")


def ladder(model: CharLM, prompt: str, known: set[str], rng: np.random.Generator) -> None:
    """Print a text at each temperature, side by side, and what its words are."""
    columns = []
    for content, t in ((written(model, prompt, t, LENGTH, rng), t) for t in TEMPERATURES):
        found = WORD.findall(content)[:-1]  # the last may be unfinished
        count, spelled, different = max(len(found), 1), sum(word in known for word in found), len(set(found))
        shares = [f"{100 * spelled / count:3.0f} % known", f"{100 * different / count:3.0f} % different"]
        columns.append([f"temperature {t:g}", "", *textwrap.wrap(" ".join(content.split()), WIDTH)[:12], "", *shares])
    for row in zip_longest(*columns, fillvalue=""):
        print("  ".join(cell.ljust(WIDTH) for cell in row).rstrip())


def picture(model: CharLM, prompt: str) -> Figure:
    """The likeliest characters after the prompt, at each temperature."""
    figure, axes = console.figure(f"What follows {prompt!r}", "", "probability")
    likeliest = np.argsort(-expected(model, prompt))[:8]
    for k, (t, colour) in enumerate(TEMPERATURES.items()):
        shares = expected(model, prompt, t)[likeliest]
        axes.bar(np.arange(8) + (k - 1.5) / 5, shares, 0.2, label=f"temperature {t:g}", color=colour)
    axes.set_xticks(range(8), [repr(model.vocabulary.characters[i]) for i in likeliest])
    axes.legend(frameon=False)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """All four points, with one model."""
    parser = console.parser(__doc__, plot="the distribution of a character at each temperature")
    parser.add_argument("--checkpoint", metavar="PATH", help="a run of char_lm.py; by default a small one is trained")
    parser.add_argument("--prompt", metavar="TEXT", default="Prince ", help="what to continue (default: 'Prince ')")
    options = parser.parse_args(arguments)
    prompt, rng = options.prompt or "\n", np.random.default_rng(options.seed)
    try:
        if options.checkpoint:  # the parts are those of its training
            file = files.read_checkpoint(folder.find(options.checkpoint, best=True))
            model, parts = files.model_in(file), files.learned(file, file.options)
        else:
            model, parts = small(options.seed)
        p = expected(model, prompt)
    except (CheckpointError, text.TextError) as error:
        parser.error(str(error))
    print(f"1. Perplexity per character, of V = {len(model.vocabulary)}")
    rows = [[name, f"{n:.3f}", f"{text.perplexity(n):.6g}"] for name, n in cross_entropies(model, parts).items()]
    console.table(["", "nats", "perplexity"], rows)
    print("2. The likeliest character each time")
    first, again = (written(model, prompt, 0, 140, rng) for _ in range(2))
    print(textwrap.fill(first, 76, initial_indent="   ", subsequent_indent="   "))
    print(f"   {'The same' if first == again else 'Another text'} the second time.\n")
    print(f"3. What follows {prompt!r}, in percent: as the model says, and in {DRAWS:,} draws")
    frequencies(model, p, rng)
    print("4. By temperature: words that the text knows, and words that are different\n")
    ladder(model, prompt, set(WORD.findall(parts.characters)), rng)
    if options.plot:
        console.save(picture(model, prompt), options.plot)


if __name__ == "__main__":
    console.run(main)
