# %% [markdown]
# # 4. Broadcasting undone
#
# A bias b [H] is added to rows x [B, H]: NumPy repeats b along the axis B. So each number of b is used B times, and its
# B contributions add up, as for the number used twice in `01_derivative.py`.

# %%
import numpy as np

from tinygrad_rnn import Tensor, mse_loss
from tinygrad_rnn.tensor import Array

x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)  # [B, H]
b = Tensor([10.0, 20.0, 30.0], requires_grad=True)  # [H]
g = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])  # the cotangent of the sum: ∂loss/∂(x + b), [B, H]
(x + b).backward(g)
print(x.grad.tolist())  # → [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
print(b.grad.tolist())  # → [5.0, 7.0, 9.0]

# %% [markdown]
# The gradient of b is the sum of g over the axis that b was repeated along.
#
# ## Why: a transposed matrix
#
# Write all numbers of an array as one long vector. Then an operation whose outputs are weighted sums of its inputs is a
# matrix P, and the rule of backward is always the same: the cotangent g of the output becomes Pᵀ g for the input.
# Repeating is such an operation. P has a 1 at (i, j) if output number i is a copy of input number j, so its column j is
# what the j-th unit vector becomes. Hence
#
# * forward: each row of P has one 1, which is a **copy**;
# * backward: each row of Pᵀ has B ones, which is a **sum**.

# %%
P = np.stack([np.broadcast_to(unit, (2, 3)).reshape(-1) for unit in np.eye(3)], axis=1)
print(P.astype(int).tolist())  # → [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
print((P.T @ g.reshape(-1)).tolist())  # → [5.0, 7.0, 9.0]

# %% [markdown]
# It holds the other way round too: the transpose of a sum is a copy. So the gradient of `x.sum()` is 1 everywhere.
#
# ## The general rule
#
# NumPy lines shapes up at the right. An axis that is missing, or has length 1 where the result has more, is repeated.
# To undo that, sum over exactly those axes.


# %%
def undo(g: Array, shape: tuple[int, ...]) -> Array:
    """The cotangent ``g`` of a broadcast result, summed to the ``shape`` of an input."""
    lead = g.ndim - len(shape)
    repeated = [i for i in range(g.ndim) if i < lead or shape[i - lead] != g.shape[i]]
    return np.asarray(g.sum(axis=tuple(repeated)).reshape(shape))


rng = np.random.default_rng(0)
g = rng.normal(size=(5, 2, 3))
for shape in [(), (3,), (2, 1), (1, 3), (5, 1, 1), (5, 2, 3)]:
    y = Tensor(rng.normal(size=shape), requires_grad=True)
    (y + np.zeros((5, 2, 3))).backward(g)
    print(shape, np.allclose(undo(g, shape), y.grad))
# → () True
# → (3,) True
# → (2, 1) True
# → (1, 3) True
# → (5, 1, 1) True
# → (5, 2, 3) True

# %% [markdown]
# In this engine no rule knows of broadcasting. The rule of x · b returns g · x for b, in the shape of g, and `backward`
# sums it to the shape of b: in one place (`unbroadcast`), for all operations.
#
# ## The trap
#
# Broadcasting also turns mistakes into numbers. A prediction [B, 1] minus a target [B] is a matrix [B, B]: each with
# each. The mean of its squares looks like a loss, and has a gradient.

# %%
prediction, target = Tensor([[1.0], [2.0], [3.0]], requires_grad=True), np.array([1.0, 2.0, 3.0])
wrong = (prediction - target) ** 2
print(wrong.shape, f"{wrong.mean().item():.3f}")  # → (3, 3) 1.333
try:
    mse_loss(prediction, target)
except ValueError as error:
    print(error)  # → mse_loss((3, 1), (3,)): mse_loss compares arrays of one shape

# %% [markdown]
# Every prediction is right and the loss is 1.333. So a loss should refuse, and `mse_loss` does.

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/04_broadcasting.py`, then run `pytest tests/exercises/test_04_broadcasting.py`.
# 1. `scale_and_shift(g, x, gain, bias)`: the three gradients of x · gain + bias, shapes [T, B, H], [H] and [B, 1].
# 2. `centred(g)`: the gradient at x of x - mean of x over its last axis. A mean is a sum: what is its transpose?
#
# Next, `05_sparse.py`: a slice uses few numbers of a large array. What may its gradient cost?
