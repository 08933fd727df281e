# %% [markdown]
# # 5. Sparse cotangents
#
# A recurrent network reads its input x [T, F] one step at a time: x[0], x[1], … What is the cotangent of x, if that of
# the slice x[t] is g? It is g at place t and 0 everywhere else. Slicing is a matrix P once more, which leaves most
# numbers out, and Pᵀ puts zeros in their places.

# %%
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, op, stack, take
from tinygrad_rnn.contributions import At
from tinygrad_rnn.tensor import Array


def with_zeros(g: Any, shape: tuple[int, ...], t: int) -> Array:
    """``g`` at row ``t`` of an array of zeros."""
    full = np.zeros(shape)
    full[t] = g
    return full


@op(x=lambda g, out, x, *, t: with_zeros(g, x.shape, t))
def row(x: Any, *, t: int) -> Any:
    """x[t], with the rule that the formula suggests."""
    return x[t]


# %% [markdown]
# The rule is right, and it is a trap. Each slice makes an array as large as x, and backward adds up T of them: T·T·F
# numbers. Four times as many steps are sixteen times the work. Here it is beside the engine's own `x[t]`.


# %%
def measure(read: Callable[[Tensor, int], Tensor], T: int) -> tuple[float, Array]:
    """CPU milliseconds that backward takes through T slices of x [T, 32], and the gradient."""
    x = Tensor(np.zeros((T, 32)), requires_grad=True)
    joined = stack(*[read(x, t) for t in range(T)])
    g = np.random.default_rng(0).normal(size=joined.shape)
    start = process_time()
    joined.backward(g)
    return 1000 * (process_time() - start), np.asarray(x.grad)


for T in (1000, 4000):
    dense, expected = measure(lambda x, t: row(x, t=t), T)
    sparse, gradient = measure(lambda x, t: x[t], T)
    print(f"T = {T}: with zeros {dense:.0f} ms, the engine {sparse:.0f} ms, equal: {(gradient == expected).all()}")
# → T = 1000: with zeros … ms, the engine … ms, equal: True
# → T = 4000: with zeros … ms, the engine … ms, equal: True

# %% [markdown]
# On one machine: 19 and 4 ms for T = 1000, 362 and 15 ms for T = 4000.
#
# ## What the engine does
#
# The rule of a slice makes no zeros. It returns a note, an `At`: this value, at this place, in an array of that shape.
# Backward keeps the notes for x until all uses of x have been passed, and only then makes one array of them. T slices
# together cost as much as x is large.

# %%
notes = [At(np.array([1.0, 2.0]), (), key, (3, 2)) for key in [(0,), (2,), (2,)]]
print(At.total(notes).tolist())  # → [[1.0, 2.0], [0.0, 0.0], [2.0, 4.0]]

# %% [markdown]
# ## Gathers
#
# An embedding is a table [V, E], and a text picks rows of it by number. Their cotangent is such a note as well. A row
# may be picked twice, and then its contributions add up. NumPy's `+=` does not do that: it reads all rows, adds, and
# writes all rows, and for a repeated row the last one wins.

# %%
ids = np.array([2, 0, 2])
g = np.array([[1.0, 1.0], [5.0, 5.0], [10.0, 10.0]])
lost, right = np.zeros((3, 2)), np.zeros((3, 2))
lost[ids] += g
np.add.at(right, ids, g)
table = Tensor(np.zeros((3, 2)), requires_grad=True)
take(table, ids).backward(g)
print(lost.tolist())  # → [[5.0, 5.0], [0.0, 0.0], [10.0, 10.0]]
print(right.tolist())  # → [[5.0, 5.0], [0.0, 0.0], [11.0, 11.0]]
print(table.grad.tolist())  # → [[5.0, 5.0], [0.0, 0.0], [11.0, 11.0]]

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/05_sparse.py`, then run `pytest tests/exercises/test_05_sparse.py`.
# 1. `table_gradient(g, ids, V)`: the gradient of an embedding table as one matrix product, without `np.add.at`.
# 2. `roughness(x)`: Σ (x[t+1] - x[t])², in at most five recorded operations, however long x is.
#
# Next, `06_gradcheck.py`: how do you know that a rule is right?
