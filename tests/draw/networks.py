"""Small networks to draw, and their pictures as DOT text.

`python -m tests.draw.networks`, run from the root of the repository, writes the golden files anew.
"""

from itertools import product
from pathlib import Path

import numpy as np

from tests.draw.cells import CELLS
from tinygrad_rnn import Tensor, cross_entropy, linear, sigmoid, stack, tanh
from tinygrad_rnn.draw import draw
from tinygrad_rnn.draw.project import Level
from tinygrad_rnn.scope import scope


def doubled() -> Tensor:
    """c = b + b of b = a + a: a is reached along four paths, and is one node."""
    a = Tensor(1.0, requires_grad=True, name="a")
    b = a + a
    return b + b


def lstm(T: int, *, reverse: bool = False) -> Tensor:
    """The loss of an LSTM over T steps, with a layer on top: B = 2, F = 3, H = 4, five classes."""
    F, H, V, size = 3, 4, 5, np.ones
    w_ih, w_hh, b = (
        Tensor(size(shape), True, name=name)
        for name, shape in (("weight_ih_l0", (4 * H, F)), ("weight_hh_l0", (4 * H, H)), ("bias_l0", (4 * H,)))
    )
    h, c = Tensor(size((2, H)), name="h₀"), Tensor(size((2, H)), name="c₀")
    with scope("lstm"), scope("layer0"):
        a = linear(Tensor(size((T, 2, F)), name="x"), w_ih, b)
        outputs = {}
        for t in reversed(range(T)) if reverse else range(T):
            with scope(t):
                z = linear(h, w_hh, a[t])
                i, f, g, o = (z[..., k * H : (k + 1) * H] for k in range(4))
                c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                outputs[t] = h = sigmoid(o) * tanh(c)
        hs = stack(*(outputs[t] for t in range(T)))
    with scope("head"):
        logits = linear(hs, Tensor(size((V, H)), True, name="weight"), Tensor(size(V), True, name="bias"))
    with scope("loss"):
        return cross_entropy(logits, Tensor(np.zeros((T, 2), int), name="targets"))


def pictures() -> dict[str, str]:
    """The golden files: their names and what they hold."""
    found = {"doubled.dot": draw(doubled()).source, "lstm.dot": draw(lstm(3)).source}
    levels: tuple[Level, ...] = ("op", "cell", "layer")
    for name, level, T in product(("RNN", "LSTM", "GRU"), levels, (1, 2, 5)):
        found[f"{name.lower()}_{level}_{T}.dot"] = draw(CELLS[name](T), level=level).source
    return found


if __name__ == "__main__":
    golden = Path(__file__).parent / "golden"
    for name, source in pictures().items():
        (golden / name).write_text(source, encoding="utf-8")
