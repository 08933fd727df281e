"""min-char-rnn on the engine: the hundred lines with which many began, without their backward pass.

    python demos/min_char_rnn.py --full --plot curve.svg

The model of Andrej Karpathy's gist, 2015: one-hot characters, 100 tanh units, windows of 25 characters one after the
other, the state carried over, the loss summed over a window, each element of the gradient clipped to ±5, Adagrad at
0.1. His tanh, softmax and sums stay; the derivatives come from backward.

Beside a loop written by hand each iteration is the same to rounding. Left alone, the two curves agree to 1e-8 for 200
iterations and to 0.1 % at 1000, because this training is chaotic: weights that differ by 1e-15 part as far.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from demos import console  # isort: split

import numpy as np

from tinygrad_rnn import Tensor, cross_entropy, linear, nn, no_grad, optim, take, tanh, text
from tinygrad_rnn.scan import Pure, scan
from tinygrad_rnn.tensor import Array
from tinygrad_rnn.text.vocabulary import Ids

H, T, RATE, CLIP = 100, 25, 0.1, 5.0  # hidden units, characters in a window, learning rate, bound of an element
NUMPY = {0: 104.36, 1000: 85.41, 2000: 70.01, 5000: 55.57, 10_000: 51.96, 20_000: 50.64}  # the gist's own, at seed 0


class MinCharRNN(nn.Module):
    """The five arrays of the gist in float64, and what they compute."""

    def __init__(self, V: int, seed: int) -> None:
        normal = np.random.RandomState(seed).randn
        self.W_xh = Tensor(normal(H, V) * 0.01, requires_grad=True)
        self.W_hh = Tensor(normal(H, H) * 0.01, requires_grad=True)
        self.W_hy = Tensor(normal(V, H) * 0.01, requires_grad=True)
        self.b_h = Tensor(np.zeros(H), requires_grad=True)
        self.b_y = Tensor(np.zeros(V), requires_grad=True)
        self.planned = Pure(self.step)

    def step(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """One step: the state [1, H], and W_xh x + b_h [1, H]."""
        h = tanh(linear(h, self.W_hh, x))
        return h, h

    def forward(self, ids: Ids, h: Tensor) -> tuple[Tensor, Tensor]:
        """Ids [T] and the state [1, H] before them to the logits [T, V] of what follows each, and the state after.

        A product with a one-hot vector is a column of the matrix, so the columns are taken instead.
        """
        x = take(self.W_xh.T, ids[:, None]) + self.b_h  # [T, 1, H]
        h, hidden = scan(self.planned, h, (x,), unroll=False)
        return linear(hidden[:, 0], self.W_hy, self.b_y), h


def start() -> Tensor:
    """The state at the beginning of the text [1, H]."""
    return Tensor(np.zeros((1, H)))


def train(model: MinCharRNN, ids: Ids) -> Iterator[float]:
    """Train without end on the text ``ids`` [N]: at each iteration the loss before it, in nats per window of 25."""
    # The gist divides by √(v + 1e-8) where Adagrad has √v + eps, so here v starts at 1e-8.
    optimizer = optim.Adagrad(model.parameters(), RATE, initial_accumulator_value=1e-8, eps=0.0)
    position, h = 0, start()
    while True:
        if position + T + 1 >= len(ids):
            position, h = 0, start()
        optimizer.zero_grad()
        logits, h = model(ids[position : position + T], h.detach())
        loss = cross_entropy(logits, ids[position + 1 : position + T + 1], reduction="sum")
        loss.backward()
        optim.clip_grad_value(optimizer, CLIP)
        optimizer.step()
        position += T
        yield loss.item()


def smoothed(losses: Iterable[float], V: int) -> Iterator[float]:
    """The curve of the gist: each loss moves it by a thousandth, from that of a model that knows nothing of V."""
    smooth = T * math.log(V)
    for loss in losses:
        smooth = 0.999 * smooth + 0.001 * loss
        yield smooth


def sample(model: MinCharRNN, vocabulary: text.Vocabulary, seed: int) -> str:
    """200 characters drawn from the model, as after a line end."""

    def step(index: int, h: Tensor) -> tuple[Array, Tensor]:
        with no_grad():
            logits, h = model(np.array([index]), h)
        return logits.data[0], h

    return "".join(text.generate(step, start(), vocabulary, length=200, rng=np.random.default_rng(seed)))


def char_rnn_parameters(V: int) -> int:
    """How many parameters char-rnn has by default: two LSTM layers of 128 on one-hot characters.

    Its layers have the two biases that PyTorch's have, and ours.
    """
    modules = [nn.LSTM(V, 128, 2), nn.Linear(128, V)]
    return sum(p.size for module in modules for p in module.parameters())


def main(arguments: list[str] | None = None) -> None:
    """Train on tiny Shakespeare, beside the figures of the gist in NumPy."""
    parser = console.parser(__doc__, plot="the curve", full="20,000 iterations (15 seconds) instead of 1,000")
    options = parser.parse_args(arguments)
    content = text.read_text(console.DATA / "tiny_shakespeare.txt")
    vocabulary = text.Vocabulary.from_text(content)
    ids, V = vocabulary.encode(content), len(vocabulary)
    print(f"tiny Shakespeare, {len(ids):,} characters, {V} distinct")
    print(f"char-rnn's two LSTM layers of 128: {char_rnn_parameters(V):,} parameters (published: 240,321)\n")
    model = MinCharRNN(V, options.seed)
    iterations = 20_000 if options.full else 1000
    training = train(model, ids)
    losses = [next(training) for _ in console.progress(range(iterations + 1), "min-char-rnn")]
    curve = list(smoothed(losses, V))
    rows = [[str(i), f"{curve[i]:.2f}", f"{nats:.2f}"] for i, nats in NUMPY.items() if i < len(curve)]
    console.table(["iteration", "smooth loss", "the gist at seed 0"], rows)
    counted = text.witten_bell(ids[: 8 * len(ids) // 10], ids[9 * len(ids) // 10 :], vocabulary_size=V, order=5)[-1]
    print(f"in training, the last 100 windows: {sum(losses[-100:]) / 100 / T:.3f} nats per character")
    print(f"n-grams of order 5, counted on the first eight tenths, have {counted:.3f} on the last\n")
    print(sample(model, vocabulary, options.seed))
    if options.plot:
        figure, axes = console.figure("min-char-rnn on tiny Shakespeare", "iteration", "smooth loss, nats per window")
        axes.plot(curve, color=console.COLOURS["RNN"], label="ours")
        points = [i for i in NUMPY if i < len(curve)]
        axes.plot(
            points, [NUMPY[i] for i in points], "o", color=console.COLOURS["other"], label="the gist in NumPy at seed 0"
        )
        axes.legend(frameon=False)
        console.save(figure, options.plot)


if __name__ == "__main__":
    console.run(main)
