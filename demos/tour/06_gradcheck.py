# %% [markdown]
# # 6. gradcheck, and how it can lie
#
# A wrong rule raises no error. Training goes on, only worse. So compare each rule with something that knows no rules:
#
#     (f(x + h) - f(x - h)) / 2h = f'(x) + h²/6 f'''(x) + …
#
# Were f exact, the smallest h would be best. But a value f is rounded by about ε |f|, and the quotient makes of this an
# error of about ε |f| / h. In float64 ε is 1e-16, in float32 6e-8. Take f = x³ at 0.7:

# %%
from typing import Any

import numpy as np

from tinygrad_rnn import GradcheckError, Tensor, gradcheck, op, relu

for h in (1e-1, 1e-3, 1e-5, 1e-7, 1e-9):
    errors = []
    for number in (np.float64, np.float32):
        above, below = number(0.7) + number(h), number(0.7) - number(h)
        slope = (above * above * above - below * below * below) / number(2 * h)
        errors.append(abs(float(slope) - 3 * 0.7**2))
    print(f"h = {h:.0e}   error in float64 {errors[0]:.0e}, in float32 {errors[1]:.0e}")
# → h = 1e-01   error in float64 1e-02, in float32 1e-02
# → h = 1e-03   error in float64 1e-06, in float32 3e-05
# → h = 1e-05   error in float64 9e-11, in float32 2e-03
# → h = 1e-07   error in float64 8e-10, in float32 3e-01
# → h = 1e-09   error in float64 4e-08, in float32 1e+00

# %% [markdown]
# The two errors are about equal near h = ∛ε. `gradcheck` works in float64 at h = 1e-5, where ten digits are right, and
# refuses float32. It compares each element of each output with each element of each input, and says what it finds.


# %%
def verdict(function: Any, *inputs: Any, **options: Any) -> str:
    """What gradcheck says of ``function`` at ``inputs``."""
    try:
        return f"passes: {gradcheck(function, [np.array(x, float) for x in inputs], **options)}"
    except GradcheckError as error:
        return str(error)


@op(x=lambda g, out, x, y: g * y, y=lambda g, out, x, y: g * y)
def times(x: Any, y: Any) -> Any:
    """``x * y``; the second rule should be g * x."""
    return x * y


print(verdict(times, [2.0, 3.0], [4.0, 7.0]))
# → gradcheck of times: the derivative of output 0[1] with respect to input 1 ('y')[1] is wrong
# →   analytic   7
# →   numerical  2.99999999999
# →   error      4, allowed 3.01e-06 (atol 1e-08 + rtol 1e-06 * |numerical|)
# →   the worst of 2 wrong ones among 4 pairs of elements

# %% [markdown]
# ## Wrong, and it passes
#
# * At points that are special: here x = y. Draw inputs at random, and give lengths and values that all differ.
# * With one tensor in both places: the error of one rule may make up for that of the other, here g y + g y = g (x + y).
# * What is not handed over is not checked: here y, which the function brings along.
# * Where the true slope is 0, a gradient that is cut off altogether passes: relu below 0, and `detach()` after it.
# * A step that is too large sees a slope where there are stairs. `rounded` is flat almost everywhere.


# %%
@op(x=lambda g, out, x: g)
def rounded(x: Any) -> Any:
    """``x`` to one decimal, with the slope of a ramp."""
    return np.round(x, 1)


print(verdict(times, [2.0, 3.0], [2.0, 3.0]))  # → passes: True
print(verdict(lambda x: times(x, x), [2.0, 3.0]))  # → passes: True
print(verdict(lambda x: times(x, Tensor([4.0, 7.0])), [2.0, 3.0]))  # → passes: True
print(verdict(lambda x: relu(x).detach(), [-2.0, -0.5]))  # → passes: True
print(verdict(rounded, [0.33, 0.72], eps=0.5))  # → passes: True
print(verdict(rounded, [0.33, 0.72]).splitlines()[1:3])  # → ['  analytic   1', '  numerical  0']

# %% [markdown]
# ## Right, and it fails
#
# At a kink there is no derivative. relu has slope 0 on the left of 0 and 1 on the right, and the difference over both
# sides gives 0.5. At a point nearer to the kink than h, where the slope is 1, it is still less than 1.

# %%
print(verdict(relu, [0.0]).splitlines()[-1].partition(",")[0])  # →   hint: the slope is 1 above and 0 below
print(verdict(relu, [2e-6]).splitlines()[2])  # →   numerical  0.6
print(verdict(relu, [0.3, -0.2]))  # → passes: True

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/06_gradcheck.py`, then run `pytest tests/exercises/test_06_gradcheck.py`.
# 1. `slope(f, x)`: a central difference with eight right digits, for x from 0.001 to a million.
# 2. `softsign_rule(g, out, x)`: the rule of x / (1 + |x|), so written that gradgradcheck passes as well.
#
# Next, `07_rnn_by_hand.py`: a recurrent network and its gradient without an engine, checked by differences.
