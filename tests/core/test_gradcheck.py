"""That the check catches what it should, and explains what it caught."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import GradcheckError, Tensor, gradcheck, gradgradcheck, op

X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])


def failure(check: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(GradcheckError) as error:
        check(*args, **options)
    return str(error.value)


@pytest.fixture
def halved() -> Any:
    """x², with half of its derivative."""

    @op(x=lambda g, out, x: g * x)
    def square(x: Any) -> Any:
        return np.multiply(x, x)

    return square


def test_right_derivatives_pass() -> None:
    assert gradcheck(lambda x, y: (tg.tanh(x) @ y, tg.exp(x).sum(), y * 2), [X, np.ones((3, 2))]) is True
    assert gradgradcheck(lambda x, y: (tg.tanh(x) @ y, tg.exp(x).sum()), [X, np.ones((3, 2))]) is True
    assert gradcheck(tg.mul, [Tensor(X), Tensor(2.0)])
    assert gradcheck(lambda x: x * 2, [np.zeros((2, 0))])


def test_a_failure_names_everything(halved: Any) -> None:
    x = Tensor(X, name="weight")
    text = failure(gradcheck, halved, [x], rtol=1e-5, atol=1e-7)
    for part in [
        "gradcheck of square: the derivative of output 0[1, 1] with respect to input 0 ('weight')[1, 1] is wrong\n",
        "  analytic   3\n",
        "  numerical  6",
        "  error      3, allowed 6.01e-05 (atol 1e-07 + rtol 1e-05 * |numerical|)\n",
        "  the worst of 6 wrong ones among 36 pairs of elements\n",
        "hint: every analytic value is 0.5 times the numerical one: a sign, a factor or a sum is missing",
    ]:
        assert part in text
    assert issubclass(GradcheckError, AssertionError)


def test_the_second_of_several_inputs_and_outputs_is_named(halved: Any) -> None:
    def model(x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return x * 2, halved(scale) * x.sum()

    text = failure(gradcheck, model, [X, np.array(4.0)])
    assert "gradcheck of model: the derivative of output 1 with respect to input 1 ('scale') is wrong" in text


def test_a_lambda_is_named_by_its_last_operation(halved: Any) -> None:
    assert "gradcheck of <lambda> (ending in sum): " in failure(gradcheck, lambda x: halved(x).sum(), [X])


def test_one_wrong_element_among_many_is_found() -> None:
    def rule(g: Any, out: Any, x: Any) -> Any:
        return g * np.where(np.arange(x.size).reshape(x.shape) == 4, 2.001, 2)

    @op(x=rule)
    def doubled(x: Any) -> Any:
        return np.multiply(x, 2)

    text = failure(gradcheck, doubled, [X])
    assert "output 0[1, 1] with respect to input 0 ('x')[1, 1]" in text
    assert "the worst of 1 wrong ones among 36" in text
    assert "hint" not in text


def test_a_forgotten_sign_is_hinted_at() -> None:
    @op(x=lambda g, out, x: g)
    def opposite(x: Any) -> Any:
        return np.negative(x)

    assert "every analytic value is -1 times the numerical one: a sign" in failure(gradcheck, opposite, [X])


def test_a_cut_graph_is_hinted_at() -> None:
    text = failure(gradcheck, lambda x: x.detach() * 2, [X])
    assert "every analytic value is 0: the graph may be cut by detach(), no_grad() or a plain array" in text


@pytest.mark.parametrize(
    ("function", "slopes"),
    [(tg.relu, "1 above and 0 below"), (lambda x: tg.relu(-x), "0 above and -1 below")],
)
def test_a_kink_is_hinted_at(function: Any, slopes: str) -> None:
    text = failure(gradcheck, function, [np.array([1.0, 0.0])])
    assert f"hint: the slope is {slopes}, so this is a kink or a jump" in text


def test_a_smooth_extremum_is_no_kink() -> None:
    @op(x=lambda g, out, x: g)
    def bowl(x: Any) -> Any:
        return np.square(x)

    assert "kink" not in failure(gradcheck, bowl, [np.zeros(2)])


def test_nan_is_wrong() -> None:
    @op(x=lambda g, out, x: g * np.nan)
    def lost(x: Any) -> Any:
        return np.positive(x)

    assert "analytic   nan" in failure(gradcheck, lost, [X])


def test_second_derivatives_are_checked_on_their_own(halved: Any) -> None:
    assert gradgradcheck(halved, [X])  # wrong, but the second derivative is that of the wrong first

    @op(x=lambda g, out, x: g * Tensor(2 * np.asarray(x.detach() if isinstance(x, Tensor) else x)))
    def frozen(x: Any) -> Any:
        return np.multiply(x, x)

    with pytest.raises(GradcheckError) as error:
        gradgradcheck(frozen, [X])
    assert "gradcheck of the gradient of frozen: the derivative of output 0[" in str(error.value)


def test_the_cotangent_is_checked_too() -> None:
    @op(x=lambda g, out, x: g.detach() * 2 if isinstance(g, Tensor) else g * 2)
    def twice(x: Any) -> Any:
        return np.multiply(x, 2)

    assert gradcheck(twice, [X])
    assert "with respect to the cotangent of output 0[" in failure(gradgradcheck, twice, [X])


def test_the_seed_of_the_cotangents_is_fixed_and_can_be_chosen() -> None:
    @op(x=lambda g, out, x: g * x)
    def squared(x: Any) -> Any:
        return np.multiply(x, x)

    def wrong(x: Tensor) -> Tensor:
        return squared(x) * x.detach()

    texts = [failure(gradgradcheck, wrong, [X], seed=seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("bad", [X.astype(np.float32), np.arange(3), Tensor(X, dtype=np.float32)])
def test_anything_but_float64_is_refused_with_the_reason(bad: Any) -> None:
    with pytest.raises(
        TypeError, match=r"gradcheck of add: input 1 is (float32|int64), but must be float64: in float32"
    ):
        gradcheck(tg.add, [X, bad])


def test_what_the_function_returns_is_checked() -> None:
    with pytest.raises(TypeError, match="it must return float64 Tensors, but returned a float32 Tensor"):
        gradcheck(lambda x: x.astype(np.float32), [X])
    with pytest.raises(TypeError, match="it must return float64 Tensors, but returned a float"):
        gradcheck(lambda x: 1.0, [X])


def test_a_random_function_is_refused() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(ValueError, match=re.escape("two calls with the same inputs differ; give a seed")):
        gradcheck(lambda x: x * random.uniform(size=3), [X])


def test_inputs_are_left_alone() -> None:
    x, t = X.copy(), Tensor(X, requires_grad=True)
    gradcheck(tg.mul, [x, t])
    gradgradcheck(tg.mul, [x, t])
    np.testing.assert_array_equal(x, X)
    assert t.grad is None


def test_large_inputs_get_a_step_of_their_size() -> None:
    assert gradcheck(lambda x: x * x, [np.array([1e6, -3e8])])


def test_an_operation_without_a_signature_is_checked_as_well() -> None:
    class Model:
        def __call__(self, *xs: Tensor) -> Tensor:
            return xs[0] * xs[1].detach()

    text = failure(gradcheck, Model(), [X, X])
    assert "gradcheck of Model" in text
    assert "with respect to input 1[" in text
