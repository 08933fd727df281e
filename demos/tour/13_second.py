# %% [markdown]
# # 13. Second derivatives
#
# Backward computes the gradient by multiplying, adding, and so on. Record these operations, and the gradient is a
# result like any other, with a graph behind it, to be differentiated again. `create_graph=True` records them.

# %%
import numpy as np

from tinygrad_rnn import Tensor, functional_call, grad, gradients, hessian, hvp, log, nn, sigmoid
from tinygrad_rnn.draw.graph import collect

x = Tensor(2.0, requires_grad=True)
y = x**3
for order in (1, 2, 3):
    (y,) = gradients(y, [x], create_graph=True)
    print(f"derivative {order}: {y.item()}, by {len(collect([y]).operations())} operations")
# → derivative 1: 12.0, by 2 operations
# → derivative 2: 12.0, by 2 operations
# → derivative 3: 6.0, by 2 operations

# %% [markdown]
# A rule such as that of tanh, g (1 - y²), is made of operations, so one set of rules serves every order. `grad` does
# the same to functions, and may be nested. There is a trap in nesting. In d/dx (x · d/dy (x + y)) = d/dx (x · 1) = 1,
# the inner derivative must take x as constant, and the outer one not. A program that mixes the two up says 2 (Siskind
# and Pearlmutter 2005).

# %%
print(grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0).item())  # → 1.0

# %% [markdown]
# ## The Hessian of an LSTM
#
# The **Hessian** H is the matrix of all second derivatives: how the slope along one weight changes with another weight.
# It is the Jacobian of the gradient, one backward pass per row. Here it is for five steps of an LSTM and W_hh.

# %%
rng = np.random.default_rng(0)
lstm = nn.LSTM(2, 3, rng=0, dtype=np.float64)
inputs, targets = rng.normal(size=(5, 4, 2)), rng.normal(size=(5, 4, 3))


def loss(W_hh: Tensor) -> Tensor:
    """The squared error of the LSTM's outputs, with W_hh [12, 3] in place of its own."""
    outputs: Tensor = functional_call(lstm, {"weight_hh_l0": W_hh}, inputs)[0]
    return ((outputs - targets) ** 2).mean()


W = lstm.weight_hh_l0.data
H = hessian(loss)(W).data.reshape(36, 36)
print("symmetric to 1e-10:", np.abs(H - H.T).max() < 1e-10 * np.abs(H).max())  # → symmetric to 1e-10: True
print((np.linalg.eigvalsh(H) < 0).sum(), "of 36 eigenvalues are negative")  # → 18 of 36 eigenvalues are negative

# %% [markdown]
# A negative eigenvalue is a direction in which the loss bends down: such a loss is no bowl.
#
# ## Along one direction
#
# With a million weights, H has 10¹² entries. But H v, for one vector v, is the gradient of the *number* ⟨gradient, v⟩,
# so it costs two backward passes, and H is never made (Pearlmutter 1994). And vᵀ H v is the loss's curvature along v.

# %%
v = rng.normal(size=(12, 3))
(Hv,) = hvp(loss, (W,), (v,))
ahead, here, behind = (loss(Tensor(W + s * v)).item() for s in (1e-3, 0, -1e-3))
print("H v equal to 1e-10:", np.allclose(H @ v.ravel(), Hv.data.ravel(), rtol=1e-10))
# → H v equal to 1e-10: True
print(f"{np.vdot(v, Hv.data):.6f} {(ahead - 2 * here + behind) / 1e-6:.6f}")  # → 0.028059 0.028059

# %% [markdown]
# ## What it is good for
#
# Gradient descent knows the slope, and guesses how far to go. Newton's method knows the curvature too, and goes to the
# bottom of the bowl that fits: w ← w - H⁻¹ ∇. Near the end each step doubles the number of right digits.

# %%
features = rng.normal(size=(50, 3))
sign = np.sign(features @ [1.0, -2.0, 0.5] + 3 * rng.normal(size=50))


def logistic(w: Tensor) -> Tensor:
    """-log p of the right sign, averaged, where p is a sigmoid."""
    return -log(sigmoid(Tensor(features) @ w * sign)).mean()


w, sizes = np.zeros(3), []
for _ in range(6):
    slope = grad(logistic)(w).data
    sizes.append(f"{np.linalg.norm(slope):.0e}")
    w -= np.linalg.solve(hessian(logistic)(w).data, slope)
print(*sizes)  # → 3e-01 8e-02 2e-02 2e-03 3e-05 8e-09

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/13_second.py`, then run `pytest tests/exercises/test_13_second.py`.
# 1. `sharpness(f, x, rounds)`: the largest eigenvalue of a Hessian that is never made.
# 2. `penalised(f, x, strength)`: a loss that has its own gradient in it.
#
# Next, `14_plan.py`: from the recorded step of a cell to a fast one.
