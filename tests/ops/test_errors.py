"""Wrong inputs: the error names the operation and the shapes or types that it saw, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.cases import OPS
from tinygrad_rnn import Tensor
from tinygrad_rnn.scope import scope


def t(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape), requires_grad=True)


ints = np.array
WRONG: list[tuple[type[Exception], str, Callable[[], Any]]] = [
    # shapes
    (ValueError, "add((2, 3), (4,)): operands could not be broadcast together", lambda: t(2, 3) + t(4)),
    (ValueError, "pow((2,), (3,)): operands could not be broadcast", lambda: t(2) ** t(3)),
    (ValueError, "where((2,), (2,), (3,)): operands could not", lambda: tg.where(np.ones(2, bool), t(2), t(3))),
    (ValueError, "matmul((2, 3), (4, 5)): the last axis of x, 3, must be as long as y has rows, 4",
     lambda: t(2, 3) @ t(4, 5)),
    (ValueError, "matmul((3,), (2, 3)): the last axis of x, 3, must be as long as y has rows, 2",
     lambda: t(3) @ t(2, 3)),
    (ValueError, "matmul((2, 1, 3), (4, 3, 5)): operands could not be broadcast", lambda: t(2, 1, 3) @ t(4, 3, 5)),
    (ValueError, "matmul((2, 3), ()): a product of vectors or matrices; with a number", lambda: t(2, 3) @ t()),
    (ValueError, "linear((2, 3), (4, 5)): weight [O, I] has I = 5, so x [..., I] must end in 5",
     lambda: tg.linear(t(2, 3), t(4, 5))),
    (ValueError, "linear((2, 3), (3,)): weight is a matrix [O, I]", lambda: tg.linear(t(2, 3), t(3))),
    (ValueError, "linear((2, 3), (4, 3), (5,)): bias doesn't broadcast to the result [..., O], which is (2, 4)",
     lambda: tg.linear(t(2, 3), t(4, 3), t(5))),
    (ValueError, "dot((2, 2), (2, 2)): dot takes two vectors; use matmul", lambda: tg.dot(t(2, 2), t(2, 2))),
    (ValueError, "dot(2.0, (2,)): dot takes two vectors", lambda: tg.dot(2.0, t(2))),
    (ValueError, "outer((2, 2), (2,)): outer takes two vectors", lambda: tg.outer(t(2, 2), t(2))),
    (ValueError, "concatenate((2, 3), (2, 4)): all the input array", lambda: tg.concatenate(t(2, 3), t(2, 4))),
    (ValueError, "stack((2,), (3,)): all input arrays must have the same shape", lambda: tg.stack(t(2), t(3))),
    (ValueError, "reshape((6,), shape=(4,)): cannot reshape array of size 6", lambda: t(6).reshape(4)),
    (ValueError, "einsum('ij,jk', (2, 3), (2, 4)): Size of label 'j'", lambda: tg.einsum("ij,jk", t(2, 3), t(2, 4))),
    (ValueError, "einsum('ij->k', (2, 3)): ", lambda: tg.einsum("ij->k", t(2, 3))),
    (ValueError, "sum((2,), axis=1, keepdims=False): axis 1 is out of bounds", lambda: t(2).sum(1)),
    (ValueError, "softmax((2,), axis=3): axis 3 is out of bounds", lambda: tg.softmax(t(2), axis=3)),
    (ValueError, "max((0,)): zero-size array", lambda: tg.max(t(0))),
    (ValueError, "var((1,), ddof=1): with ddof=1 there must be more than 1", lambda: tg.var(t(1), ddof=1)),
    (ValueError, "std((0,)): with ddof=0 there must be more than 0", lambda: tg.std(t(0))),
    (ValueError, "broadcast_to((2,), shape=(3,)): ", lambda: tg.broadcast_to(t(2), shape=(3,))),
    (ValueError, "squeeze((2, 1), axis=0): ", lambda: tg.squeeze(t(2, 1), axis=0)),
    (ValueError, "mse_loss((2, 1), (2,)): mse_loss compares arrays of one shape", lambda: tg.mse_loss(t(2, 1), t(2))),
    (ValueError, "split: axis 0 of shape (5,) can't be cut into 2", lambda: tg.split(t(5), 2)),
    (ValueError, "split: axis 0 of shape (5,) can't be cut into [6, -1]", lambda: tg.split(t(5), [6, -1])),
    (ValueError, "unstack: axis 0 is out of bounds for shape ()", lambda: tg.unstack(t())),
    # targets
    (ValueError, "cross_entropy((2, 3), (2,)): target 3 at (1,) is outside 0..2", lambda: loss([0, 3])),
    (ValueError, "cross_entropy((2, 3), (2,)): target -1 at (0,) is outside 0..2", lambda: loss([-1, 3])),
    (ValueError, "target 3 at (1, 0) is outside 0..2", lambda: tg.cross_entropy(t(2, 1, 3), ints([[0], [3]]))),
    (ValueError, "cross_entropy((2, 3), (3,)): targets have the shape of logits [..., V]", lambda: loss([0] * 3)),
    (ValueError, "cross_entropy((), ()): targets have the shape of logits", lambda: tg.cross_entropy(t(), ints(0))),
    (ValueError, "a mean over no targets: all 2 are -100 or of weight 0", lambda: loss([-100, -100])),
    (ValueError, "weight has one number for each of the 3 classes", lambda: loss([0, 1], np.ones(4))),
    (ValueError, "reduction is 'mean', 'sum' or 'none', not 'avg'", lambda: loss([0, 1], reduction="avg")),
    (ValueError, "mse_loss((2,), (2,), reduction='x'): reduction is", lambda: mse("x")),
    (TypeError, "targets are class indices, so an array of integers, but these are float64", lambda: loss([0.0, 1.0])),
    (TypeError, "cross_entropy((2, 3), 1): targets are class indices", lambda: tg.cross_entropy(t(2, 3), 1)),
    (ValueError, "mse_loss((0,), (0,)): a mean over no elements", lambda: tg.mse_loss(t(0), t(0))),
    (TypeError, "cross_entropy(Tensor, list): an input is a list", lambda: tg.cross_entropy(t(2, 3), [0, 1])),
    # indices
    (IndexError, "take((3, 2), (2,)): index 3 is out of bounds", lambda: tg.take(t(3, 2), ints([0, 3]))),
    (TypeError, "take((3, 2), (1,)): indices are integers, but these are float64",
     lambda: tg.take(t(3, 2), ints([0.5]))),
    (TypeError, "take((3, 2), (1,)): indices are integers, but these are bool; for a mask write x[mask]",
     lambda: tg.take(t(3, 2), ints([True]))),
    (ValueError, "take((), (0,), axis=0): axis 0 is out of bounds for shape ()",
     lambda: tg.take(t(), ints([], int), axis=0)),
    (ValueError, "getitem((3,), (1,), key=('array', 'array')): the key has 2 places for index arrays, but there are 1",
     lambda: tg.getitem(t(3), ints([0]), key=("array", "array"))),
    (TypeError, "getitem((3,), key=([0, 0],)): a key is a tuple of integers, slices, ... and None, or 'array'",
     lambda: tg.getitem(t(3), key=([0, 0],))),
    (ValueError, "the keys have places for 2 values and index arrays, but there are 1",
     lambda: tg.assemble(t(1), keys=(("array",),), shape=(3,))),
    (IndexError, "getitem((3,), key=(5,)): index 5 is out of bounds", lambda: t(3)[5]),
    (IndexError, "getitem((3,), (1,), key=('array',)): index 7 is out of bounds", lambda: t(3)[[7]]),
    (IndexError, "getitem((3,), (2,), key=('array',)): boolean index did not match", lambda: t(3)[[True, False]]),
    (IndexError, "getitem((3,), (), key=('array',)): arrays used as indices must be of integer", lambda: t(3)[0.5]),
    (IndexError, "getitem((3,), key=(1, 2)): too many indices", lambda: t(3)[1, 2]),
    # types
    (TypeError, "mul(Tensor, list): an input is a list; make it a Tensor or an array", lambda: t(2) * [1, 2]),
    (TypeError, "tanh(list): an input is a list; make it a Tensor", lambda: tg.tanh([1.0])),
    (TypeError, "concatenate(list): an input is a list; pass the tensors in it one by one, as in concatenate(*xs)",
     lambda: tg.concatenate([t(2), t(2)])),
    (TypeError, "tanh(dict): an input is a dict; give a Tensor, array or number", lambda: tg.tanh({})),
    (TypeError, "add(Tensor, str): an input is a str; give a Tensor, array or number", lambda: t(2) + "a"),
    (TypeError, "add(Tensor, NoneType): an input is None; give a Tensor, array or number", lambda: t(2) + None),
    (TypeError, "tanh(NoneType): an input is None", lambda: tg.tanh(None)),
    (TypeError, "where(ndarray, Tensor, str): an input is a str", lambda: tg.where(np.ones(2, bool), t(2), "x")),
    (TypeError, "mul(Tensor, ndarray): an input is an array of object; the elements must be real numbers or booleans",
     lambda: t(2) * ints([1, 2], object)),
    (TypeError, "add(Tensor, ndarray): an input is an array of complex128; the elements", lambda: t(2) + ints([1j, 2])),
    (TypeError, "linear((2, 3), 2.0): 'float' object has no attribute 'ndim'; make an array of 2.0",
     lambda: tg.linear(t(2, 3), 2.0)),
    (TypeError, "einsum(2, (2,)): the first input is the text of the subscripts", lambda: tg.einsum(2, t(2))),
    (TypeError, "clip((2,), max='x', min=None): min and max are numbers or None",
     lambda: tg.clip(t(2), max="x", min=None)),
    (TypeError, "roll((2,), shift=[1]): shift is an int or a tuple of ints", lambda: tg.roll(t(2), shift=[1])),
    (TypeError, "concatenate((2,), axis=None): 'NoneType' object cannot be", lambda: tg.concatenate(t(2), axis=None)),
    (ValueError, "pad((2,), widths=1): widths has a pair (before, after) for each axis",
     lambda: tg.pad(t(2), widths=1)),
    (ValueError, f"sum((2,), axis={10**30}): Python int too large", lambda: tg.sum(t(2), axis=10**30)),
    (TypeError, "tanh((2,), (2,)): tanh() takes 1 positional argument", lambda: tg.tanh(t(2), t(2))),
    (TypeError, "sum((2,), dim=1): sum() got an unexpected keyword argument 'dim'", lambda: tg.sum(t(2), dim=1)),
    (TypeError, "sum((2,), 0): sum() takes 1 positional argument", lambda: tg.sum(t(2), 0)),
    (TypeError, "prod((2, 2), axis=(0, 1)): axis is an int or None here", lambda: tg.prod(t(2, 2), axis=(0, 1))),
    (TypeError, "only floating-point dtypes carry gradients, not int64; write t.detach().numpy().astype('int64')",
     lambda: t(2).astype(int)),
]  # fmt: skip


def loss(targets: list[Any], *weight: Any, **params: Any) -> Tensor:
    return tg.cross_entropy(t(2, 3), np.array(targets), *weight, **params)


def mse(reduction: str) -> Tensor:
    return tg.mse_loss(t(2), t(2), reduction=reduction)


@pytest.mark.parametrize(("kind", "text", "call"), WRONG, ids=[text for _, text, _ in WRONG])
def test_a_wrong_call_says_what_it_saw(kind: type[Exception], text: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind, match=re.escape(text)) as error:
        call()
    assert not isinstance(error.value, RuntimeError)


@pytest.mark.parametrize("name", sorted(OPS))
@pytest.mark.parametrize("bad", [[1.0], (1.0,), {1.0}, {}, object(), 1j], ids=lambda bad: type(bad).__name__)
def test_every_operation_refuses_what_is_no_number(name: str, bad: Any) -> None:
    op = OPS[name]
    inputs = [bad] * len(op.input_names)
    if name == "einsum":
        inputs[0] = "i"
    with pytest.raises(TypeError, match=rf"^{name}\("):
        op(*inputs)


def test_an_error_names_layer_and_step() -> None:
    text = re.escape("[in lstm.layer1 / t=7]")
    with scope("lstm"), scope("layer1"), scope(7), pytest.raises(ValueError, match=rf"^matmul\(\(2, 3\), .*{text}$"):
        _ = t(2, 3) @ t(4, 5)


def test_an_input_without_a_rule_is_named() -> None:
    weight = Tensor(np.ones(3), requires_grad=True)
    text = re.escape(
        "backward of cross_entropy((2, 3), (2,), (3,)): it has no derivative with respect to its input 'weight'"
    )
    with pytest.raises(TypeError, match=text):
        loss([0, 1], weight).backward()
    with pytest.raises(TypeError, match="no derivative with respect to its input 'condition'; detach"):
        tg.where(t(2), 1.0, t(2)).sum().backward()
