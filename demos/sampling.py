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
from pathlib import Path

from demos import console  # isort: split

import numpy as np

from demos.lm import corpus, files, scoring, training
from demos.lm.model import CharLM
from demos.lm.options import WAR_AND_PEACE
from demos.lm.sampling import continuation
from tinygrad_rnn import cross_entropy, no_grad, optim, text
from tinygrad_rnn.checkpoint import CheckpointError
from tinygrad_rnn.tensor import Array

PROMPT = "Prince "
TEMPERATURES = [0.25, 0.5, 1.0, 1.5]
WORD = re.compile(r"[^\W\d_]+")  # letters
DRAWS, LENGTH, WIDTH = 20_000, 800, 18  # draws of one character, characters of a text, width of a column


def small_model(content: str, rng: np.random.Generator) -> CharLM:
    """A GRU of 128 units after 500 steps of 32 times 25 characters."""
    vocabulary = text.Vocabulary.from_text(content)
    model = CharLM(vocabulary, "gru", 1, 128, dropout=0.0, rng=rng)
    model.recurrent.unroll = False
    optimizer, schedule = optim.Adam(model.parameters(), betas=(0.9, 0.99)), optim.CosineDecay(0.01, 500)
    batches, state = text.Batches(text.split(vocabulary.encode(content))[0], steps=25, batch_size=32), None
    for step in console.progress(range(500), "learning War and Peace"):
        optimizer.lr = schedule(step)
        state = training.update(model, optimizer, next(batches), state, clip=1.0).state
    return model


def cross_entropies(model: CharLM, content: str) -> dict[str, float]:
    """Nats per character of the validation part: of a model that knows nothing, of one that counts, and of this one."""
    V = len(model.vocabulary)
    learned, validation, _ = text.split(model.vocabulary.encode(content))
    return {
        "uniform": cross_entropy(np.zeros((len(validation), V)), validation).item(),
        "n-gram, order 5": text.witten_bell(learned, validation, vocabulary_size=V, order=5)[-1],
        "this model": scoring.score(model, text.evaluation_batches(validation, steps=50, batch_size=50)).nats,
    }


def expected(model: CharLM, temperature: float = 1.0) -> Array:
    """With what probability each character [V] follows the prompt."""
    with no_grad():
        logits = model(model.vocabulary.encode(PROMPT)[:, None])[0].data[-1, 0]
    return text.distribution(logits, temperature=temperature)


def written(model: CharLM, temperature: float, length: int, rng: np.random.Generator) -> str:
    """The prompt and ``length`` characters after it."""
    return PROMPT + "".join(continuation(model, prompt=PROMPT, length=length, temperature=temperature, rng=rng))


def chi_square(counts: Array, p: Array) -> tuple[float, int]:
    """Σ (seen - expected)² / expected, and its mean, the number of kinds less one."""
    kinds = np.where(counts.sum() * p < 5, -1, np.arange(len(p)))  # the rare ones are one kind together
    groups = np.unique(kinds, return_inverse=True)[1]
    seen, mean = np.bincount(groups, counts), np.bincount(groups, counts.sum() * p)
    return float((np.square(seen - mean) / mean).sum()), len(seen) - 1


def frequencies(model: CharLM, rng: np.random.Generator) -> None:
    """Print how often characters are drawn, beside how often the model says."""
    p = expected(model)
    counts, likeliest = np.bincount([text.draw(p, rng) for _ in range(DRAWS)], minlength=len(p)), np.argsort(-p)[:6]
    shares = (("expected", p), ("drawn", counts / DRAWS))
    rows = [[name, *(f"{100 * share[i]:.2f}" for i in likeliest)] for name, share in shares]
    console.table(["", *(repr(model.vocabulary.characters[i]) for i in likeliest)], rows)
    value, mean = chi_square(counts, p)
    print(f"   χ² is {value:.1f}; of such draws it is {mean} ± {(2 * mean) ** 0.5:.1f}\n")


def ladder(model: CharLM, known: set[str], rng: np.random.Generator) -> None:
    """Print a text at each temperature, side by side, and what its words are."""
    columns = []
    for content, t in ((written(model, t, LENGTH, rng), t) for t in TEMPERATURES):
        found = WORD.findall(content)[:-1]  # the last may be unfinished
        spelled, different = sum(word in known for word in found), len(set(found))
        shares = [f"{100 * spelled / len(found):3.0f} % known", f"{100 * different / len(found):3.0f} % different"]
        lines = textwrap.wrap(" ".join(content.split()), WIDTH)[:12]
        columns.append([f"temperature {t:g}", "", *lines, "", *shares])
    for row in zip_longest(*columns, fillvalue=""):
        print("  ".join(cell.ljust(WIDTH) for cell in row).rstrip())


def plot(model: CharLM, file: Path) -> None:
    """The likeliest characters after the prompt, at each temperature."""
    figure, axes = console.figure(f"What follows {PROMPT!r}", "", "probability")
    likeliest = np.argsort(-expected(model))[:8]
    for k, t in enumerate(TEMPERATURES):
        axes.bar(np.arange(8) + (k - 1.5) / 5, expected(model, t)[likeliest], 0.2, label=f"temperature {t:g}")
    axes.set_xticks(range(8), [repr(model.vocabulary.characters[i]) for i in likeliest])
    axes.legend(frameon=False)
    console.save(figure, file)


def main(arguments: list[str] | None = None) -> None:
    """All four points, with one model."""
    parser = console.parser(__doc__, plot="the distribution of a character at each temperature")
    parser.add_argument("--checkpoint", metavar="PATH", help="a run of char_lm.py; by default a small one is trained")
    options = parser.parse_args(arguments)
    if options.checkpoint:
        try:
            model, trained = files.restore(options.checkpoint)
            model.vocabulary.encode(PROMPT)
            content = corpus.read(trained.text, trained.encoding, trained.bytes)
        except (CheckpointError, text.TextError) as error:
            parser.error(str(error))
    else:
        content = text.read_text(WAR_AND_PEACE)[:1_000_000]
        model = small_model(content, np.random.default_rng(options.seed))
    rng = np.random.default_rng(options.seed)
    print(f"1. Perplexity per character, of V = {len(model.vocabulary)}")
    rows = [[name, f"{n:.3f}", f"{text.perplexity(n):.6g}"] for name, n in cross_entropies(model, content).items()]
    console.table(["", "nats", "perplexity"], rows)

    print("2. The likeliest character each time")
    first, again = (written(model, 0, 140, rng) for _ in range(2))
    print(textwrap.fill(first, 76, initial_indent="   ", subsequent_indent="   "))
    print(f"   {'The same' if first == again else 'Another text'} the second time.\n")

    print(f"3. What follows {PROMPT!r}, in percent: as the model says, and in {DRAWS:,} draws")
    frequencies(model, rng)
    print("4. By temperature: words that the text knows, and words that are different\n")
    ladder(model, set(WORD.findall(content)), rng)
    if options.plot:
        plot(model, options.plot)


if __name__ == "__main__":
    console.run(main)
