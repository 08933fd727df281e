# %% [markdown]
# # 3. Why a topological order
#
# Backward visits each operation, takes the cotangent of its result, and adds a contribution to each input. It seems
# natural to do that by recursion: on reaching a tensor, add what arrived, and go on to its inputs.

# %%
import heapq
from collections.abc import Iterator

from tinygrad_rnn import Tensor


def contributions(out: Tensor, g: float) -> Iterator[tuple[Tensor, float]]:
    """What the operation that made ``out`` passes on to each input, from the cotangent ``g`` of its result."""
    if node := out.node:
        values = [float(x) for x in node.inputs]
        for x, rule in zip(node.inputs, node.op.rules, strict=True):
            if isinstance(x, Tensor) and rule:
                yield x, rule(g, out.item(), *values)


def careless(y: Tensor, a: Tensor) -> float:
    """∂y/∂a; but it comes out wrong."""
    total: dict[Tensor, float] = {}

    def visit(out: Tensor, g: float) -> None:
        total[out] = total.get(out, 0.0) + g
        for x, part in contributions(out, total[out]):
            visit(x, part)

    visit(y, 1.0)
    return total[a]


a = Tensor(1.0, requires_grad=True)
b = a + a
c = b + b
print(careless(c, a))  # → 6.0

# %% [markdown]
# But c = 2b = 4a, so the slope is 4. What went wrong? c reaches b along two edges.
# 1. Along the first, 1 arrives at b. The sum there is 1, and b passes 1 + 1 = 2 on to a.
# 2. Along the second, 1 more arrives. The sum is now 2, and b passes on 2 + 2 = 4, its old 1 once more. Now a has 6.
#
# So b must pass on only what has just arrived, never the sum:


# %%
def every_path(y: Tensor, a: Tensor) -> tuple[float, int]:
    """∂y/∂a, and how many visits it took."""
    total, visits, todo = 0.0, 0, [(y, 1.0)]
    while todo:
        out, g = todo.pop()
        visits += 1
        total += g if out is a else 0
        todo += contributions(out, g)
    return total, visits


print(*every_path(c, a))  # → 4.0 7
y = a
for _ in range(15):
    y = y + y
print(*every_path(y, a))  # → 32768.0 65535

# %% [markdown]
# Right, and useless: it walks every *path* from y to a. 15 doublings have 2¹⁵ paths, 60 doublings 10¹⁸.
#
# ## All uses first
#
# Or b must wait until its sum is complete: visit a tensor only after everything that used it. Such an order is called
# **topological**. It need not be searched for: a result is made later than its inputs. So of all tensors that wait,
# take the latest. `tinygrad_rnn/backward.py` does the same: it sorts them by time once, and walks back from the end.


# %%
def latest_first(y: Tensor, a: Tensor) -> tuple[float, int]:
    """∂y/∂a, and how many visits it took."""
    total, visits, waiting = {y: 1.0}, 0, [(-y.time, y)]  # a heap: the latest comes out first
    while waiting:
        _, out = heapq.heappop(waiting)
        visits += 1
        for x, part in contributions(out, total[out]):
            if x not in total:
                heapq.heappush(waiting, (-x.time, x))
            total[x] = total.get(x, 0.0) + part
    return total[a], visits


print(*latest_first(c, a), *latest_first(y, a))  # → 4.0 3 32768.0 16

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/03_order.py`, then run `pytest tests/exercises/test_03_order.py`.
# 1. `order(out)`: a topological order found from the edges alone, without looking at `time`.
# 2. `tangled(a)`: a function whose gradient comes out wrong if the tensors are visited breadth first.
#
# Next, `04_broadcasting.py`: numbers become arrays, and a small one meets a large one.
