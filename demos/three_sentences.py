"""Three sentences: a network of 12 units learns them by heart and goes on from their beginnings.

    python demos/three_sentences.py --plot sentences.svg

The exercise of the EduNet lectures (L08_RNN, CC0): sentences padded with blanks to 15 characters, one-hot characters,
an RNN and a linear layer, cross-entropy, Adam at 0.01, 100 epochs of all three at once. Always taking the likeliest
character gives the same text each time; drawing from the distribution gives others too. The picture shows, character
by character, what the network expects.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from demos import console  # isort: split

import numpy as np

from tinygrad_rnn import Tensor, cross_entropy, nn, no_grad, optim, softmax, text
from tinygrad_rnn.tensor import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SENTENCES = ["hey how are you", "good i am fine", "have a nice day"]
LENGTH, UNITS, EPOCHS = 15, 12, 100
PYTORCH = {0: 2.86, 50: 0.96, 100: 0.17}  # nats per character after so many epochs, measured with the same settings


class Sentences(nn.Module):
    """Predicts the next character of a sentence."""

    def __init__(self, vocabulary: text.Vocabulary, rng: np.random.Generator) -> None:
        self.vocabulary = vocabulary
        self.rnn = nn.RNN(len(vocabulary), UNITS, unroll=False, rng=rng)
        self.head = nn.Linear(UNITS, len(vocabulary), rng=rng)

    def forward(self, ids: Array, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Ids [T, B] and the state before them to the logits [T, B, V] of what follows, and the state after."""
        outputs, h = self.rnn(np.eye(len(self.vocabulary), dtype=np.float32)[ids], h)
        return self.head(outputs), h

    def continuation(self, prompt: str, temperature: float, rng: np.random.Generator) -> str:
        """``prompt`` made into a whole sentence of 15 characters."""

        def step(index: int, h: Tensor | None) -> tuple[Array, Tensor]:
            with no_grad():
                logits, h = self(np.array([[index]]), h)
            return logits.data[0, 0], h

        missing = LENGTH - len(prompt)
        return prompt + "".join(
            text.generate(step, None, self.vocabulary, prompt=prompt, length=missing, temperature=temperature, rng=rng)
        )


def train(seed: int) -> tuple[Sentences, list[float]]:
    """The trained network, and the loss in nats per character at each of epochs 0 .. 100."""
    padded = [sentence.ljust(LENGTH) for sentence in SENTENCES]
    vocabulary = text.Vocabulary.from_text("".join(padded))
    ids = np.stack([vocabulary.encode(sentence) for sentence in padded], axis=1)  # [15, 3]
    model = Sentences(vocabulary, np.random.default_rng(seed))
    optimizer, losses = optim.Adam(model.parameters(), lr=0.01), []
    for _ in range(EPOCHS + 1):
        optimizer.zero_grad()
        loss = cross_entropy(model(ids[:-1])[0], ids[1:])
        losses.append(loss.item())
        if len(losses) <= EPOCHS:
            loss.backward()
            optimizer.step()
    return model, losses


def picture(model: Sentences, sentence: str) -> Figure:
    """The probability of each character after each of ``sentence``."""
    figure, axes = console.figure("What the network expects after each character", "character read", "the next one")
    with no_grad():
        expected = softmax(model(model.vocabulary.encode(sentence)[:, None])[0])
    axes.imshow(expected.data[:, 0].T, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(sentence)), [c.replace(" ", "␣") for c in sentence])
    axes.set_yticks(range(len(model.vocabulary)), [c.replace(" ", "␣") for c in model.vocabulary.characters])
    figure.colorbar(axes.images[0], label="probability")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Train, then write on from the beginnings: greedily twice, and by drawing."""
    options = console.parser(__doc__, plot="what the network expects, character by character,").parse_args(arguments)
    model, losses = train(options.seed)
    ours = [f"{losses[epoch]:.2f}" for epoch in PYTORCH]
    console.table(["epochs", *map(str, PYTORCH)], [["nats", *ours], ["PyTorch", *map(str, PYTORCH.values())]])
    rng = np.random.default_rng(options.seed)
    for prompt in ("good", "h", "have"):
        greedy = [model.continuation(prompt, 0.0, rng) for _ in range(2)]
        print(f"greedy from {prompt!r}: {greedy[0]!r}, and again {greedy[1]!r}")
    print()
    for temperature in (0.5, 1.0, 2.0):
        drawn = Counter(model.continuation("good", temperature, rng) for _ in range(100))
        print(f"100 draws at temperature {temperature}, {len(drawn)} different; the most frequent:")
        console.table(["", "times"], [[repr(sentence), str(times)] for sentence, times in drawn.most_common(4)])
    if options.plot:
        console.save(picture(model, "good i am fine"), options.plot)


if __name__ == "__main__":
    console.run(main)
