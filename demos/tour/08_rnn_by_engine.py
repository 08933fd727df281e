# %% [markdown]
# # 8. The same by the engine
#
# File 7 wrote forward, and then the derivative of each line. Here is forward alone, in operations that are recorded.
# The functions of file 7 are imported to compare with.

# %%
import importlib
import io
from contextlib import redirect_stdout

import numpy as np

from demos.console import DATA
from tinygrad_rnn import Tensor, cross_entropy, tanh
from tinygrad_rnn.draw import draw, summary
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Array
from tinygrad_rnn.text import Vocabulary, read_text

with redirect_stdout(io.StringIO()):  # what it prints has been seen
    by_hand = importlib.import_module("demos.tour.07_rnn_by_hand")


def loss(w: dict[str, Tensor], ids: Array, targets: Array, h: Tensor) -> Tensor:
    """-log p of the targets [T], summed, in nats, for letters ``ids`` [T] after the state ``h`` [H]."""
    total = Tensor(0.0)
    for t, (i, target) in enumerate(zip(ids, targets, strict=True)):
        with scope(t):  # a label: pictures and messages know the time step by it
            h = tanh(w["W_xh"][:, i] + w["W_hh"] @ h + w["b_h"])
            total = total + cross_entropy(w["W_hy"] @ h + w["b_y"], target)
    return total


# %% [markdown]
# The formulas are the code. (`cross_entropy` is softmax and -log p in one operation.) The loop over time records 9
# operations for each letter, and "hell" has 4.

# %%
w = {name: Tensor(weight, requires_grad=True, name=name) for name, weight in by_hand.w.items()}
out = loss(w, by_hand.ids, by_hand.targets, Tensor(by_hand.h0, name="h"))
lines = str(summary(out)).splitlines()
print(lines[0].partition(";")[0])  # → 36 operations, the longest path has 20
print(lines[-1].rpartition("  ")[2])  # → add ×4, matmul ×2, getitem, tanh, cross_entropy

# %% [markdown]
# The picture is the unrolled network of the textbooks, made from what was recorded. Two lines run from step to step: h,
# and the sum of the loss. Each weight is drawn in every step, and is one and the same tensor.

# %%
draw(out)

# %% [markdown]
# ## Equal to 1e-12
#
# Now the size of min-char-rnn (Karpathy 2015), the hundred lines in which many have met this network: 100 hidden units,
# 25 characters of Shakespeare, weights drawn with seed 0. Its backward, written by hand, is that of file 7.

# %%
vocabulary = Vocabulary.from_text(content := read_text(DATA / "tiny_shakespeare.txt"))
ids, H, V = vocabulary.encode(content[:26]), 100, len(vocabulary)
normal = np.random.RandomState(0).randn
arrays = {"W_xh": normal(H, V), "W_hh": normal(H, H), "W_hy": normal(V, H), "b_h": np.zeros(H), "b_y": np.zeros(V)}
arrays = {name: 0.01 * array for name, array in arrays.items()}
hs, ps = by_hand.forward(arrays, ids[:-1], np.zeros(H))
expected = by_hand.backward(arrays, ids[:-1], ids[1:], hs, ps)

w = {name: Tensor(array, requires_grad=True, name=name) for name, array in arrays.items()}
out = loss(w, ids[:-1], ids[1:], Tensor(np.zeros(H)))
out.backward()
print(f"{by_hand.loss(ps, ids[1:]):.2f} {out.item():.2f}; 25 ln {V} = {25 * np.log(V):.2f}")
for name, tensor in w.items():
    error = np.abs(tensor.grad - expected[name]).max() / np.abs(expected[name]).max()
    print(name, tensor.shape, "equal to 1e-12:", error < 1e-12)
# → 104.37 104.37; 25 ln 65 = 104.36
# → W_xh (100, 65) equal to 1e-12: True
# → W_hh (100, 100) equal to 1e-12: True
# → W_hy (65, 100) equal to 1e-12: True
# → b_h (100,) equal to 1e-12: True
# → b_y (65,) equal to 1e-12: True

# %% [markdown]
# The loss of an untrained network is that of guessing: ln 65 nats for each of 25 characters. `demos/min_char_rnn.py`
# trains this one, and its loss follows that of the original.

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/08_rnn_by_engine.py`, then run `pytest tests/exercises/test_08_rnn_by_engine.py`.
# 1. `leaky_loss(w, ids, targets, h, leak)`: file 7's leaky cell in a network; backward comes free.
# 2. `shares(w, ids, targets, h)`: what each time step alone adds to the gradient of W_hh.
#
# Next, `09_bptt.py`: in which order did backward just go through time?
