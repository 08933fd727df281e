# %% [markdown]
# # 10. Vanishing gradients, measured
#
# A loss at step T shall teach the network what to keep from step 0. All that arrives there is ∂loss/∂h_0, after T steps
# back. How much of it is left? States are tensors, so take the gradient there.

# %%
from collections.abc import Callable

import numpy as np

from tinygrad_rnn import Tensor, gradients, nn, tanh
from tinygrad_rnn.tensor import Array

H, T, LAGS = 50, 100, [0, 1, 5, 10, 20, 50, 100]
rng = np.random.default_rng(0)
direction = rng.normal(size=H)


def norms(W: Array, xs: Array, squash: Callable[[Tensor], Tensor]) -> Array:
    """The length of ∂loss/∂h at the last state, one step before it, …, for h_t = squash(W h_{t-1} + x_t)."""
    states = [Tensor(np.zeros(len(W)), requires_grad=True)]
    for x in xs:
        states.append(squash(W @ states[-1] + x))
    found = gradients((states[-1] * direction[: len(W)]).sum(), states)
    return np.array([np.linalg.norm(g) for g in reversed(found)])


def line(values: Array) -> str:
    """The values at LAGS, relative to the first."""
    return "  ".join(f"{values[lag] / values[0]:.0e}" for lag in LAGS)


def radius(W: Array) -> float:
    """The spectral radius of W, the size of its largest eigenvalue."""
    return float(np.abs(np.linalg.eigvals(W)).max())


# %% [markdown]
# ## Without tanh: a power
#
# Let h_t = W h_{t-1}. Each step back multiplies by Wᵀ. If W turns vectors and scales them by ρ, each scales by ρ.

# %%
turn = np.linalg.qr(rng.normal(size=(H, H)))[0]  # orthogonal: it keeps lengths
zeros = np.zeros((T, H))
print("lag      ", *(f"{lag:<6}" for lag in LAGS))
for rho in (0.9, 1.0, 1.1):
    print(f"ρ = {rho}   {line(norms(rho * turn, zeros, lambda a: a))}")
# → lag       0      1      5      10     20     50     100
# → ρ = 0.9   1e+00  9e-01  6e-01  3e-01  1e-01  5e-03  3e-05
# → ρ = 1.0   1e+00  1e+00  1e+00  1e+00  1e+00  1e+00  1e+00
# → ρ = 1.1   1e+00  1e+00  2e+00  3e+00  7e+00  1e+02  1e+04

# %% [markdown]
# For any W, the **spectral radius** plays the part of ρ *in the long run*. Over a few steps it says little. This W has
# radius 0.9, and yet the gradient grows at first:

# %%
skew = np.array([[0.9, 3.0], [0.0, 0.9]])
print(f"ρ = {radius(skew):.1f}   {line(norms(skew, zeros[:, :2], lambda a: a))}")
# → ρ = 0.9   1e+00  2e+00  6e+00  8e+00  6e+00  6e-01  6e-03

# %% [markdown]
# ## With tanh
#
# The slope of tanh is 1 - h², at most 1. Going back one step multiplies by Wᵀ diag(1 - h²). So tanh only makes the
# gradient smaller, and the more so, the nearer units are to ±1. Now W is random, and inputs are too. Then it vanishes
# even at ρ = 1.1, and explodes only at a much larger ρ.

# %%
noise = 0.5 * rng.normal(size=(T, H))
W = rng.normal(size=(H, H))
for rho in (0.9, 1.1, 2.0):
    values = norms(W * (rho / radius(W)), noise, tanh)
    print(f"ρ = {rho}   {line(values)}   a step: {(values[T] / values[0]) ** (1 / T):.2f}")
# → ρ = 0.9   1e+00  6e-01  8e-02  1e-02  2e-04  2e-09  6e-18   a step: 0.67
# → ρ = 1.1   1e+00  7e-01  1e-01  5e-02  2e-03  1e-06  4e-12   a step: 0.77
# → ρ = 2.0   1e+00  1e+00  9e-01  1e+00  3e+00  2e+01  2e+02   a step: 1.06
default = nn.RNNCell(H, H, rng=0).weight_hh.data
print(f"as an RNN starts, ρ = {radius(default):.2f}")  # → as an RNN starts, ρ = 0.61

# %% [markdown]
# ## What this does to learning
#
# The gradient of W is a sum over steps. If a step's share shrinks by a factor each time, the last few steps are nearly
# all of it. The gradient is right, and small steps along it lower the loss. But what step 0 has to do with step 100 is
# lost in it, and no learning rate brings it back: that would scale all shares alike.
#
# Above 1 it explodes instead, and one example may throw all weights far off. That has a remedy: clip the gradient to
# some length, and keep its direction (`optim.clip_grad_norm`). For what vanishes, there is no such thing.

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/10_vanishing.py`, then run `pytest tests/exercises/test_10_vanishing.py`.
# 1. `growth(step, h, rounds)`: the spectral radius of a step at a state that it keeps, from vjp alone.
# 2. `clipped(gradients, largest)`: gradients scaled down together, when their common length is too large.
#
# Next, `11_lstm_gru.py`: cells that were made so that the gradient gets through.
