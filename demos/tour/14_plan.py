# %% [markdown]
# # 14. Trace a cell, plan it, run it fast
#
# A loop over time records each operation of each step: a NumPy call, a new array for its result, a node. Yet every step
# does the same. `scan` runs a step along time as such a loop, or by a **plan** that is made once.

# %%
import time

import numpy as np

from tinygrad_rnn import Tensor, gradients, linear, sigmoid, tanh
from tinygrad_rnn.draw.graph import collect
from tinygrad_rnn.scan import scan
from tinygrad_rnn.scan.__main__ import text
from tinygrad_rnn.tensor import Array

T, B, H, rng = 100, 4, 32, np.random.default_rng(0)
W_f, W_n = (Tensor(rng.normal(size=(H, H)) / H**0.5, requires_grad=True) for _ in range(2))
h0, xs = Tensor(np.zeros((B, H))), rng.normal(size=(T, B, H))


def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """A cell of our own, with one gate f. Returns the next state and the output, which are the same here."""
    f = sigmoid(linear(h, W_f, x))
    h = h + f * (tanh(linear(f * h, W_n, x)) - h)
    return h, h


def run(unroll: bool) -> tuple[Tensor, list[Array], float]:
    """The loss, its gradients, and the milliseconds of CPU for both."""
    start = time.process_time()
    loss = (scan(step, h0, (xs,), unroll=unroll)[1] ** 2).mean()
    found = gradients(loss, [W_f, W_n], retain_graph=True)
    return loss, found, 1e3 * (time.process_time() - start)


run(unroll=False)  # the first time, the plan is made
for unroll in (True, False):
    loss, found, ms = run(unroll)
    print(f"{len(collect([loss]).operations())} operations, {ms:.1f} ms, slope {found[0][0, 0]:.10f}")
# → 803 operations, … ms, slope -0.0010849813
# → 4 operations, … ms, slope -0.0010849813

# %% [markdown]
# On one machine, 12 ms became 2. Large matrices gain less: their products take the time, and they stay.
#
# ## The plan
#
# The step is run once, on stand-ins that record it. Its rules are recorded the same way, so a plan knows backward too.
# Then every operation is broken up into the NumPy calls that it is made of. This is an RNN; invariant0 is W_hh:

# %%
print("once" + text("rnn", batch=2, features=3, hidden=4).partition("once")[2])
# → once: 1 calls
# →   v5    transpose(invariant0)                            [4, 4]          once
# → forward, at each step: 3 calls
# →   v6    matmul(state0, v5)                               [2, 4]          scratch 0
# →   v7    add(v6, x0)                                      [2, 4]          scratch 0
# →   v8    tanh(v7)                                         [2, 4]          state after 0
# → backward, for all steps at once, before the loop: 2 calls
# →   v10   multiply(v8, v8)                                 [2, 4]          stacked
# →   v12   subtract(1, v10)                                 [2, 4]          stacked
# → backward, at each step: 3 calls
# →   v9    add(seed0, seed_y0)                              [2, 4]          scratch 1
# →   v13   multiply(v9, v12)                                [2, 4]          cotangent of input 0
# →   v14   matmul(v13, invariant0)                          [2, 4]          cotangent of state before 0
# → at the end:
# →   cotangent of invariant0: Σ_t v13ᵀ state0, one product over stacked rows

# %% [markdown]
# What no step changes, Wᵀ, is computed once. In backward, 1 - h² waits for no other step, so two calls compute it for
# all steps. Three calls at each step are left. The gradient of W is one product for all steps, at the end.
#
# `python -m tinygrad_rnn.scan lstm --passes` shows how an LSTM gets there. In short:

# %%
for row in text("lstm", batch=2, features=3, hidden=4, passes=True).splitlines():
    if "backward" in row and row.endswith("calls") and "before" not in row:
        print(row)
# → as the operations make them, backward: 25 calls
# → products regrouped, backward: 25 calls
# → calls on neighbouring slices joined, backward: 23 calls
# → backward, at each step: 10 calls

# %% [markdown]
# "Products regrouped" saves no call, but fewer of them wait for the step after: 10 of 23 in the end. "Neighbouring
# slices joined" makes one call of two, such as those for the gates i and f.
#
# A plan knows the step from a single run. So the step must be a pure function, without decisions on values and without
# random numbers of its own; `scan` says so if it is not. The exercises show the way around.

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/14_plan.py`, then run `pytest tests/exercises/test_14_plan.py`.
# 1. `gated(h, x)`: a decision for each unit, in a form that can be planned.
# 2. `noisy(h, xs, rng)`: noise at every step, in a scan that can be planned.
#
# Next, `15_char_lm.py`: all of it, in a model of text.
