import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.golden.store import Case, load
from tinygrad_rnn import Tensor
from tinygrad_rnn.optim import SGD, FlatParameters, clip_grad_norm, clip_grad_value

CASES = [case for case in load("torch_optim") if case.options["kind"].startswith("clip")]
TARGETS: dict[str, Callable[[list[Tensor]], Any]] = {
    "optimizer": SGD,
    "flat": FlatParameters,
    "list": list,
    "generator": iter,
}
each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def with_gradients(*gradients: Any, dtype: type = np.float64) -> list[Tensor]:
    tensors = []
    for g in gradients:
        t = Tensor(np.zeros(np.shape(g), dtype), requires_grad=True)
        t.grad = np.array(g, dtype)
        tensors.append(t)
    return tensors


@each_target
@pytest.mark.parametrize("case", CASES, ids=str)
def test_clipping_is_that_of_pytorch(case: Case, target: Callable[[list[Tensor]], Any]) -> None:
    gradients, clipped, options = case.group("grad"), case.group("clipped"), dict(case.options)
    tensors = with_gradients(*gradients.values())
    if options.pop("kind") == "clip_grad_norm_":
        norm_type = float(options.pop("norm_type", 2.0))
        norm = clip_grad_norm(target(tensors), **options, norm_type=norm_type)
        assert type(norm) is float
        assert norm == pytest.approx(float(case.arrays["total_norm"]), rel=1e-14)
    else:
        clip_grad_value(target(tensors), **options)
    for t, expected in zip(tensors, clipped.values(), strict=True):
        np.testing.assert_allclose(t.grad, expected, rtol=1e-12, atol=1e-12)


def test_the_golden_file_has_every_kind() -> None:
    assert len(CASES) == 5


finite = hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, min_side=0, max_side=4), elements=st.floats(-1e3, 1e3))


@given(gradients=st.lists(finite, min_size=1, max_size=4), max_norm=st.floats(1e-3, 1e3))
def test_one_pass_and_tensor_by_tensor_agree(gradients: list[np.ndarray], max_norm: float) -> None:
    one, each = with_gradients(*gradients), with_gradients(*gradients)
    norm = clip_grad_norm(FlatParameters(one), max_norm)
    assert clip_grad_norm(each, max_norm) == pytest.approx(norm, rel=1e-12)
    total = math.sqrt(sum(float((t.grad**2).sum()) for t in one))
    assert total <= max_norm * (1 + 1e-12)
    for t, u, g in zip(one, each, gradients, strict=True):
        np.testing.assert_allclose(t.grad, u.grad, rtol=1e-12)
        np.testing.assert_allclose(t.grad, g * min(1, max_norm / (norm + 1e-6)), rtol=1e-12)


@each_target
def test_gradients_are_changed_in_place_and_in_their_dtype(target: Callable[[list[Tensor]], Any]) -> None:
    tensors = with_gradients([3.0, 4.0], [[0.0]], dtype=np.float32)
    held = target(tensors)
    arrays = [t.grad for t in tensors]
    assert clip_grad_norm(held, np.float64(2.5)) == 5
    for t, array in zip(tensors, arrays, strict=True):
        assert t.grad is array
        assert t.grad.dtype == np.float32
    np.testing.assert_allclose(tensors[0].grad, [1.5, 2.0], rtol=1e-6)


def test_an_optimizer_moves_by_the_clipped_gradient() -> None:
    w = Tensor([3.0, 4.0], requires_grad=True)
    optimizer = SGD([w], lr=1.0)
    (w * w).sum().backward()
    assert clip_grad_norm(optimizer, 5.0) == 10
    optimizer.step()
    np.testing.assert_allclose(w.data, [0, 0], atol=1e-6)


def test_a_gradient_assigned_to_an_optimizers_tensor_is_clipped() -> None:
    w = Tensor([3.0, 4.0], requires_grad=True)
    optimizer = SGD([w], lr=1.0)
    w.grad = np.array([7.0, -0.5])
    clip_grad_value(optimizer, 1.0)
    assert w.grad.tolist() == optimizer.parameters.grad.tolist() == [1, -0.5]


def test_tensors_without_gradient_are_skipped_and_repeated_ones_count_once() -> None:
    (w,) = with_gradients([3.0, 4.0])
    bare = Tensor([1.0], requires_grad=True)
    assert clip_grad_norm([w, bare, w], 1.0) == 5
    assert np.linalg.norm(w.grad) == pytest.approx(1, rel=1e-6)
    assert bare.grad is None
    assert clip_grad_norm([bare], 1.0) == 0
    assert clip_grad_norm([], 1.0) == 0


@each_target
@pytest.mark.parametrize("norm_type", [0.5, 1, 2, 3, math.inf])
def test_gradients_without_elements(target: Callable[[list[Tensor]], Any], norm_type: float) -> None:
    tensors = with_gradients(np.zeros((0, 3)), [3.0], np.zeros(0))
    assert clip_grad_norm(target(tensors), 1.0, norm_type) == pytest.approx(3, rel=1e-15)
    assert clip_grad_norm(target(tensors[:1]), 1.0, norm_type) == 0


def test_a_single_tensor_is_one_tensor_not_its_rows() -> None:
    (w,) = with_gradients([[3.0], [4.0]])
    assert clip_grad_norm(w, 1.0) == 5


def test_a_gradient_with_a_graph_becomes_a_plain_array() -> None:
    w = Tensor([3.0, 4.0], requires_grad=True)
    (w * w).sum().backward(create_graph=True)
    assert clip_grad_norm([w], 1.0) == 10
    np.testing.assert_allclose(w.grad, [0.6, 0.8], rtol=1e-6)


@each_target
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_norm_that_is_not_finite_is_returned_and_nothing_is_scaled(
    bad: float, target: Callable[[list[Tensor]], Any]
) -> None:
    tensors = with_gradients([3.0, bad], [4.0])
    norm = clip_grad_norm(target(tensors), 1.0)
    assert math.isnan(norm) if math.isnan(bad) else norm == math.inf
    np.testing.assert_array_equal(tensors[0].grad, [3, bad])
    assert tensors[1].grad.tolist() == [4]
    with pytest.raises(RuntimeError, match=rf"norm of order 2 is {norm}, so they can't be scaled; an element is inf"):
        clip_grad_norm(target(tensors), 1.0, error_if_nonfinite=True)


@each_target
@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e37), (np.float64, 1e307)])
def test_squares_that_overflow_do_not_make_the_norm_infinite(
    dtype: type, huge: float, target: Callable[[list[Tensor]], Any]
) -> None:
    tensors = with_gradients([3 * huge], [4 * huge], dtype=dtype)
    assert clip_grad_norm(target(tensors), 1.0) == pytest.approx(5 * huge, rel=1e-6)
    assert [t.grad.item() for t in tensors] == pytest.approx([0.6, 0.8], rel=1e-6)


@each_target
def test_values_are_clipped_also_when_infinite(target: Callable[[list[Tensor]], Any]) -> None:
    tensors = with_gradients([np.inf, -np.inf, np.nan, 0.25], -7.0)
    clip_grad_value(target(tensors), 0.5)
    np.testing.assert_array_equal(tensors[0].grad, [0.5, -0.5, np.nan, 0.25])
    assert tensors[1].grad == -0.5


def test_an_infinite_bound_only_measures() -> None:
    (w,) = with_gradients([3.0, 4.0])
    assert clip_grad_norm([w], math.inf) == 5
    assert w.grad.tolist() == [3, 4]


@pytest.mark.parametrize("bad", [-1.0, math.nan])
def test_bounds_that_are_none(bad: float) -> None:
    (w,) = with_gradients([3.0, 4.0])
    with pytest.raises(ValueError, match=f"clip_grad_norm: max_norm must be 0 or more, got {bad}"):
        clip_grad_norm([w], bad)
    with pytest.raises(ValueError, match=f"clip_grad_norm: norm_type must be positive, got {bad}"):
        clip_grad_norm([w], 1.0, norm_type=bad)
    with pytest.raises(ValueError, match=f"clip_grad_value: clip_value must be 0 or more, got {bad}"):
        clip_grad_value([w], bad)
    assert w.grad.tolist() == [3, 4]


@pytest.mark.parametrize("clip", [clip_grad_norm, clip_grad_value])
def test_what_has_no_gradient(clip: Callable[[Iterable[Any], float], object]) -> None:
    with pytest.raises(TypeError, match="clipping: expected an optimizer or tensors, but met a str"):
        clip({"w": Tensor([1.0])}, 1.0)
