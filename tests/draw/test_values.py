import numpy as np
import pytest

from demos.hello import VOCABULARY, WORD, Letters
from tests.draw.networks import doubled, lstm
from tinygrad_rnn import Tensor, cross_entropy, nn, stack
from tinygrad_rnn.draw.flow import flow
from tinygrad_rnn.draw.picture import scene_of
from tinygrad_rnn.draw.values import decimal, rows


def hello() -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Karpathy's network before it has learned: scores, states and loss."""
    scores, states = Letters(np.random.default_rng(0))(WORD[:-1])
    return scores, states, cross_entropy(stack(*scores), VOCABULARY.encode(WORD[1:]))


def test_hello_has_its_numbers_at_every_letter() -> None:
    scores, states, loss = hello()
    scene, found = scene_of(loss, level="cell", show=("shape", "value", "grad")), flow(loss)
    gradient = {id(thing): g for thing, g in zip(found.things, found.gradients, strict=True) if g is not None}
    marks = scene.marks_of()
    position = {id(thing): i for i, thing in enumerate(found.things)}
    for y, h in zip(scores, states, strict=True):
        (mark,) = marks[position[id(h)]]
        for name, tensor in (("h ", h), ("", y)):
            assert name + " ".join(map(decimal, tensor.data.tolist())) in mark.lines
            assert f"∂{name or ' '}{' '.join(map(decimal, gradient[id(tensor)].tolist()))}" in mark.lines
    inputs = [mark.lines for mark in scene.marks.values() if mark.lines[0] in set("helo")]
    assert [f"{lines[0]} {lines[-1]}" for lines in inputs] == ["h 1 0 0 0", "e 0 1 0 0", "l 0 0 1 0", "l 0 0 1 0"]


def test_operations_show_their_results_and_parameters_only_few_numbers() -> None:
    _, states, loss = hello()
    scene = scene_of(loss, level="op", show=("shape", "value"))
    weights = [mark.lines for mark in scene.marks.values() if mark.family == "parameter"]
    assert set(weights) == {("W_hh", "3×3"), ("W_xh", "3×4"), ("W_hy", "4×3")}
    tanhs = [mark.lines[-1] for mark in scene.marks.values() if mark.lines[0] == "tanh"]
    assert tanhs == [" ".join(map(decimal, h.data.tolist())) for h in states]
    assert "a\n∂ 4" in ["\n".join(mark.lines) for mark in scene_of(doubled(), show="grad").marks.values()]


def test_values_alone_need_no_scalar() -> None:
    x = Tensor([1.5, 2.5], requires_grad=True)
    assert [mark.lines[-1] for mark in scene_of(x * x, x + 1.0, show=("shape", "value")).marks.values()].count(
        "2.25 6.25"
    ) == 1


def test_large_arrays_show_nothing() -> None:
    outputs, _ = nn.RNN(8, 16, rng=0)(Tensor(np.ones((2, 3, 8), np.float32)))
    loss = outputs.sum()
    plain, noted = scene_of(loss), scene_of(loss, show=("shape", "value", "grad"))
    changed = [mark.lines for name, mark in noted.marks.items() if mark.lines != plain.marks[name].lines]
    assert [lines[0] for lines in changed] == ["Σ"]


@pytest.mark.parametrize("level", ["op", "cell", "layer"])
def test_boxes_are_as_large_as_their_lines(level: str) -> None:
    scene = scene_of(lstm(2), level=level, show=("shape", "value", "grad"), heat="grad")  # type: ignore[arg-type]
    for mark in scene.marks.values():
        assert mark.box is not None
        assert mark.box.height >= 11 * len(mark.lines)


def test_rows() -> None:
    assert rows(np.zeros((2, 1, 3))) == ["0 0 0", "0 0 0"]
    assert rows(np.zeros(17)) == rows(np.zeros(9)) == rows(np.zeros((2, 2, 2))) == rows(np.zeros(0)) == []
    assert rows(np.array(0.5)) == ["0.50"]
    assert rows(np.array([1e5, 2.0])) == ["1.0·10⁵ 2.00"]
    assert rows(np.array([np.nan, 1.0])) == ["NaN 1.00"]
    assert rows(np.array([True, False])) == ["1 0"]


def test_show_names_what_it_knows() -> None:
    with pytest.raises(
        ValueError, match="draw: show is one of shape, dtype, value, grad, not 'valeu'; did you mean 'value'"
    ):
        scene_of(doubled(), show=("valeu",))
