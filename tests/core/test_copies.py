"""A copy of a tensor is a leaf with a read-only array of its own, however it is made; what was computed is refused."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from multiprocessing import Pipe

import numpy as np
import pytest

from tinygrad_rnn import Tensor


def sent(t: Tensor) -> Tensor:
    """``t`` as another process gets it."""
    here, there = Pipe()
    with here, there:
        here.send(t)
        received: Tensor = there.recv()
    return received


COPIES = [copy.copy, copy.deepcopy, sent]


@pytest.mark.parametrize("make", COPIES)
def test_a_copy_is_a_leaf_with_a_read_only_array_of_its_own(make: Callable[[Tensor], Tensor]) -> None:
    t = Tensor(np.ones((2, 3), np.float32), requires_grad=True, name="w")
    twin = make(t)
    assert (twin.shape, twin.requires_grad, twin.name, twin.node) == ((2, 3), True, "w", None)
    assert twin.dtype == np.float32
    assert not np.shares_memory(twin.data, t.data)
    loss = (twin * twin).sum()
    with pytest.raises(ValueError, match="read-only"):
        twin.data[0] = 5
    t.data = np.zeros((2, 3))
    loss.backward()
    assert twin.grad.tolist() == [[2, 2, 2]] * 2
    assert t.grad is None


@pytest.mark.parametrize("make", COPIES)
def test_a_constant_and_a_slice_of_a_buffer_are_copied_too(make: Callable[[Tensor], Tensor]) -> None:
    buffer = np.arange(4)
    t = Tensor([0, 0])
    t.rebind(buffer[1:3])
    twin = make(t)
    buffer[:] = 9
    assert twin.data.tolist() == [1, 2]
    assert not twin.data.flags.writeable
    assert not twin.requires_grad


def test_a_deep_copy_has_a_gradient_of_its_own_and_shared_tensors_stay_shared() -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    t.grad = np.array([3.0, 4.0])
    twins = copy.deepcopy({"encoder": t, "decoder": t})
    assert twins["encoder"] is twins["decoder"]
    twins["encoder"].grad[:] = 0
    assert t.grad.tolist() == [3, 4]
    assert copy.copy(t).grad is None


@pytest.mark.parametrize("make", COPIES)
def test_what_was_computed_is_refused_however_deep_its_graph(make: Callable[[Tensor], Tensor]) -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    y = t
    for _ in range(2000):
        y = y + 1
    text = "only a leaf can be copied or sent to another process, but this tensor of shape (2,) was computed"
    with pytest.raises(TypeError, match=re.escape(text) + r".*; detach\(\) it first"):
        make(y)
    assert make(y.detach()).data.tolist() == y.data.tolist()
