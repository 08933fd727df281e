"""A recurrent network learns to add 8-bit numbers, bit by bit: the published run, number for number.

Andrew Trask, "Anyone Can Learn To Code an LSTM-RNN in Python (Part 1: RNN)", 2015: 2 inputs, 16 sigmoid units, 1
sigmoid output, no biases, gradient descent at 0.1 on half the squared error, one sequence a step, NumPy's legacy
generator at seed 0.
"""

import numpy as np
from numpy.testing import assert_allclose

from tinygrad_rnn import Tensor, matmul, mse_loss, sigmoid
from tinygrad_rnn.scan import scan

STEPS = 10_000
ERRORS = [
    3.45638663, 3.63389116, 3.91366595, 3.72191702, 3.5852713, 2.53352328, 0.57691441, 1.42589952, 0.47477457,
    0.21595037,
]  # fmt: skip  # Σ |y - o| over the 8 bits, at steps 0, 1000, ... 9000
SUMS = [(81, 0, 81), (4, 125, 129), (39, 17, 56), (11, 3, 14)]  # at steps 6000 ... 9000: a, b, and what is read off


def test_the_ten_published_errors() -> None:
    random = np.random.RandomState(0)
    synapse_0, synapse_1, synapse_h = (
        Tensor(2 * random.random_sample(shape) - 1, requires_grad=True) for shape in ((2, 16), (16, 1), (16, 16))
    )
    weights = (synapse_0, synapse_1, synapse_h)
    start = Tensor(np.zeros((1, 16)))

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = sigmoid(x + h @ synapse_h)
        return h, h

    errors, sums, right = [], [], []
    for j in range(STEPS):
        a, b = random.randint(128), random.randint(128)
        bits = np.unpackbits(np.array([[a], [b], [a + b]], np.uint8), axis=1)[:, ::-1].astype(float)  # [3, 8]
        _, hidden = scan(step, start, (matmul(bits[:2].T[:, None], synapse_0),))  # [8, 1, 16]
        out = sigmoid(hidden @ synapse_1)[:, 0, 0]
        (mse_loss(out, bits[2], reduction="sum") * 0.5).backward()
        for weight in weights:
            weight.data = weight.data - 0.1 * weight.grad
            weight.grad = None
        read = int(np.packbits(np.round(out.data[::-1]).astype(np.uint8))[0])
        right.append(read == a + b)
        if j % 1000 == 0:
            errors.append(np.abs(bits[2] - out.data).sum())
            sums.append((a, b, read))
    assert_allclose(errors, ERRORS, rtol=0, atol=1e-6)
    assert sums[6:] == SUMS
    assert all(right[-1000:])
