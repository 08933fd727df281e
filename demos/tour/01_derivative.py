# %% [markdown]
# # 1. The derivative of one number
#
# Change x a little, and y = f(x) changes too. The **derivative** is the factor between the two changes:
#
#     f'(x) = (f(x + h) - f(x - h)) / 2h    for h → 0
#
# Take one neuron: an input x, a weight w, a bias b, and y = tanh(w x + b). How does y change with w?

# %%
import math

from tinygrad_rnn import Tensor, tanh


def neuron(w: float, x: float, b: float) -> float:
    """y = tanh(w x + b)."""
    return math.tanh(w * x + b)


w, x, b, h = 0.5, 2.0, -0.6, 1e-5
print(f"{neuron(w, x, b):.6f}")  # → 0.379949
print(f"{(neuron(w + h, x, b) - neuron(w - h, x, b)) / (2 * h):.6f}")  # → 1.711278

# %% [markdown]
# Add 0.001 to w, and y grows by about 0.0017. But each slope costs two more evaluations. A network with a million
# weights would be evaluated two million times for one gradient.
#
# ## The chain rule, from the result backward
#
# The neuron is a chain of three small operations, whose derivatives are known:
#
# | operation | its derivatives |
# |---|---|
# | a = w x | ∂a/∂w = x and ∂a/∂x = w |
# | s = a + b | ∂s/∂a = 1 and ∂s/∂b = 1 |
# | y = tanh(s) | ∂y/∂s = 1 - y² |
#
# Factors of a chain multiply. Start at the end, where ∂y/∂y = 1, and go back. At each operation you hold one number,
# ∂y/∂(its result), and turn it into ∂y/∂(each of its inputs). That number is called the **cotangent** of the result.

# %%
a = w * x
s = a + b
y = math.tanh(s)

to_y = 1.0  # ∂y/∂y
to_s = to_y * (1 - y**2)
to_a = to_s * 1
to_b = to_s * 1
to_w = to_a * x
to_x = to_a * w
print(f"w {to_w:.6f}   x {to_x:.6f}   b {to_b:.6f}")  # → w 1.711278   x 0.427819   b 0.855639

# %% [markdown]
# One walk backward gives all slopes, however many there are. This is **reverse mode**, or backpropagation. It needs
# what forward computed (x, w and y), so forward must remember its values.
#
# ## The same by the engine
#
# A `Tensor` remembers the operation that made it, and each operation knows its derivatives. `backward()` does the walk.

# %%
W, X, B = Tensor(w, requires_grad=True), Tensor(x, requires_grad=True), Tensor(b, requires_grad=True)
Y = tanh(W * X + B)
Y.backward()
print(f"w {W.grad:.6f}   x {X.grad:.6f}   b {B.grad:.6f}")  # → w 1.711278   x 0.427819   b 0.855639

# %% [markdown]
# ## A number that is used twice
#
# In y = x · x the number x is an input twice. Each use passes its own change on to y, so the slopes **add up**: x by
# the left factor, x by the right one, together 2x. A weight that all time steps share is the same case.

# %%
X = Tensor(3.0, requires_grad=True)
(X * X).backward()
print(X.grad)  # → 6.0

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/01_derivative.py`, then run `pytest tests/exercises/test_01_derivative.py`.
# 1. `by_hand(x)`: the derivative of exp(sin(x²)) by the chain rule, in plain Python.
# 2. `newton(f, x)`: a zero of f by Newton's method, x ← x - f(x) / f'(x), where the engine differentiates.
#
# Next, `02_graph.py`: what exactly does a tensor remember?
