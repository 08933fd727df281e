# %% [markdown]
# # 9. BPTT is backward
#
# Backpropagation through time has a name of its own, and looks like an algorithm of its own. It is the loop of file 3,
# on a graph that happens to be long. Take a state of one number, and one weight for three steps:

# %%
import numpy as np

from tinygrad_rnn import Tensor, gradients, tanh
from tinygrad_rnn.debug import pullbacks, trace
from tinygrad_rnn.derivatives import vjp
from tinygrad_rnn.scope import scope

w = Tensor(0.9, requires_grad=True, name="w")
xs = [0.5, -0.3, 0.8]
states = [Tensor(0.1, requires_grad=True, name="h")]
with trace() as forward:
    for t, x in enumerate(xs):
        with scope(t):
            states.append(tanh(w * states[-1] + x))
    loss = (states[-1] - 1) ** 2

for entry in forward.entries:
    print(entry.text, *entry.scope)
# → %0 = mul(w, h) 0
# → %1 = add(%0, 0.5) 0
# → %2 = tanh(%1) 0
# → %3 = mul(w, %2) 1
# → %4 = add(%3, -0.3) 1
# → %5 = tanh(%4) 1
# → %6 = mul(w, %5) 2
# → %7 = add(%6, 0.8) 2
# → %8 = tanh(%7) 2
# → %9 = sub(%8, 1)
# → %10 = pow(%9, 2)

# %% [markdown]
# Forward goes through the steps 0, 1, 2. An operation is made after its inputs, so the state of step 2 is later than
# that of step 1. Backward takes the latest first. That is all: it *must* go through the steps 2, 1, 0.
#
# `pullbacks` makes the turns of backward one at a time. A turn has a tensor, its complete cotangent, and what it
# contributes to its inputs. Here are the turns of tanh and of the product with w.

# %%
for turn in pullbacks(loss):
    if turn.node and turn.node.op.name in {"tanh", "mul"}:
        parts = ", ".join(f"{part.tensor.name or 'inner'} += {part.value:.4f}" for part in turn.contributions)
        print(f"step {turn.node.scope[0]}, {turn.node.op.name:4} ∂ = {turn.cotangent:.4f}   {parts}")
# → step 2, tanh ∂ = -0.5136   inner += -0.2299
# → step 2, mul  ∂ = -0.2299   w += -0.0403, inner += -0.2069
# → step 1, tanh ∂ = -0.2069   inner += -0.2006
# → step 1, mul  ∂ = -0.2006   w += -0.1063, inner += -0.1805
# → step 0, tanh ∂ = -0.1805   inner += -0.1298
# → step 0, mul  ∂ = -0.1298   w += -0.0130, h += -0.1169

# %% [markdown]
# ## The gradient along time
#
# Read the column ∂ of the lines with tanh: it is ∂loss/∂h_3, ∂h_2, ∂h_1, with ∂h_0 at the end. Nobody asked for these
# gradients along time. They are the cotangents of states, and states are tensors like any others.
#
# Read the contributions to w: one for each step. They wait in one place until all steps have been passed, because w is
# older than all of them. Their sum is the gradient.

# %%
along = gradients(loss, states, retain_graph=True)
print(*(f"{g:.4f}" for g in along))  # → -0.1169 -0.1805 -0.2069 -0.5136
loss.backward()
print(f"{w.grad:.4f}")  # → -0.1595

# %% [markdown]
# ## The same as a loop over steps
#
# Write one step as a function, h' = f(h, w). Its `vjp` takes ∂h' to ∂h and to a contribution to w. Backpropagation
# through time is that function, step after step, from the last to the first. It holds for any cell.

# %%
g, to_w = along[-1], 0.0
for x, h in zip(reversed(xs), reversed(states[:-1]), strict=True):
    _, pullback = vjp(lambda h, w, x=x: tanh(w * h + x), h.data, w.data)
    g, part = (cotangent.data for cotangent in pullback(g))
    to_w += part
print(f"{to_w:.4f} {g:.4f}", np.allclose([to_w, g], [w.grad, along[0]], rtol=1e-12))  # → -0.1595 -0.1169 True

# %% [markdown]
# What it costs is in these lines too. Backward reads every state, so forward must keep them all: memory grows with T.

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/09_bptt.py`, then run `pytest tests/exercises/test_09_bptt.py`.
# 1. `through_time(step, h, xs, g)`: the loop above for any step, with states and inputs that are arrays.
# 2. `visited(loss)`: the time steps in the order in which backward comes to them.
#
# Next, `10_vanishing.py`: the gradient along time, when time is long.
