"""Values stay what they were when they were used, or backward refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import Tensor
from tinygrad_rnn.scope import scope


def leaf(data: Any) -> Tensor:
    return Tensor(np.array(data, float), requires_grad=True)


STALE = r"of shape \(2,\) was changed after it was used.*call backward\(\) before changing parameters"


def test_replacing_data_between_forward_and_backward_is_refused() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="weight")
    with scope("lstm"), scope(3):
        y = x * x
    x.data = [5.0, 5.0]
    with pytest.raises(RuntimeError, match=rf"its input 'weight' {STALE}") as error:
        y.sum().backward()
    assert "backward of mul" in str(error.value)
    assert "[in lstm / t=3]" in str(error.value)
    assert x.grad is None


def test_replacing_a_constant_is_refused_as_well() -> None:
    x, c = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    y = x * c
    c.data = [0.0, 0.0]
    with pytest.raises(RuntimeError, match=STALE):
        y.sum().backward()


def test_writing_into_a_rebound_buffer_is_refused_once_touched() -> None:
    buffer = np.ones(2)
    x = leaf([1.0, 2.0])
    x.rebind(buffer)
    y, view, still = x * x, x.T, x.detach()
    buffer += 1
    x.touch()
    assert still.data.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match=STALE):
        y.sum().backward()
    with pytest.raises(RuntimeError, match=STALE):
        (view * 2).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4, 4]


@pytest.mark.parametrize("captured", [lambda a: a, lambda a: a[::-1], lambda a: np.broadcast_to(a, (3, 2))])
def test_captured_arrays_are_snapshots(captured: Any) -> None:
    """Also through views of them, writable or not."""
    array = np.array([1.0, 2.0])
    x = leaf([1.0, 1.0])
    y = x * captured(array)
    expected = captured(np.array([1.0, 2.0])).reshape(-1, 2).sum(0)
    array[:] = 100
    y.sum().backward()
    assert x.grad.tolist() == expected.tolist()


def test_captured_values_may_be_used_after_the_leaf_was_replaced() -> None:
    x = leaf([1.0, 2.0])
    x.data = [3.0, 4.0]
    (x * x).sum().backward()
    assert x.grad.tolist() == [6, 8]
