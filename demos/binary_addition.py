"""A recurrent network learns to add: two 8-bit numbers, bit by bit from the right, with the carry in its state.

    python demos/binary_addition.py --plot addition.svg

The network of Andrew Trask, "Anyone Can Learn To Code an LSTM-RNN in Python (Part 1: RNN)", 2015, number for number:
2 inputs, 16 sigmoid units and 1 sigmoid output without biases, gradient descent at 0.1 on half the squared error, one
sum a step, NumPy's legacy generator. At seed 0 the ten errors that he printed come out again.
"""

from __future__ import annotations

from dataclasses import dataclass

from demos import console  # isort: split

import numpy as np

from tinygrad_rnn import Tensor, matmul, mse_loss, optim, sigmoid
from tinygrad_rnn.scan import Pure, scan
from tinygrad_rnn.tensor import Array

UNITS, RATE, STEPS, BITS = 16, 0.1, 10_000, 8
PUBLISHED = [
    3.45638663, 3.63389116, 3.91366595, 3.72191702, 3.5852713, 2.53352328, 0.57691441, 1.42589952, 0.47477457,
    0.21595037,
]  # fmt: skip  # the errors at steps 0, 1000, ... 9000


@dataclass(frozen=True)
class Sum:
    """One training step: a + b, what the network read off, and its error Σ |target - output| over the 8 bits."""

    a: int
    b: int
    read: int
    error: float

    @property
    def right(self) -> bool:
        """Whether the network got it right."""
        return self.read == self.a + self.b


def train(seed: int) -> list[Sum]:
    """All 10,000 steps."""
    random = np.random.RandomState(seed)
    into, out, back = (
        Tensor(2 * random.random_sample(shape) - 1, requires_grad=True)
        for shape in ((2, UNITS), (UNITS, 1), (UNITS, UNITS))
    )
    optimizer = optim.SGD([into, out, back], lr=RATE)

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = sigmoid(x + h @ back)
        return h, h

    planned, start, sums = Pure(step), Tensor(np.zeros((1, UNITS))), []
    for _ in console.progress(range(STEPS), "learning to add"):
        a, b = random.randint(128), random.randint(128)
        bits = as_bits([a, b, a + b])  # [8, 3]
        optimizer.zero_grad()
        _, hidden = scan(planned, start, (matmul(bits[:, None, :2], into),), unroll=False)  # [8, 1, 16]
        output = sigmoid(hidden @ out)[:, 0, 0]
        (mse_loss(output, bits[:, 2], reduction="sum") * 0.5).backward()
        optimizer.step()
        read = int(np.round(output.data) @ 2 ** np.arange(BITS))
        sums.append(Sum(a, b, read, float(np.abs(bits[:, 2] - output.data).sum())))
    return sums


def as_bits(numbers: list[int]) -> Array:
    """The bits of N numbers, the lowest first: [8, N]."""
    return (np.array(numbers) >> np.arange(BITS)[:, None] & 1).astype(float)


def main(arguments: list[str] | None = None) -> None:
    """Train, and set the errors beside the published ones."""
    parser = console.parser(__doc__, plot="the errors")
    options = parser.parse_args(arguments)
    sums = train(options.seed)
    rows = []
    for step, published in zip(range(0, STEPS, 1000), PUBLISHED, strict=True):
        one = sums[step]
        printed = f"{published:.8f}" if options.seed == 0 else ""
        rows.append(
            [
                str(step),
                f"{one.error:.8f}",
                printed,
                f"{one.a} + {one.b} =",
                str(one.read),
                "" if one.right else "wrong",
            ]
        )
    console.table(["step", "error", "published", "sum", "read", ""], rows)
    print(f"{sum(one.right for one in sums[-1000:]) / 10:.1f} % of the last 1000 sums are right")
    if options.plot:
        figure, axes = console.figure("Learning to add", "step", "error of the 8 bits")
        errors, tens = np.array([one.error for one in sums]), range(0, STEPS, 1000)
        axes.plot(
            range(50, STEPS, 100),
            errors.reshape(-1, 100).mean(1),
            color=console.COLOURS["RNN"],
            label="mean of 100 steps",
        )
        axes.plot(tens, errors[tens], "o", mfc="none", ms=10, color=console.COLOURS["RNN"], label="one step each")
        if options.seed == 0:
            axes.plot(tens, PUBLISHED, ".", color=console.COLOURS["other"], label="published")
        axes.set_ylim(0)
        axes.legend(frameon=False)
        console.save(figure, options.plot)


if __name__ == "__main__":
    console.run(main)
