"""Going back through the graph: contracts 4 and 6."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, gradients, no_grad, op
from tinygrad_rnn.backward import walk
from tinygrad_rnn.scope import scope


def leaf(data: Any) -> Tensor:
    return Tensor(np.array(data, float), requires_grad=True)


# -------------------------------------------------------------------------------------------------- order, accumulation


def test_a_tensor_waits_for_all_of_its_uses() -> None:
    """A late use of an early tensor, and an early use of a late one: no order but that of creation serves both."""
    a = leaf(3.0)
    b = a * a
    c = b * a
    d = c + b * c
    d.backward()
    assert float(a.grad) == 3 * 9 + 5 * 81  # d = a³ + a⁵


def test_gradients_accumulate_over_backward_calls() -> None:
    x = leaf([1.0, 2.0])
    (x * 3).sum().backward()
    grad = x.grad
    (x * x).sum().backward()
    assert x.grad is grad
    assert x.grad.tolist() == [5, 7]


def test_a_leaf_is_its_own_gradient() -> None:
    x = leaf(2.0)
    x.backward()
    assert float(x.grad) == 1


def test_only_leaves_get_gradients() -> None:
    x = leaf(2.0)
    y = x * x
    (y * 2).backward()
    assert y.grad is None
    assert float(x.grad) == 8


def test_tensors_that_do_not_require_grad_get_none() -> None:
    x, c = leaf(2.0), Tensor(3.0)
    (x * c).backward()
    assert c.grad is None


def test_broadcasting_is_undone_by_the_engine_for_any_rule() -> None:
    @op(x=lambda g, out, x, y: g * y, y=lambda g, out, x, y: g * x)
    def times(x: Any, y: Any) -> Any:
        return np.multiply(x, y)

    for shape in [(), (1,), (3,), (1, 3), (2, 1), (1, 1, 1)]:
        x, y = Tensor(np.full(shape, 2.0), requires_grad=True), Tensor(np.ones((4, 2, 3)), requires_grad=True)
        times(x, y).sum().backward()
        assert x.grad.shape == shape
        assert x.grad.sum() == 24
        assert y.grad.shape == (4, 2, 3)


def test_a_given_gradient_is_the_cotangent_of_the_output() -> None:
    x = leaf([1.0, 2.0])
    for gradient in ([1, 10], np.array([1.0, 10.0]), Tensor([1.0, 10.0])):
        x.grad = None
        (x * x).backward(gradient)
        assert x.grad.tolist() == [2, 40]


def test_a_gradient_of_another_shape_is_refused() -> None:
    text = "backward: gradient has shape (3,), but the tensor it belongs to has (2,)"
    with pytest.raises(ValueError, match=re.escape(text)):
        (leaf([1.0, 2.0]) * 2).backward(np.ones(3))


def test_without_a_gradient_the_output_must_be_a_scalar() -> None:
    with pytest.raises(
        RuntimeError, match=r"this tensor has shape \(2,\); reduce it \(such as .sum\(\) or .mean\(\)\)"
    ):
        (leaf([1.0, 2.0]) * 2).backward()
    x = leaf([[3.0]])
    (x * 2).backward()
    assert x.grad.tolist() == [[2]]


def test_backward_of_what_does_not_require_grad_says_why() -> None:
    x = leaf(1.0)
    with no_grad():
        silent = x * 2
    for t in (Tensor(1.0), silent, (x * 2).detach()):
        with pytest.raises(RuntimeError, match=r"does not require grad.*Tensor\(data, requires_grad=True\)"):
            t.backward()


def test_gradients_are_bitwise_reproducible() -> None:
    def run() -> bytes:
        random = np.random.default_rng(0)
        w, x = (Tensor(random.standard_normal((7, 7)), requires_grad=True) for _ in range(2))
        h, total = x, x.sum()
        for t in range(20):
            h = tg.tanh(h @ w + x[t % 7])
            total = total + (h * w).mean() + tg.take(w, np.array([t % 7, 3, 3])).sum()
        total.backward()
        return bytes(w.grad.tobytes() + x.grad.tobytes())

    first, keep = run(), [np.ones(n) for n in range(1000)]  # other addresses, and so other identities
    assert all(run() == first for _ in range(3))
    assert len(keep) == 1000


# --------------------------------------------------------------------------------------------------- freeing, retaining


def test_backward_twice_says_what_to_do() -> None:
    x = leaf(2.0)
    y = x * x
    z = y * 3
    z.backward()
    for again in (z, y, y * 2):
        with pytest.raises(
            RuntimeError, match=r"freed by an earlier backward.*retain_graph=True.*detach\(\) it between"
        ):
            again.backward()
    assert float(x.grad) == 12


def test_a_backward_that_failed_is_not_called_an_earlier_one() -> None:
    x, scale = leaf([1.0, 2.0]), leaf(2.0)
    loss = (tg.where(x, 1.0, x) * scale).sum()
    with pytest.raises(TypeError, match="no derivative with respect to its input 'condition'"):
        loss.backward()
    for again in (loss, loss * 2):
        with pytest.raises(
            RuntimeError,
            match=r"an earlier backward\(\) through this graph ended with an error.*compute the loss again",
        ):
            again.backward()


def test_retain_graph_allows_a_second_pass() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert float(x.grad) == 8
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_gradients_frees_and_retains_as_backward_does() -> None:
    x = leaf(2.0)
    y = x * x
    assert float(gradients(y, [x], retain_graph=True)[0]) == 4
    assert float(gradients(y, [x])[0]) == 4
    assert x.grad is None
    with pytest.raises(RuntimeError, match="freed"):
        gradients(y, [x])


def test_detached_state_lets_the_next_window_go_back() -> None:
    w, state = leaf(0.5), Tensor(1.0)
    for _ in range(3):
        state = tg.tanh(state * w)
        state.backward()
        state = state.detach()
    assert np.isfinite(w.grad)


def test_several_outputs_go_back_together_even_if_one_was_computed_from_another() -> None:
    x = leaf(3.0)
    y = x * x
    z = y * x
    found = walk([z, y, x], [np.array(1.0), np.array(10.0), np.array(100.0)], None, record=False, free=True)
    assert [(t is x, float(g)) for t, g, _ in found] == [(True, 27 + 60 + 100)]


# -------------------------------------------------------------------------------------- gradients(), higher derivatives


def test_gradients_with_respect_to_intermediates() -> None:
    x = leaf(3.0)
    y = x * x
    z = y * y * 2
    found = gradients(z, [y, x, z], retain_graph=True)
    assert [float(g) for g in found] == [36, 216, 1]
    assert [float(g) for g in gradients(z, [x, y])] == [216, 36]


def test_gradients_computes_only_what_lies_between() -> None:
    used = []

    def rule(g: Any, out: Any, x: Any) -> Any:
        used.append(x)
        return g

    @op(x=rule)
    def spied(x: Any) -> Any:
        return np.positive(x)

    x, y = leaf(1.0), leaf(2.0)
    below = spied(x)
    out = below * spied(y)
    gradients(out, [below], retain_graph=True)
    assert used == []
    gradients(out, [y])
    assert used == [2.0]


def test_gradients_is_none_for_what_the_output_does_not_depend_on() -> None:
    x, other = leaf(1.0), leaf(2.0)
    assert gradients(x * 2, [other, x])[0] is None


def test_create_graph_gives_every_order() -> None:
    x = leaf(2.0)
    y, orders = x**5, []
    for _ in range(6):
        (y,) = gradients(y, [x], create_graph=True)
        orders.append(float(y))
    assert orders == [80, 160, 240, 240, 120, 0]


def test_backward_with_create_graph_leaves_tensors_in_grad() -> None:
    x = leaf([1.0, 2.0])
    (x * x * x).sum().backward(create_graph=True)
    assert type(x.grad) is Tensor
    slope, x.grad = x.grad, None
    (slope * slope).sum().backward()
    assert x.grad.tolist() == [2 * 3 * 6, 2 * 12 * 12]


def test_a_gradient_penalty_reaches_the_weights() -> None:
    w, x = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([1.0, -1.0])
    (slope,) = gradients(tg.tanh(w @ x).sum(), [x], create_graph=True)
    assert tg.gradcheck(lambda w: gradients(tg.tanh(w @ x).sum(), [x], create_graph=True)[0], [w.data])
    (slope * slope).sum().backward()
    assert w.grad.shape == (2, 2)


def test_recording_is_switched_back_after_an_error_in_a_rule() -> None:
    def rule(g: Any, out: Any, x: Any) -> Any:
        return g @ np.ones(5)

    @op(x=rule)
    def broken(x: Any) -> Any:
        return np.positive(x)

    x = leaf([1.0, 2.0])
    with scope("lstm"), scope(7):
        y = broken(x)
    with pytest.raises(ValueError, match=r"^backward of broken\(\(2,\)\): .*\[in lstm / t=7\]$"):
        y.sum().backward()
    assert (x * 2).requires_grad
