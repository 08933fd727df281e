# %% [markdown]
# # 12. Truncated backpropagation through time
#
# Backward reads every state, so a novel of three million characters would have to be kept as one graph, for a single
# step of learning. Instead the text is cut into windows. The *value* of the state is carried from one window to the
# next, but not its past: it is **detached**.

# %%
import numpy as np

from tinygrad_rnn import Tensor, gradients, nn, tanh
from tinygrad_rnn.tensor import Array

w = Tensor(0.9, requires_grad=True)
first = tanh(w * 0.5)
second = tanh(w * first)
cut = tanh(w * nn.detach(first))
print(f"{second.item():.4f} {cut.item():.4f}")  # → 0.3625 0.3625
print(f"{gradients(second, [w])[0]:.4f} {gradients(cut, [w])[0]:.4f}")  # → 0.6878 0.3665

# %% [markdown]
# The same value; another gradient. Of the two ways in which w acts on the result, one is cut off. So the gradient of
# truncated backpropagation is not that of the loss: it is **biased**, however many examples are averaged.
#
# ## How wrong is it?
#
# Take a task with a known span: at each step, tell the input of 10 steps ago. The layer is an RNN whose W_hh is
# orthogonal and its inputs small, so that its gradient lives long. `nn.truncated_bptt` makes the windows.

# %%
F, H, T, DELAY = 3, 30, 128, 10
rng = np.random.default_rng(0)
layer, head = nn.RNN(F, H, rng=0, dtype=np.float64), nn.Linear(H, F, rng=1, dtype=np.float64)
W_hh = layer.weight_hh_l0
W_hh.data = np.linalg.qr(rng.normal(size=(H, H)))[0]
x = 0.1 * rng.normal(size=(T, 1, F))
targets = np.concatenate([np.zeros((DELAY, 1, F)), x[:-DELAY]])


def gradient(k1: int, k2: int) -> Array:
    """The gradient of the summed loss at W_hh, by windows of k1 steps whose losses reach back k2 steps."""
    W_hh.grad = None
    for steps, outputs, _ in nn.truncated_bptt(layer, x, k1=k1, k2=k2):
        ((head(outputs) - targets[steps]) ** 2).sum().backward()
    return np.array(W_hh.grad)


full = gradient(T, T)


def compared(k1: int, k2: int) -> str:
    """The error of a truncated gradient, relative to the full one, and the cosine of the angle between them."""
    g, size = gradient(k1, k2), np.linalg.norm(full)
    cosine = (g * full).sum() / (np.linalg.norm(g) * size)
    return f"error {np.linalg.norm(g - full) / size:4.0%}, cosine {cosine:.2f}"


for k in (1, 2, 4, 8, 16, 32, 64, 128):
    print(f"windows of {k:3}: {compared(k, k)}")
# → windows of   1: error  95%, cosine 0.31
# → windows of   2: error  91%, cosine 0.41
# → windows of   4: error  83%, cosine 0.56
# → windows of   8: error  69%, cosine 0.76
# → windows of  16: error  51%, cosine 0.92
# → windows of  32: error  29%, cosine 0.98
# → windows of  64: error   8%, cosine 1.00
# → windows of 128: error   0%, cosine 1.00

# %% [markdown]
# Windows of 8 look bearable. But what this task is about lies 10 steps back. The carried state may well hold that
# input; yet no loss tells the network to put it there, since no path in the graph reaches so far.
#
# ## k1 and k2
#
# In a window of k steps, the loss of the first step sees 1 step, that of the last one k. This is uneven. So let windows
# overlap: update every k1 steps, and go back k2 steps each time. Then a loss sees at least k2 - k1 + 1 steps, if there
# are as many, and each step is run k2 / k1 times.

# %%
for k1, k2 in [(16, 16), (8, 16), (4, 16), (32, 32), (16, 32)]:
    print(f"k1 = {k1:2}, k2 = {k2}: {compared(k1, k2)}, each step run {k2 // k1} ×")
# → k1 = 16, k2 = 16: error  51%, cosine 0.92, each step run 1 ×
# → k1 =  8, k2 = 16: error  39%, cosine 0.97, each step run 2 ×
# → k1 =  4, k2 = 16: error  36%, cosine 0.97, each step run 4 ×
# → k1 = 32, k2 = 32: error  29%, cosine 0.98, each step run 1 ×
# → k1 = 16, k2 = 32: error  15%, cosine 1.00, each step run 2 ×

# %% [markdown]
# Windows side by side, k2 = k1, are the usual choice, as in file 15: cheap and biased. In training there is one more
# bias, not measured here: the carried state was computed by the weights as they were before the last update.

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/12_truncated.py`, then run `pytest tests/exercises/test_12_truncated.py`.
# 1. `reach(T, k1, k2)`: how many steps of history the loss of each step sees.
# 2. `by_windows(layer, loss, x, k)`: truncated backpropagation written out, with `detach` in the right place.
#
# Next, `13_second.py`: backward is made of operations too, so differentiate it.
