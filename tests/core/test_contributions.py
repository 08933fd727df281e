"""How contributions add up, and who owns the sums: contract 5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, contributions, gradients


def leaf(data: Any) -> Tensor:
    return Tensor(np.array(data, float), requires_grad=True)


# -------------------------------------------------------------------------------------------------------- contributions


def test_slices_dense_uses_and_products_of_one_tensor_add_up() -> None:
    random = np.random.default_rng(1)
    value, xs, index = random.standard_normal((4, 3)), random.standard_normal((5, 2, 4)), np.array([1, 1, 3])
    cotangents = random.standard_normal((5, 2, 3))

    def total(w: Any) -> Any:
        parts = [(w[1] * 2).sum(), (w * value).sum(), (w[1:3, ::-1] * value[1:3]).sum(), (w[index] * 3).sum()]
        parts += [((x @ w) * c).sum() for x, c in zip(xs, cotangents, strict=True)]
        return parts

    expected = np.array(value)
    expected[1] += 2
    expected[1:3, ::-1] += value[1:3]
    np.add.at(expected, index, 3)
    expected += np.einsum("tbi,tbj->ij", xs, cotangents)
    for order in (slice(None), slice(None, None, -1)):  # which kind of contribution comes first
        w = leaf(value)
        summed = Tensor(0.0)
        for part in total(w)[order]:
            summed = summed + part
        (recorded,) = gradients(summed, [w], create_graph=True)
        summed.backward()
        np.testing.assert_allclose(w.grad, expected, rtol=1e-13)
        np.testing.assert_allclose(recorded.data, expected, rtol=1e-13)


def test_products_with_a_shared_weight_equal_the_dense_sum() -> None:
    random = np.random.default_rng(2)
    w, b = leaf(random.standard_normal((3, 4))), leaf(np.zeros(3))
    xs = [random.standard_normal(shape) for shape in [(2, 4), (4,), (5, 2, 4), (0, 4), (1, 4)] * 3]
    cotangents = [random.standard_normal((*x.shape[:-1], 3)) for x in xs]
    total = Tensor(0.0)
    for x, c in zip(xs, cotangents, strict=True):
        total = total + (tg.linear(x, w, b) * c).sum()
    total.backward()
    rows = [(x.reshape(-1, 4), c.reshape(-1, 3)) for x, c in zip(xs, cotangents, strict=True)]
    np.testing.assert_allclose(w.grad, np.sum([c.T @ x for x, c in rows], axis=0), rtol=1e-12)
    np.testing.assert_allclose(b.grad, np.sum([c.sum(0) for _, c in rows], axis=0), rtol=1e-12)


@pytest.mark.parametrize("large", [0, 10**9])  # from which size on slices are joined rather than added
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_slices_that_tile_an_axis_and_slices_that_do_not(
    axis: int, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contributions, "LARGE", large)
    value = np.arange(24.0).reshape(4, 3, 2)
    n = value.shape[axis]
    lead = (slice(None),) * (axis % 3)
    tilings = [[(0, n)], [(0, 1), (1, n)], [(1, n), (0, 1)], [(0, 1)], [(0, n), (0, 1)], [(0, 1), (0, 1)], [(-1, n)],
               [(0, 1), (1, 1), (1, n)], [(0, n + 5)]]  # fmt: skip
    for spans in tilings:
        x, expected, total = leaf(value), np.zeros(value.shape), Tensor(0.0)
        for k, (start, stop) in enumerate(spans):
            key: tuple[Any, ...] = (*lead, slice(start, stop))
            expected[key] += k + 1
            total = total + (x[key] * (k + 1)).sum()
        total.backward()
        np.testing.assert_array_equal(x.grad, expected)
        assert x.grad.flags.writeable


@pytest.mark.parametrize("large", [0, 10**9])
def test_unstacked_rows_come_back_in_their_places(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contributions, "LARGE", large)
    for order in [(0, 1, 2), (2, 0, 1), (1, 2), (0, 0, 1, 2), (0, -1, -2)]:
        x, expected, total = leaf(np.ones((3, 2))), np.zeros((3, 2)), Tensor(0.0)
        for k, t in enumerate(order):
            expected[t] += k + 1
            total = total + (x[t] * (k + 1)).sum()
        total.backward()
        np.testing.assert_array_equal(x.grad, expected)


@pytest.mark.parametrize("dtype", [np.dtype(code) for code in "bBhHiIlLqQ"], ids=str)
@pytest.mark.parametrize("count", [5, 60])  # scattered one by one, and sorted
def test_indices_may_be_integers_of_any_size(dtype: np.dtype[Any], count: int) -> None:
    """A table longer than the dtype can say, and negative indices where it can say them."""
    index = np.arange(count) % 7 * 18
    if dtype.kind == "i":
        index[::3] -= 126
    table = np.zeros((300, 2))
    np.add.at(table, index, 1)
    for gather in (tg.take, lambda x, i: x[i], lambda x, i: x.reshape(150, 2, 2)[i.reshape(1, -1) // 2, i % 2]):
        x = leaf(np.zeros((300, 2)))
        gather(x, index.astype(dtype)).sum().backward()
        np.testing.assert_array_equal(x.grad, table)


@pytest.mark.parametrize("mixed", [False, True])
def test_recorded_gathers_are_one_operation_to_any_order(mixed: bool) -> None:
    random = np.random.default_rng(3)
    value, mask = random.standard_normal((6, 3)), np.arange(6) % 2 == 0

    def loss(x: Tensor) -> Tensor:
        parts = [tg.take(x, random.integers(-6, 6, (2, 2))) for _ in range(5)]
        if mixed:
            parts += [x[mask], x[[0, 0], [1, -2]], tg.take(x, Tensor([1, 1]), axis=1), x[2:], x[-1, ::-1]]
        return sum(((part**4).sum() for part in parts), Tensor(0.0))

    random = np.random.default_rng(4)
    x = leaf(value)
    (first,) = gradients(loss(x), [x], create_graph=True)
    assert first.node is not None
    assert (first.node.op.name, len(first.node.params["keys"])) == ("assemble", 10 if mixed else 5)
    (second,) = gradients(first.sum(), [x], create_graph=True)
    (third,) = gradients(second.sum(), [x])
    random = np.random.default_rng(4)
    uses = leaf(np.ones(value.shape))
    loss(uses).backward()  # 4 for each use
    for found, expected in [(first, value**3), (second, 3 * value**2), (third, 6 * value)]:
        np.testing.assert_allclose(np.asarray(getattr(found, "data", found)), uses.grad * expected, rtol=1e-12)


# ----------------------------------------------------------------------------------------------- ownership of gradients


def test_two_leaves_of_one_sum_have_gradients_of_their_own() -> None:
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    cotangent = np.ones(2)
    (a + b).backward(cotangent)
    assert not np.shares_memory(a.grad, b.grad)
    a.grad *= 5
    assert (a.grad.tolist(), b.grad.tolist(), cotangent.tolist()) == ([5, 5], [1, 1], [1, 1])


@pytest.mark.parametrize(
    "function",
    [lambda x: x, lambda x: x + 0, lambda x: x.reshape(6), lambda x: x.T, lambda x: x[:, :], lambda x: x + x,
     lambda x: tg.broadcast_to(x, shape=(4, 2, 3)), tg.sum, tg.concatenate, lambda x: x[0], tg.flip,
     lambda x: tg.concatenate(*tg.split(x, 3, axis=1), axis=1), lambda x: tg.stack(*x)],
)  # fmt: skip
def test_leaf_gradients_are_writable_and_unaliased(function: Any) -> None:
    x = leaf(np.ones((2, 3)))
    out = function(x)
    cotangent = np.ones(out.shape)
    out.backward(cotangent)
    assert x.grad.flags.writeable
    assert not np.shares_memory(x.grad, cotangent)
    assert not np.shares_memory(x.grad, x.data)


def test_gradients_of_intermediates_are_copies_too() -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y + 0
    found = gradients(z.sum(), [x, y, z])
    assert all(g.flags.writeable for g in found)
    assert not any(np.shares_memory(found[i], found[j]) for i, j in [(0, 1), (0, 2), (1, 2)])


def test_slices_with_small_gaps_are_joined_as_well() -> None:
    """The results of a scan are slices of one array, and often only the largest of them gets a gradient."""
    shape, value = (10, 100), np.ones((7, 100))
    whole = contributions.joined([contributions.At(value, (), (slice(1, 8),), shape)])
    assert whole is not None
    expected = np.zeros(shape)
    expected[1:8] = 1
    np.testing.assert_array_equal(whole, expected)
    assert contributions.joined([contributions.At(value[:4], (), (slice(1, 5),), shape)]) is None  # more gap than slice
    assert contributions.joined([contributions.At(value, (), (slice(3, 20),), shape)]) is None
