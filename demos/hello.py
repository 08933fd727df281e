"""Four letters: a network with 3 hidden units reads "hell" and learns to answer "ello".

    python demos/hello.py --plot hello.svg

The example of Andrej Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks", 2015: letters as one-hot
vectors, h = tanh(W_hh h + W_xh x), scores y = W_hy h, no biases. The letter l comes twice and has two answers, l and o:
only the state tells them apart. The picture is the network as it was recorded, unrolled over the four letters.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from tinygrad_rnn import Tensor, cross_entropy, linear, nn, no_grad, optim, softmax, stack, tanh
from tinygrad_rnn.draw import draw
from tinygrad_rnn.scope import scope
from tinygrad_rnn.text import Vocabulary

VOCABULARY = Vocabulary("helo")
WORD, UNITS, STEPS = "hello", 3, 100


class Letters(nn.Module):
    """The network of the figure."""

    def __init__(self, rng: np.random.Generator) -> None:
        V = len(VOCABULARY)
        self.W_xh = Tensor(rng.normal(size=(UNITS, V)), requires_grad=True)
        self.W_hh = Tensor(rng.normal(size=(UNITS, UNITS)), requires_grad=True)
        self.W_hy = Tensor(rng.normal(size=(V, UNITS)), requires_grad=True)

    def start(self) -> Tensor:
        """The state before the first letter [3]."""
        return Tensor(np.zeros(UNITS), name="h₀")

    def step(self, letter: str, h: Tensor) -> tuple[Tensor, Tensor]:
        """The scores [4] of the letter that follows ``letter``, and the state [3] after it."""
        x = Tensor(np.eye(len(VOCABULARY))[VOCABULARY.encode(letter)[0]], name=letter)
        h = tanh(linear(x, self.W_xh) + linear(h, self.W_hh))
        return linear(h, self.W_hy), h

    def forward(self, letters: str) -> tuple[list[Tensor], list[Tensor]]:
        """Scores and states at each of ``letters``."""
        scores, states, h = [], [], self.start()
        for t, letter in enumerate(letters, start=1):
            with scope(t):
                y, h = self.step(letter, h)
            scores.append(y)
            states.append(h)
        return scores, states


def train(model: Letters) -> list[float]:
    """Learn the word: the loss before each of 100 steps, in nats per letter."""
    optimizer, losses = optim.Adam(model.parameters(), lr=0.1), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        scores, _ = model(WORD[:-1])
        loss = cross_entropy(stack(*scores), VOCABULARY.encode(WORD[1:]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def answer(model: Letters, first: str) -> str:
    """Four letters after ``first``, the likeliest each time, each of them the next input."""
    word, h = first, model.start()
    with no_grad():
        while len(word) < len(WORD):
            y, h = model.step(word[-1], h)
            word += VOCABULARY.characters[int(y.data.argmax())]
    return word[len(first) :]


def show(model: Letters) -> None:
    """The numbers of the figure: input, hidden layer, scores, and the probability of the target."""
    with no_grad():
        scores, states = model(WORD[:-1])
    rows = []
    for letter, target, y, h in zip(WORD, WORD[1:], scores, states, strict=False):
        share = softmax(y).data[VOCABULARY.encode(target)[0]]
        rows.append([letter, *(f"{v:.1f}" for v in (*h.data, *y.data)), target, f"{share:.3f}"])
    console.table(["in", "h1", "h2", "h3", *VOCABULARY.characters, "target", "probability"], rows)


def main(arguments: list[str] | None = None) -> None:
    """Show the network before and after learning, and draw it."""
    options = console.parser(__doc__, plot="the unrolled network", needs="graphviz").parse_args(arguments)
    model = Letters(np.random.default_rng(options.seed))
    show(model)
    losses = train(model)
    show(model)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} nats per letter in {STEPS} steps")
    print(f"after h, on its own: {answer(model, 'h')}")
    if options.plot:
        console.save(draw(*model(WORD[:-1])[0]), options.plot)


if __name__ == "__main__":
    console.run(main)
