# %% [markdown]
# # 2. The graph
#
# Backward needs to know which operations ran, and on what. So every result keeps a **node**: the operation, its inputs
# and its static parameters. Nothing else is recorded.

# %%
from tinygrad_rnn import Tensor, no_grad, tanh
from tinygrad_rnn.debug import trace
from tinygrad_rnn.draw import draw

x = Tensor(3.0, requires_grad=True, name="x")
w = Tensor(0.25, requires_grad=True, name="w")
a = x * w
y = a + tanh(a)

print(y.node)  # → Node(add((), ()))
print(y.node is not None and y.node.inputs[0] is a)  # → True
print(x.node)  # → None

# %% [markdown]
# The brackets are shapes; a single number has the shape `()`. No operation made the leaf x, so it has no node. The
# inputs of y have nodes of their own, with inputs of their own: y holds everything behind it. That is the **graph**.
#
# ## As text
#
# Follow the inputs. A tensor that is used twice must be listed once, so keep what was seen. Every tensor has a `time`:
# a counter gave it when the tensor was made, so it puts them in the order in which they came about.


# %%
def behind(out: Tensor) -> list[Tensor]:
    """``out`` and all tensors that it was computed from, earliest first."""
    found = [out]
    for node in (tensor.node for tensor in found):  # `found` grows meanwhile
        for i in node.inputs if node else ():
            if isinstance(i, Tensor) and all(i is not tensor for tensor in found):
                found.append(i)
    return sorted(found, key=lambda tensor: tensor.time)


names: dict[Tensor, str] = {}
for tensor in behind(y):
    names[tensor] = tensor.name or f"%{len(names)}"
    made = f"{tensor.node.op.name}({', '.join(names[i] for i in tensor.node.inputs)})" if tensor.node else "a leaf"
    print(f"{names[tensor]} = {made} = {tensor.item():.3g}")
# → x = a leaf = 3
# → w = a leaf = 0.25
# → %2 = mul(x, w) = 0.75
# → %3 = tanh(%2) = 0.635
# → %4 = add(%2, %3) = 1.39

# %% [markdown]
# Two operations read %2, and yet it is there once. `debug.trace()` makes such a list of forward and backward as they
# run. Here is the backward part: which rule made which contribution. (∂w stands for ∂y/∂w.)

# %%
with trace() as t:
    b = x * w
    (b + tanh(b)).backward()
for entry in t.entries[3:]:
    print(f"{entry.text} = {entry.value}")
# → ∂%2, where backward starts = 1
# → ∂%0 ← ∂%2 by add = 1
# → ∂%1 ← ∂%2 by add = 1
# → ∂%0 ← ∂%1 by tanh = 0.597
# → ∂%0, sum of 2 = 1.6
# → ∂x ← ∂%0 by mul = 0.399
# → ∂w ← ∂%0 by mul = 4.79
# → ∂w, complete = 4.79
# → ∂x, complete = 0.399

# %% [markdown]
# ## As a picture
#
# The arrows are the recorded inputs, drawn from input to result. Behind ∂ stands the gradient of y at that place.

# %%
print(draw(y).source.count("->"), "arrows")  # → 5 arrows
draw(y, show=["value", "grad"])  # a notebook shows it; .render("graph") writes it to a file

# %% [markdown]
# ## What has no node
#
# Under `no_grad()` nothing is recorded. `detach()` gives the same value without its past.

# %%
with no_grad():
    print((x * w).node, a.detach().node)  # → None None

# %% [markdown]
# ## Exercises
#
# Edit `demos/tour/exercises/02_graph.py`, then run `pytest tests/exercises/test_02_graph.py`.
# 1. `count(out)`: how many operations is a tensor made of? Each counts once: y ← y + y, done 60 times, is 60.
# 2. `replay(out, values)`: compute `out` anew, with other values for its leaves. A node is all that this needs.
#
# Next, `03_order.py`: in which order must backward visit the nodes?
