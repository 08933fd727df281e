# %% [markdown]
# # 7. A recurrent network by hand
#
# A recurrent network reads letters one at a time, keeps a state h, and at each letter says which may come next:
#
#     h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)    y_t = W_hy h_t + b_y    p_t = softmax(y_t)
#
# x_t is one-hot: all 0, except a 1 at the number of the letter. So W_xh x_t is a column of W_xh. The loss is -log of
# the probability that the right next letter got, in nats, summed over the letters. Here is all of it in NumPy alone.

# %%
import numpy as np

from tinygrad_rnn.tensor import Array


def forward(w: dict[str, Array], ids: Array, h: Array) -> tuple[Array, Array]:
    """States h_0 .. h_T [T + 1, H] and probabilities p_1 .. p_T [T, V], for letters ``ids`` [T] after the state h_0."""
    hs, ps = [h], []
    for i in ids:
        hs.append(np.tanh(w["W_xh"][:, i] + w["W_hh"] @ hs[-1] + w["b_h"]))
        e = np.exp(w["W_hy"] @ hs[-1] + w["b_y"])
        ps.append(e / e.sum())
    return np.array(hs), np.array(ps)


def loss(ps: Array, targets: Array) -> float:
    """-log p of the targets [T], summed, in nats."""
    return float(-np.log(ps[np.arange(len(targets)), targets]).sum())


# %% [markdown]
# ## Backward, line by line
#
# Start at the last step and go back. ∂v stands for ∂loss/∂v, and a_t for what is inside tanh.
#
# | forward | backward |
# |---|---|
# | loss_t = -log softmax(y_t)[target] | ∂y_t = p_t - one-hot target |
# | y_t = W_hy h_t + b_y | ∂W_hy += ∂y_t h_tᵀ, ∂b_y += ∂y_t |
# | h_t goes to y_t *and* to a_{t+1} | ∂h_t = W_hyᵀ ∂y_t + W_hhᵀ ∂a_{t+1}: two uses, two contributions |
# | h_t = tanh(a_t) | ∂a_t = ∂h_t (1 - h_t²) |
# | a_t = W_xh x_t + W_hh h_{t-1} + b_h | ∂W_xh += ∂a_t x_tᵀ, ∂W_hh += ∂a_t h_{t-1}ᵀ, ∂b_h += ∂a_t |
#
# All steps use the same weights, so each weight gets T contributions: hence +=. The term W_hhᵀ ∂a_{t+1} brings what
# later steps have to say. It is all that is meant by "through time" in backpropagation through time, BPTT.


# %%
def backward(w: dict[str, Array], ids: Array, targets: Array, hs: Array, ps: Array) -> dict[str, Array]:
    """The gradient of the loss at each weight."""
    to = {name: np.zeros_like(weight) for name, weight in w.items()}
    from_later = np.zeros_like(hs[0])
    for t in reversed(range(len(ids))):
        to_y = ps[t].copy()
        to_y[targets[t]] -= 1
        to_a = (w["W_hy"].T @ to_y + from_later) * (1 - hs[t + 1] ** 2)  # hs[t + 1] is h after letter t
        to["W_hy"] += np.outer(to_y, hs[t + 1])
        to["b_y"] += to_y
        to["W_xh"][:, ids[t]] += to_a
        to["W_hh"] += np.outer(to_a, hs[t])
        to["b_h"] += to_a
        from_later = w["W_hh"].T @ to_a
    return to


# %% [markdown]
# Is it right? Move all 140 numbers at once, along a random direction d. The loss must change by Σ ∂w d: one difference
# checks them all. Then learn "hello". The letter l has two answers, l and o, and only the state tells which is due.

# %%
letters, H = "helo", 8
word = np.array([letters.index(letter) for letter in "hello"])
ids, targets, h0 = word[:-1], word[1:], np.zeros(H)  # after h comes e, after e comes l, …
rng = np.random.default_rng(0)
shapes = {"W_xh": (H, 4), "W_hh": (H, H), "W_hy": (4, H), "b_h": (H,), "b_y": (4,)}
w, d = ({name: 0.3 * rng.normal(size=shape) for name, shape in shapes.items()} for _ in range(2))

above, below = (loss(forward({n: w[n] + h * d[n] for n in w}, ids, h0)[1], targets) for h in (1e-5, -1e-5))
gradients = backward(w, ids, targets, *forward(w, ids, h0))
print(f"{(above - below) / 2e-5:.7f} {sum((gradients[n] * d[n]).sum() for n in w):.7f}")  # → -0.7259475 -0.7259475

for step in range(101):
    hs, ps = forward(w, ids, h0)
    if step in {0, 20, 100}:
        print(f"step {step}: {loss(ps, targets):.2f} nats,", *(letters[i] for i in ps.argmax(axis=1)))
    for name, gradient in backward(w, ids, targets, hs, ps).items():
        w[name] -= 0.1 * gradient
# → step 0: 8.45 nats, h e e e
# → step 20: 0.51 nats, e l l o
# → step 100: 0.06 nats, e l l o

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/07_rnn_by_hand.py`, then run `pytest tests/exercises/test_07_rnn_by_hand.py`.
# 1. `to_first_state(W_hh, to_h, hs)`: how does the loss change with h_0, the state before the first letter?
# 2. `leaky_backward(to_h, h, a, W, leak)`: one step of another cell, whose state goes two ways.
#
# Next, `08_rnn_by_engine.py`: the same network, and nobody writes its backward.
