# %% [markdown]
# # 11. LSTM and GRU: the conveyor belt
#
# In file 10, each step back went through a weight matrix and through tanh, and both made the gradient shrink. The LSTM
# has a second state c, the **cell state**, that is spared both (Hochreiter and Schmidhuber 1997, Gers et al. 2000):
#
# $$ c_t = f_t \, c_{t-1} + i_t \, g_t \qquad h_t = o_t \tanh(c_t) $$
#
# All products are element by element. Three **gates**, numbers between 0 and 1, are computed from x_t and h_{t-1}: f
# says what is kept of the old cell state, i what is let in of the new content g, o what is shown. So c is a conveyor
# belt: it moves on, things are put on it and taken off it. Here is one step, against the library's:

# %%
import numpy as np

from tinygrad_rnn import Tensor, gradients, nn, sigmoid, split, tanh

F, H, T = 10, 50, 100
rng = np.random.default_rng(0)
cell = nn.LSTMCell(F, H, rng=0, dtype=np.float64)
x, h, c = (Tensor(rng.normal(size=size), requires_grad=True) for size in (F, H, H))

i, f, g, o = split(cell.weight_ih @ x + cell.weight_hh @ h + cell.bias_ih + cell.bias_hh, 4)
new_c = sigmoid(f) * c + sigmoid(i) * tanh(g)
new_h = sigmoid(o) * tanh(new_c)
print(np.allclose(new_h.data, cell(x, (h, c))[0].data))  # → True

# %% [markdown]
# Going back along the belt, ∂c_{t-1} = f_t ∂c_t, plus what comes by way of h and the gates. No matrix, no tanh: the
# gate alone says how much of the gradient gets through. While f is 1, all of it does, unchanged.
#
# ## The same measurement

# %%
xs, direction, LAGS = rng.normal(size=(T, F)), rng.normal(size=H), [0, 1, 5, 10, 20, 50, 100]


def lengths(cell: nn.Cell) -> str:
    """‖∂loss/∂state‖ at LAGS steps before the last, relative to the last. The loss reads the last c or h."""
    start = cell.zero_state((), np.float64)
    states = [tuple(Tensor(s.data, requires_grad=True) for s in (start if isinstance(start, tuple) else (start,)))]
    for x in xs:
        new = cell(x, states[-1] if len(states[0]) > 1 else states[-1][0])
        states.append(new if isinstance(new, tuple) else (new,))
    found = gradients((states[-1][-1] * direction).sum(), [part for state in states for part in state])
    squares = [0.0 if g is None else (g**2).sum() for g in found]  # the last h of an LSTM is behind its last c
    values = np.sqrt(np.reshape(squares, (T + 1, -1)).sum(axis=1))[::-1]
    return "  ".join(f"{values[lag] / values[0]:.0e}" for lag in LAGS)


print("lag               ", *(f"{lag:<6}" for lag in LAGS))
for name, kind in {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}.items():
    print(f"{name:18} {lengths(kind(F, H, rng=0, dtype=np.float64))}")
# → lag                0      1      5      10     20     50     100
# → RNN                1e+00  5e-01  4e-02  2e-03  4e-06  2e-14  7e-28
# → GRU                1e+00  6e-01  7e-02  8e-03  8e-05  2e-10  3e-20
# → LSTM               1e+00  6e-01  7e-02  7e-03  6e-05  7e-11  5e-21

# %% [markdown]
# At the start, LSTM and GRU let hardly more through than the RNN. Their weights are small and their biases near 0, so
# the gates are near σ(0) = 0.5, and a step keeps about 0.6 of the gradient. The belt is there, but it does not run.
#
# ## Opening the gate
#
# The bias of the forget gate decides what f is before anything was learned. `forget_bias` sets it.

# %%
for bias in (1.0, 3.0, 5.0):
    f_at_start = 1 / (1 + np.exp(-bias))
    print(f"LSTM, f near {f_at_start:.3f} {lengths(nn.LSTMCell(F, H, forget_bias=bias, rng=0, dtype=np.float64))}")
# → LSTM, f near 0.731 1e+00  8e-01  3e-01  1e-01  2e-02  2e-04  5e-08
# → LSTM, f near 0.953 1e+00  1e+00  8e-01  8e-01  7e-01  9e-01  2e+00
# → LSTM, f near 0.993 1e+00  1e+00  1e+00  1e+00  1e+00  2e+00  1e+01

gru = nn.GRUCell(F, H, rng=0, dtype=np.float64)
bias_ih = dict(gru.named_parameters())["bias_ih"]
bias_ih.data = np.repeat([0.0, 5.0, 0.0], H)  # the blocks r, z, n
print(f"GRU,  z near 0.993 {lengths(gru)}")
# → GRU,  z near 0.993 1e+00  1e+00  1e+00  9e-01  9e-01  7e-01  5e-01

# %% [markdown]
# Now what is said at step 100 is heard at step 0. (In the LSTM it even grows: c also acts on later steps by way of h
# and the gates, and those paths add up.) A gate that is open keeps *everything*; which things to keep, and when to
# forget, is learned, because f depends on x_t and h_{t-1}. That begins with a gradient that arrives.
#
# The GRU has one state and one gate z for both jobs: h_t = z_t h_{t-1} + (1 - z_t) n_t. With z near 1 it is a belt too.
# Some write z and 1 - z the other way round; `nn.GRUCell` lists who does.

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/11_lstm_gru.py`, then run `pytest tests/exercises/test_11_lstm_gru.py`.
# 1. `bias_for(T, share)`: the forget bias with which the belt alone keeps a share of the gradient for T steps.
# 2. `lecture_gru(h, a, W)`: the other GRU, where z says how much is replaced, and r acts before the product.
#
# Next, `12_truncated.py`: sequences that are too long to go back through.
