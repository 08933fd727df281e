"""Graphs of all shapes, generated: operations on whatever was made before, in nested scopes."""

from hypothesis import strategies as st

from tinygrad_rnn import Tensor, add, mul, stack, tanh
from tinygrad_rnn.scope import scope

WORDS = st.text(max_size=8) | st.sampled_from(
    ["мир", 'a"b', "a\\", "\\N", "<b>x</b>", "&lt;", "x:y", "#1", "\n", "лк/t=3"]
)
SCOPES = st.lists(WORDS | st.integers(0, 3), max_size=3).map(tuple)


def inside(parts: tuple[str | int, ...], *inputs: Tensor, kind: int) -> Tensor:
    """One recorded operation, in the scope ``parts``."""
    if parts:
        with scope(parts[0]):
            return inside(parts[1:], *inputs, kind=kind)
    x, y = inputs
    return (add(x, y), mul(x, 2.0), tanh(x), stack(x, y, x).sum())[kind]


@st.composite
def recorded(draw: st.DrawFn) -> tuple[list[Tensor], list[Tensor]]:
    """(outputs, all tensors they may have been computed by)."""
    made = [Tensor(1.0, requires_grad=True, name=draw(WORDS)), Tensor(2.0, name=draw(WORDS)), Tensor(3.0, True)]
    for _ in range(draw(st.integers(1, 12))):
        x, y = (made[draw(st.integers(0, len(made) - 1))] for _ in range(2))
        made.append(inside(draw(SCOPES), x if x.requires_grad else made[0], y, kind=draw(st.integers(0, 3))))
        made[-1].name = draw(st.none() | WORDS)
    roots = [t for t in made if t.node is not None]
    return draw(st.lists(st.sampled_from(roots), min_size=1, max_size=3, unique_by=id)), made
