"""Every operation, from its ``Case`` in the table: values, derivatives, dtypes, polymorphism, and the check itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.ops.cases import OPS, Call, bound, differentiable, is_float
from tests.ops.table_elementwise import ELEMENTWISE
from tests.ops.table_index import INDEX
from tests.ops.table_linalg import LINALG
from tests.ops.table_loss import LOSS
from tests.ops.table_reduce import REDUCE
from tests.ops.table_shape import SHAPE
from tinygrad_rnn import GradcheckError, Tensor, gradcheck, gradgradcheck, gradients
from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.op import Op

TABLE = ELEMENTWISE | INDEX | LINALG | LOSS | REDUCE | SHAPE
NAMES = sorted(OPS)
DIFFERENTIABLE = [name for name in NAMES if OPS[name].differentiable]
EXAMPLES = settings().max_examples
few, fewer = settings(max_examples=EXAMPLES // 4), settings(max_examples=EXAMPLES // 6)


def test_the_table_covers_the_registry() -> None:
    assert sorted(TABLE) == NAMES


@pytest.mark.parametrize("name", NAMES)
@few
@given(data=st.data())
def test_value_is_the_oracles(name: str, data: st.DataObject) -> None:
    call = data.draw(TABLE[name].calls)
    out = OPS[name](*call.inputs, **call.params)
    expected = np.asarray(TABLE[name].oracle(*call.inputs, **call.params))
    assert not isinstance(out, Tensor)
    assert np.shape(out) == expected.shape
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@fewer
@given(data=st.data())
def test_first_derivatives_are_central_differences(name: str, data: st.DataObject) -> None:
    function, inputs = bound(OPS[name], data.draw(TABLE[name].calls))
    assert gradcheck(function, inputs)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@fewer
@given(data=st.data())
def test_second_derivatives_are_central_differences(name: str, data: st.DataObject) -> None:
    function, inputs = bound(OPS[name], data.draw(TABLE[name].calls))
    assert gradgradcheck(function, inputs)


# ------------------------------------------------------------------------- what is planted wrong is found to be wrong


def scaled(cotangent: Any, factor: float) -> Any:
    """A contribution times a factor, in whatever form the rule gave it."""
    if isinstance(cotangent, At):
        return At(cotangent.value * factor, cotangent.arrays, cotangent.key, cotangent.shape)
    return Rows(cotangent.a * factor, cotangent.b) if isinstance(cotangent, Rows) else cotangent * factor


def wrong(rule: Callable[..., Any], factor: float) -> Callable[..., Any]:
    """A rule that is off by a factor."""
    return lambda *args, **params: scaled(rule(*args, **params), factor)


def wrong_joint(rule: Callable[..., Any], factor: float) -> Callable[..., Any]:
    """A joint rule whose last cotangent is off by a factor."""

    def joint(*args: Any, **params: Any) -> Any:
        *others, last = rule(*args, **params)
        return *others, scaled(last, factor)

    return joint


def mutants() -> list[Any]:
    """Each rule of each operation, made wrong: (op, attribute, wrong value)."""
    found = []
    for op in (OPS[name] for name in DIFFERENTIABLE):
        for factor in (1.01, -1.0):
            if op.joint:
                found.append(pytest.param(op, "joint", wrong_joint(op.joint, factor), id=f"{op.name}*{factor}"))
            for i, rule in enumerate(op.rules):
                if rule:
                    rules = [*op.rules[:i], wrong(rule, factor), *op.rules[i + 1 :]]
                    found.append(pytest.param(op, "rules", rules, id=f"{op.name}.{op.input_names[i]}*{factor}"))
    return found


@pytest.mark.parametrize(("op", "attribute", "value"), mutants())
def test_a_wrong_rule_fails_the_check(op: Op, attribute: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(op, attribute, value)

    @settings(fewer, phases=[Phase.generate], report_multiple_bugs=False)
    @given(TABLE[op.name].calls)
    def check(call: Call) -> None:
        gradcheck(*bound(op, call))

    with pytest.raises(GradcheckError, match=f"gradcheck of {op.name}: the derivative of output 0.* is wrong"):
        check()


# ------------------------------------------------------------------------------------- dtypes, polymorphism, ownership


@pytest.mark.parametrize("name", [name for name in NAMES if name in TABLE and TABLE[name].keeps_dtype])
@few
@given(data=st.data())
def test_float32_stays_float32(name: str, data: st.DataObject) -> None:
    call = data.draw(TABLE[name].calls)
    function, inputs = bound(OPS[name], call.cast(np.float32))
    out = OPS[name](
        *(Tensor(x) if isinstance(x, np.ndarray) else x for x in call.cast(np.float32).inputs), **call.params
    )
    expected = np.asarray(TABLE[name].oracle(*call.inputs, **call.params))
    assert out.dtype == (bool if expected.dtype == bool else np.float32)
    np.testing.assert_allclose(out.data, expected, rtol=1e-4, atol=1e-5)
    if inputs:
        result = function(*inputs)
        ones = np.ones(result.shape, np.float32)
        first = gradients(result, inputs, Tensor(ones, requires_grad=True), create_graph=True)
        assert {g.dtype for g in [result, *first]} == {np.dtype(np.float32)}
        assert {g.dtype for g in gradients(result, inputs, ones, retain_graph=True)} == {np.dtype(np.float32)}
        for g in first:  # backward of the backward graph: rules of rules
            if g.requires_grad:
                second = gradients(g, inputs, np.ones(g.shape, np.float32), retain_graph=True)
                assert {s.dtype for s in second if s is not None} <= {np.dtype(np.float32)}


@pytest.mark.parametrize("name", NAMES)
@fewer
@given(data=st.data())
def test_arrays_give_arrays_and_tensors_give_the_same_in_a_tensor(name: str, data: st.DataObject) -> None:
    call = data.draw(TABLE[name].calls)
    before = [np.copy(x) for x in call.inputs]
    array = OPS[name](*call.inputs, **call.params)
    tensor = OPS[name](*(Tensor(x) if isinstance(x, np.ndarray) else x for x in call.inputs), **call.params)
    assert isinstance(array, np.ndarray | np.generic)
    assert type(tensor) is Tensor
    assert not tensor.requires_grad
    assert not tensor.data.flags.writeable
    np.testing.assert_array_equal(array, tensor.data, strict=np.ndim(array) > 0)
    for x, copy in zip(call.inputs, before, strict=True):
        np.testing.assert_array_equal(x, copy)
        assert not isinstance(x, np.ndarray) or x.flags.writeable


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@fewer
@given(data=st.data())
def test_rules_give_the_same_for_arrays_and_for_tensors(name: str, data: st.DataObject) -> None:
    op, call = OPS[name], data.draw(TABLE[name].calls)
    out = np.asarray(op(*call.inputs, **call.params))
    g = np.random.default_rng(0).uniform(-1, 1, out.shape)
    before = [np.copy(x) for x in (g, out, *call.inputs)]
    tensors = [Tensor(x, requires_grad=is_float(x)) if isinstance(x, np.ndarray) else x for x in call.inputs]
    for i in differentiable(op, call):
        rule = op.joint or op.rules[i]
        assert rule is not None
        plain = rule(g, out, *call.inputs, **call.params)
        recorded = rule(Tensor(g, requires_grad=True), Tensor(out), *tensors, **call.params)
        if op.joint:
            plain, recorded = plain[i], recorded[i]
        plain, recorded = (c.total([c]) if isinstance(c, At | Rows) else c for c in (plain, recorded))  # type: ignore[list-item]
        assert isinstance(plain, np.ndarray | np.generic)
        assert type(recorded) is Tensor
        assert recorded.requires_grad
        np.testing.assert_allclose(np.asarray(plain), recorded.data, rtol=1e-14, atol=1e-15)
    for x, copy in zip((g, out, *call.inputs), before, strict=True):
        np.testing.assert_array_equal(x, copy)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@fewer
@given(data=st.data())
def test_leaf_gradients_are_owned_and_have_the_shape_of_the_leaf(name: str, data: st.DataObject) -> None:
    function, inputs = bound(OPS[name], data.draw(TABLE[name].calls))
    out = function(*inputs)
    cotangent = np.ones(out.shape)
    out.backward(cotangent)
    for i, x in enumerate(inputs):
        assert type(x.grad) is np.ndarray
        assert x.grad.shape == x.shape
        assert x.grad.flags.writeable
        assert not out.data.flags.writeable
        others = [cotangent, out.data, *(y.data for y in inputs), *(y.grad for y in inputs[:i])]
        assert not any(np.shares_memory(x.grad, other) for other in others)
