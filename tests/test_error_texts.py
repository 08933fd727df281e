"""The texts of the errors that teach, in full: what was wrong, what was seen, where, and what to do.

Many more are tested beside what raises them; these are the mistakes that everyone makes once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.optim import SGD
from tinygrad_rnn.scan import scan
from tinygrad_rnn.scope import scope

MISTAKES: list[Any] = []


def says(kind: type[Exception], text: str) -> Callable[[Callable[[], None]], None]:
    """What someone is told who makes the mistake below; ``LINE`` stands for the number of a line in this file."""

    def note(mistake: Callable[[], None]) -> None:
        MISTAKES.append(pytest.param(mistake, kind, text, id=mistake.__name__))

    return note


def leaf(*shape: int) -> Tensor:
    return Tensor(np.ones(shape), requires_grad=True)


@says(
    ValueError,
    "matmul((2, 3), (4, 5)): the last axis of x, 3, must be as long as y has rows, 4 [in lstm.layer1 / t=7]",
)
def shapes_that_do_not_fit() -> None:
    with scope("lstm"), scope("layer1"), scope(7):
        leaf(2, 3) @ leaf(4, 5)


@says(ValueError, "add((2, 3), (4,)): operands could not be broadcast together with shapes (2,3) (4,)")
def shapes_that_do_not_broadcast() -> None:
    leaf(2, 3) + leaf(4)


@says(ValueError, "lstm.layer0: takes inputs of 3 features [..., 3], but got shape (7, 2, 4)")
def a_layer_of_another_size() -> None:
    nn.LSTM(3, 5, rng=0)(np.ones((7, 2, 4), np.float32))


@says(
    RuntimeError,
    "backward: only a scalar has an implicit gradient of 1, but this tensor has shape (2, 3); reduce it (such as "
    ".sum() or .mean()) or pass gradient= of that shape",
)
def backward_of_more_than_a_number() -> None:
    (leaf(2, 3) * 2).backward()


@says(
    RuntimeError,
    "backward: this graph was freed by an earlier backward(). To go through it again, give the first call "
    "retain_graph=True. In truncated backpropagation through time the state carried over from the last window "
    "still holds that window's graph: detach() it between windows",
)
def backward_a_second_time() -> None:
    loss = (leaf(3) * 2).sum()
    loss.backward()
    loss.backward()


@says(
    RuntimeError,
    "backward: this tensor does not require grad: none of the tensors it was computed from does, or it was "
    "computed under no_grad() or detached; make a leaf with Tensor(data, requires_grad=True)",
)
def backward_of_what_needs_no_gradient() -> None:
    Tensor([1.0, 2.0]).sum().backward()


@says(TypeError, "Tensor: only floating-point tensors can require grad, but this is int64; use dtype=float")
def integers_that_require_grad() -> None:
    Tensor([1, 2], requires_grad=True)


@says(
    RuntimeError,
    "backward of mul: its input 'w' of shape (2, 2) was changed after it was used (an optimizer step, or an "
    "assignment to .data, between forward and backward); the result of shape (2, 2) belongs to the old value: call "
    "backward() before changing parameters, or compute the loss again",
)
def a_parameter_changed_between_forward_and_backward() -> None:
    w = Tensor(np.ones((2, 2)), requires_grad=True, name="w")
    loss = (w * w).sum()
    w.grad = np.ones((2, 2))
    SGD([w], lr=0.1).step()
    loss.backward()


@says(ValueError, "assignment destination is read-only")
def an_array_in_a_tensor_changed() -> None:
    leaf(3).data[0] = 5.0


@says(
    TypeError,
    "t[1:, 0] = value would change a tensor of shape (3, 2) in place, but backward needs the values that were "
    "computed; make a new tensor: mask = np.zeros((3, 2), bool); mask[1:, 0] = True; t = where(mask, value, t). "
    "To replace all of a leaf's value, assign to t.data",
)
def item_assignment() -> None:
    leaf(3, 2)[1:, 0] = 5.0


@says(TypeError, "np.concatenate does not take tensors; write tinygrad_rnn.concatenate(...)")
def a_numpy_function() -> None:
    np.concatenate([leaf(2), leaf(2)])


@says(TypeError, "np.hstack does not take tensors; write concatenate(a, b, axis=1)")
def a_numpy_function_of_another_name() -> None:
    np.hstack([leaf(2), leaf(2)])


@says(
    TypeError,
    "np.median does not take tensors; use the operations of tinygrad_rnn, or t.detach().numpy() where no gradient "
    "is wanted",
)
def a_numpy_function_that_is_not_here() -> None:
    np.median(leaf(2))


@says(
    TypeError,
    "a tensor that requires grad (shape (2,)) was about to become a plain array, which would cut the graph "
    "silently; say so with .detach(), or use the tensor's own operations",
)
def an_array_of_a_tensor_that_requires_grad() -> None:
    np.asarray(leaf(2))


@says(
    TypeError,
    "concatenate(list): an input is a list; pass the tensors in it one by one, as in concatenate(*xs), or join them "
    "with stack(*xs)",
)
def a_list_where_tensors_are_taken() -> None:
    tg.concatenate([leaf(2), leaf(2)])


@says(AttributeError, "a Tensor has no attribute or operation 'sigmiod'; did you mean 'sigmoid'?")
def an_operation_misspelt() -> None:
    leaf(2).sigmiod()


@says(
    ValueError,
    "only a tensor of size 1 is a Python number, but this one has shape (2,); reduce it with .sum() or .mean(), or "
    "index it; to choose element by element, write where(condition, a, b)",
)
def a_branch_on_many_numbers() -> None:
    if leaf(2) > 0:
        pass


@says(
    TypeError,
    "scan: the step asks for the value of a tensor of shape () at test_error_texts.py:LINE: h = h + x if x.sum() "
    "> 0 else h - x. With unroll=False it is run once, for all time steps, so it can't depend on values in Python: "
    "choose with where(condition, a, b), or run it with unroll=True",
)
def a_branch_on_values_inside_a_planned_scan() -> None:
    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = h + x if x.sum() > 0 else h - x
        return h, h

    scan(step, Tensor(np.zeros(3)), (leaf(7, 3),), unroll=False)


@says(KeyError, "load_state_dict: there is no parameter 'weight_hh_10'; did you mean 'weight_hh_l0'?")
def a_parameter_that_is_not_there() -> None:
    lstm = nn.LSTM(3, 5, rng=0)
    state = lstm.state_dict()
    state["weight_hh_10"] = state.pop("weight_hh_l0")
    lstm.load_state_dict(state)


@says(
    TypeError,
    "gradients: wrt is a list of tensors, not a Tensor; write [w] for one",
)
def a_tensor_where_a_list_of_them_is_taken() -> None:
    w = leaf(2)
    tg.gradients((w * w).sum(), w)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mistake", "kind", "text"), MISTAKES)
def test_the_whole_text(mistake: Callable[[], None], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as error:
        mistake()
    assert re.sub(r"test_error_texts\.py:\d+", "test_error_texts.py:LINE", error.value.args[0]) == text
