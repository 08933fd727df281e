"""What those who know NumPy or PyTorch write first: it does what they mean, or they are told what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor


def leaf(*shape: int) -> Tensor:
    return Tensor(np.arange(1.0, np.prod(shape, initial=1) + 1).reshape(shape), requires_grad=True)


@pytest.mark.parametrize(
    ("called", "meant"),
    [
        (lambda t: t.softmax(-1), lambda t: tg.softmax(t, axis=-1)),
        (lambda t: t.log_softmax(0), lambda t: tg.log_softmax(t, axis=0)),
        (lambda t: t.logsumexp(0, keepdims=True), lambda t: tg.logsumexp(t, axis=0, keepdims=True)),
        (lambda t: t.expand_dims(0), lambda t: tg.expand_dims(t, axis=0)),
        (lambda t: t[None].squeeze(0), lambda t: t),
        (lambda t: t.cumsum(1), lambda t: tg.cumsum(t, axis=1)),
        (lambda t: t.prod(1), lambda t: tg.prod(t, axis=1)),
        (lambda t: t.var(0, ddof=1), lambda t: tg.var(t, axis=0, ddof=1)),
        (lambda t: t.std((0, 1)), lambda t: tg.std(t, axis=(0, 1))),
        (lambda t: t.flip(1), lambda t: tg.flip(t, axis=1)),
        (lambda t: t.clip(2, 4), lambda t: tg.clip(t, min=2, max=4)),
        (lambda t: t.clip(2), lambda t: tg.clip(t, min=2)),
        (lambda t: t.roll(1, 0), lambda t: tg.roll(t, shift=1, axis=0)),
        (lambda t: t.softmax(), tg.softmax),
        (lambda t: t.transpose((1, 0)), lambda t: t.T),
        (lambda t: t.transpose([1, 0]), lambda t: t.T),
        (lambda t: t.reshape([3, 2]), lambda t: t.reshape(3, 2)),
        (lambda t: +t, lambda t: t),
    ],
)
def test_it_does_what_is_meant(called: Callable[[Tensor], Tensor], meant: Callable[[Tensor], Tensor]) -> None:
    x, y = leaf(2, 3), leaf(2, 3)
    out, expected = called(x), meant(y)
    np.testing.assert_array_equal(out.data, expected.data, strict=True)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_array_equal(x.grad, y.grad)


def test_a_static_parameter_stays_static_when_it_is_given_by_position() -> None:
    node = leaf(2, 3).softmax(0).node
    assert node is not None
    assert (len(node.inputs), node.params) == (1, {"axis": 0})


def test_a_number_in_a_tensor_is_formatted() -> None:
    loss = Tensor([[1.23456]])
    assert f"{loss:.3f} {loss:8.1e}" == "1.235  1.2e+00"
    assert f"{leaf(2)}" == str(leaf(2))


def test_masks_are_combined() -> None:
    t = leaf(4)
    low, high = t > 1.5, t < 3.5
    assert (low & high).data.tolist() == [False, True, True, False]
    assert (~low | ~high).data.tolist() == [True, False, False, True]
    assert (low & np.array([True, True, False, False])).data.tolist() == [False, True, False, False]
    assert (low | True).data.tolist() == [True] * 4
    assert t[low & high].data.tolist() == [2, 3]
    assert (~low).dtype == (low & high).dtype == bool


@pytest.mark.parametrize(
    ("kind", "text", "call"),
    [
        (ValueError, "only a tensor of size 1 is a Python number, but this one has shape (2,); reduce it with .sum()",
         lambda t: f"{t:.3f}"),
        (AttributeError, "a Tensor has no attribute or operation 'view'; write t.reshape(*shape)", lambda t: t.view(2)),
        (AttributeError, "'permute'; write t.transpose(*axes)", lambda t: t.permute(0)),
        (AttributeError, "'unsqueeze'; write t.expand_dims(axis)", lambda t: t.unsqueeze(0)),
        (AttributeError, "'numel'; write t.size", lambda t: t.numel()),
        (AttributeError, "'clamp'; write t.clip(min, max)", lambda t: t.clamp(0)),
        (AttributeError, "'hstack'; write concatenate(a, b, axis=1)", lambda t: t.hstack()),
        (TypeError, "& is for masks, of booleans, not for float64; compare first, as in (t > 0) & (t < 1)",
         lambda t: t & (t > 1)),
        (TypeError, "| is for masks, of booleans, not for int;", lambda t: (t > 1) | 1),
        (TypeError, "~ is for masks, of booleans, not for int64;", lambda t: ~Tensor([1])),
        (TypeError, "np.bitwise_and does not take tensors; write Tensor(mask) & t",
         lambda t: np.array([True, False]) & (t > 1)),
        (TypeError, "softmax: as a method it takes axis by position, but there are 2", lambda t: t.softmax(0, 1)),
        (TypeError, "clip: min is given twice", lambda t: t.clip(0, min=1)),
    ],
)  # fmt: skip
def test_or_says_what_to_write(kind: type[Exception], text: str, call: Callable[[Tensor], Any]) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        call(leaf(2))


def test_a_list_of_tensors_is_sent_to_what_joins_them() -> None:
    for join, rest in [(tg.stack, r"$"), (tg.concatenate, r", or join them with stack\(\*xs\)$")]:
        text = rf"{join.__name__}\(list\): .*; pass the tensors in it one by one, as in {join.__name__}\(\*xs\)"
        with pytest.raises(TypeError, match=text + rest):
            join([leaf(2), leaf(2)])


# --------------------------------------------------------------------------------------------------- NumPy's scalars


@pytest.mark.parametrize(
    "scalar", [np.sqrt(2), np.float32(2), np.int64(2), np.uint8(2)], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_numpys_scalars_are_weak_beside_a_tensor(scalar: Any, dtype: Any) -> None:
    x = Tensor(np.ones(2), requires_grad=True, dtype=dtype)
    for function in (
        lambda t, s: t * s + s / t - s,
        lambda t, s: t**s + s**t,
        lambda t, s: tg.maximum(t, s) + tg.where(t > s, t, s),
    ):
        out, expected = function(x, scalar), function(x, scalar.item())
        assert out.dtype == dtype
        np.testing.assert_array_equal(out.data, expected.data)
        (slope,) = tg.gradients(out.sum(), [x], create_graph=True)
        assert slope.dtype == dtype


def test_arrays_without_axes_and_what_rules_compute_keep_their_dtype() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    assert (x * np.array(2.0)).dtype == np.float64
    assert (x * Tensor(2.0)).dtype == np.float64
    assert tg.sqrt(np.float32(2)).dtype == np.float32
    assert tg.mul(np.float64(2), np.ones(2, np.float32)).dtype == np.float64


def test_numpys_scalars_still_index_and_are_targets() -> None:
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    assert tg.take(x, np.int64(2)).data.tolist() == [4, 5]
    (x[np.uint8(1)].sum() + tg.cross_entropy(x[0], np.int64(1))).backward()
    np.testing.assert_allclose(x.grad[1:], [[1, 1], [0, 0]])
