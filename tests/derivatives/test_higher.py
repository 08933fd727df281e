"""jvp, hvp, jacobian, hessian: against differences, against each other, and against JAX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_rnn as tg
from tests.golden.store import Case, load
from tests.ops.cases import OPS, bound
from tests.ops.test_every_op import DIFFERENTIABLE, TABLE
from tinygrad_rnn import Tensor, functional_call, grad, hessian, hvp, jacobian, jvp, nn, no_grad, vjp
from tinygrad_rnn.scan import scan
from tinygrad_rnn.tree import flat

EXAMPLES = settings().max_examples
JAX = load("jax_derivatives")
X = np.array([1.0, -2.0, 0.5])


# --------------------------------------------------------------------------------------- forward mode from reverse mode


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@settings(max_examples=EXAMPLES // 10)
@given(data=st.data())
def test_jvp_is_a_central_difference(name: str, data: st.DataObject) -> None:
    function, inputs = bound(OPS[name], data.draw(TABLE[name].calls))
    random, eps = np.random.default_rng(0), 1e-5
    x = [t.data for t in inputs]
    v = [random.uniform(-1, 1, a.shape) for a in x]
    out, tangent = jvp(function, x, v)
    above, below = (function(*(Tensor(a + s * d) for a, d in zip(x, v, strict=True))).data for s in (eps, -eps))
    assert (out.shape, out.dtype) == (tangent.shape, tangent.dtype)
    assert_allclose(tangent.data, (above - below) / (2 * eps), rtol=1e-6, atol=1e-7)


@settings(max_examples=EXAMPLES // 4)
@given(seed=st.integers(0, 2**32 - 1), T=st.integers(1, 6), kind=st.sampled_from([nn.RNN, nn.LSTM, nn.GRU]))
def test_forward_and_reverse_mode_are_transposes(seed: int, T: int, kind: Any) -> None:
    rng = np.random.default_rng(seed)
    layer = kind(2, 3, rng=rng, dtype=np.float64, unroll=bool(seed % 2))
    x, v, u = rng.normal(size=(T, 2, 2)), rng.normal(size=(T, 2, 2)), rng.normal(size=(T, 2, 3))
    _, tangent = jvp(lambda x: layer(x)[0], (x,), (v,))
    _, pullback = vjp(lambda x: layer(x)[0], x)
    assert_allclose((u * tangent.data).sum(), (pullback(u)[0].data * v).sum(), rtol=1e-10, atol=1e-12)


def test_jvp_takes_and_returns_trees() -> None:
    def f(p: Any, y: Any) -> Any:
        return {"product": p["x"] * y, "sums": (p["x"].sum(), Tensor(1.0)), "same": y}

    out, tangent = jvp(f, ({"x": X}, 2.0), ({"x": np.ones(3)}, 10))
    assert_array_equal(out["product"].data, 2 * X)
    assert_array_equal(tangent["product"].data, 2 + 10 * X)
    assert [t.item() for t in tangent["sums"]] == [3, 0]
    assert tangent["same"].item() == 10
    assert not any(t.requires_grad for t in (out["product"], tangent["product"], tangent["same"]))


def test_the_value_of_the_dummy_cotangent_plays_no_part() -> None:
    """exp(800) overflows, but the derivative along 0 is 0: nothing but the tangent is multiplied by J."""
    big = np.array([800.0, 0.0])
    with np.errstate(over="ignore"):
        out, tangent = jvp(lambda x: tg.exp(x[1]) + x[0] * 0, (big,), (np.array([0.0, 3.0]),))
    assert (out.item(), tangent.item()) == (1, 3)


# ----------------------------------------------------------------------------------------------------- second and more


def quartic(x: Any) -> Any:
    return (x**4).sum() + x[0] * x[1] * x[2]


def test_a_jacobian_has_the_shapes_of_output_and_argument() -> None:
    A = np.arange(6.0).reshape(2, 3)
    assert_array_equal(jacobian(lambda x: tg.matmul(A, x))(X).data, A)
    out = jacobian(lambda x, y: {"a": x * y, "b": (x.sum(),)}, (0, 1))(X, 2.0)
    dx, dy = out["a"]
    assert_array_equal(dx.data, 2 * np.eye(3))
    assert_array_equal(dy.data, X)
    assert [part.shape for part in out["b"][0]] == [(3,), ()]
    assert jacobian(lambda x: x[:0])(X).shape == (0, 3)
    assert jacobian(lambda x: tg.reshape(x, shape=(1, 3, 1)))(X).shape == (1, 3, 1, 3)
    assert jacobian(lambda p: p["x"] * 2)({"x": X, "n": None})["n"] is None


def test_hvp_is_the_hessian_times_the_vector() -> None:
    v = np.array([1.0, 10.0, 100.0])
    H = hessian(quartic)(X)
    assert_array_equal(H.data, [[12, 0.5, -2], [0.5, 48, 1], [-2, 1, 3]])
    assert_allclose(hvp(quartic, (X,), (v,))[0].data, H.data @ v)
    assert_allclose(jvp(grad(quartic), (X,), (v,))[1].data, H.data @ v)
    both = hvp(lambda x, p: (x * p["y"]).sum() * p["y"][0], (X, {"y": 2 * X}), (v, {"y": v}))
    assert_allclose(both[0].data, hvp_by_hand(v)[0])
    assert_allclose(both[1]["y"].data, hvp_by_hand(v)[1])


def hvp_by_hand(v: Any) -> Any:
    """Of Σ xᵢ yᵢ · y₀ at x = X, y = 2 X along (v, v), from its Hessian written out."""
    y, e = 2 * X, np.array([1.0, 0.0, 0.0])
    xy = np.diag(np.full(3, y[0])) + np.outer(y, e)  # d² / dx dy
    yy = np.outer(X, e) + np.outer(e, X)
    return xy @ v, xy.T @ v + yy @ v


def along_one(f: Any) -> Any:
    return lambda x: jvp(f, (x,), (1.0,))[1]


@pytest.mark.parametrize("order", range(1, 7))
def test_any_order_on_scalars(order: int) -> None:
    def f(x: Any) -> Any:
        return tg.sigmoid(x) * x

    forward: Any = lambda x: tg.exp(2 * x)  # noqa: E731
    reverse = forward
    for _ in range(order):
        reverse = grad(reverse)
        forward = along_one(forward)
    assert_allclose(reverse(0.3).item(), 2**order * math.exp(0.6))
    assert_allclose(forward(0.3).item(), 2**order * math.exp(0.6))
    if order == 3:
        third = grad(grad(grad(f)))(0.7).item()
        second = grad(grad(f))
        assert_allclose(third, (second(0.7 + 1e-5).item() - second(0.7 - 1e-5).item()) / 2e-5, rtol=1e-8)


def loss_of(case: Case, *, unroll: bool) -> Any:
    kind = getattr(nn, case.options["kind"])
    layer = kind(3, 2, dtype=np.float64, unroll=unroll)

    def loss(p: Any) -> Any:
        outputs, last = functional_call(layer, p, case.arrays["input"])
        h = last[0] if isinstance(last, tuple) else last
        return (outputs * case.arrays["weights"]).sum() + (h**2).sum()

    return loss


@pytest.mark.parametrize("unroll", [True, False], ids=["unrolled", "planned"])
@pytest.mark.parametrize("case", JAX, ids=str)
def test_derivatives_of_recurrent_layers_are_those_of_jax(case: Case, unroll: bool) -> None:
    loss, p, v = loss_of(case, unroll=unroll), case.group("param"), case.group("direction")
    value, slope = jvp(loss, (p,), (v,))
    assert_allclose([value.item(), slope.item()], [case.arrays["loss"], case.arrays["slope"]], rtol=1e-12)
    product: Any = lambda p: hvp(loss, (p,), (v,))[0]  # noqa: E731
    third = jvp(product, (p,), (v,))[1]
    for found, key in ((grad(loss)(p), "grad"), (product(p), "hvp"), (third, "third")):
        for name, expected in case.group(key).items():
            assert_allclose(found[name].data, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("unroll", [True, False], ids=["unrolled", "planned"])
@pytest.mark.parametrize("case", JAX, ids=str)
def test_hessians_of_recurrent_layers_are_symmetric_and_those_of_jax(case: Case, unroll: bool) -> None:
    assert len(case.arrays["input"]) == 5  # time steps
    p = case.group("param")
    H = hessian(loss_of(case, unroll=unroll))(p)
    for a in p:
        for b in p:
            assert_allclose(H[a][b].data, case.arrays[f"hessian/{a}/{b}"], rtol=1e-10, atol=1e-11)
    whole = np.block([[H[a][b].data.reshape(p[a].size, p[b].size) for b in p] for a in p])
    assert np.abs(whole).max() > 0.1
    assert_allclose(whole, whole.T, rtol=0, atol=1e-10)


def test_a_derivative_inside_of_a_planned_step() -> None:
    """A step that descends the gradient of its own loss, planned and unrolled: the gradient through it is one."""

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = h - 0.1 * grad(lambda h: ((tg.tanh(h) - x) ** 2).sum())(h)
        h = h * grad(lambda x: (x**3).sum())(x) + jvp(tg.exp, (x,), (np.ones(3),))[1]
        return h, h

    xs = np.random.default_rng(0).normal(size=(4, 3))

    def run(h: Tensor, xs: Tensor, *, unroll: bool) -> Tensor:
        return (scan(step, h, (xs,), unroll=unroll)[1] ** 2).sum()

    for argnums in (0, (0, 1)):  # also where the x of a step requires no grad of its own
        planned, unrolled = (grad(run, argnums)(X, xs, unroll=unroll) for unroll in (False, True))
        for ours, theirs in zip(flat(planned), flat(unrolled), strict=True):
            assert np.abs(theirs.data).min() > 0
            assert_allclose(ours.data, theirs.data, rtol=1e-12)


@pytest.mark.parametrize("inner", [grad, along_one])
def test_a_derivative_does_not_search_the_graph_before_it(inner: Any) -> None:
    """So T derivatives along T steps cost O(T). Here that graph is gone, which no search could overlook."""
    x = tg.tanh(Tensor(1.0, requires_grad=True))
    x.backward()
    expected = 1 - math.tanh(math.tanh(1)) ** 2
    assert_allclose(inner(tg.tanh)(x).item(), expected)
    with pytest.raises(RuntimeError, match="this graph was freed"):
        inner(tg.tanh)(x).backward()


def test_results_under_no_grad_have_no_graph() -> None:
    x = Tensor(X, requires_grad=True)
    with no_grad():
        found = [hessian(quartic)(x), jacobian(tg.tanh)(x), hvp(quartic, (x,), (x,))[0], *jvp(tg.tanh, (x,), (x,))]
    assert not any(t.requires_grad for t in found)
    assert hessian(quartic)(x).requires_grad
    v = Tensor(np.ones(3), requires_grad=True)
    jvp(tg.tanh, (X,), (v,))[1].sum().backward()  # a function of the tangent alone
    assert_allclose(v.grad, 1 - np.tanh(X) ** 2)
    assert x.grad is None
