"""What an operation captured can't change unseen: the arrays in a graph are read-only, or copies, or stamped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor
from tinygrad_rnn.tensor import Array

WRITES: list[Callable[[Array], object]] = [
    lambda a: a.__setitem__(0, 5.0),
    lambda a: a.__iadd__(1.0),
    lambda a: a.fill(3.0),
    lambda a: a.sort(),
    lambda a: np.multiply(a, 2.0, out=a),
    lambda a: np.copyto(a, 0.0),
    lambda a: np.random.default_rng(0).shuffle(a),
    lambda a: a[1:].__setitem__(0, 5.0),
    lambda a: a.reshape(3, 1).__setitem__(0, 5.0),
]


@pytest.mark.parametrize("write", WRITES)
def test_the_array_in_a_tensor_is_locked(write: Callable[[Array], object]) -> None:
    x = Tensor([1.0, 2.0, 3.0], True)
    for tensor in (x, x * 2, x[::-1], x.detach(), Tensor([1.0, 2.0, 3.0]) * 2):
        before = tensor.data.copy()
        for array in (tensor.data, tensor.numpy(), np.asarray(tensor.detach())):
            with pytest.raises(ValueError, match="read-only"):
                write(array)
        np.testing.assert_array_equal(tensor.data, before)


@pytest.mark.parametrize("write", WRITES)
def test_a_captured_array_is_a_copy_that_is_locked(write: Callable[[Array], object]) -> None:
    mine, x = np.array([1.0, 2.0, 3.0]), Tensor([1.0, 1.0, 1.0], True)
    y = x * mine * mine[::-1]
    write(mine)
    y.sum().backward()
    assert x.grad.tolist() == [3, 4, 3]
    captured = (x * mine).node
    assert captured is not None
    with pytest.raises(ValueError, match="read-only"):
        write(captured.inputs[1])


def test_a_result_without_gradient_is_no_view_that_follows_a_parameter() -> None:
    base = np.ones(4)
    p = Tensor(np.zeros(2), True)
    p.rebind(base[1:3])
    with tg.no_grad():
        row = p[0:1]
    base[:] = 7
    p.touch()
    assert row.data.tolist() == [1]
