import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.store import Case, load
from tinygrad_rnn import Tensor, optim
from tinygrad_rnn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, clip_grad_norm, clip_grad_value
from tinygrad_rnn.tensor import Array

KINDS: dict[str, Callable[..., Optimizer]] = {
    "SGD": SGD,
    "RMSprop": RMSprop,
    "Adagrad": Adagrad,
    "Adam": Adam,
    "AdamW": AdamW,
}
CASES = [case for case in load("torch_optim") if case.options["kind"] in KINDS]
EVERY: dict[str, Callable[..., Optimizer]] = {
    "SGD": lambda p, **more: SGD(p, lr=0.1, **more),
    "momentum": lambda p, **more: SGD(p, lr=0.1, momentum=0.9, dampening=0.2, **more),
    "nesterov": lambda p, **more: SGD(p, lr=0.1, momentum=0.9, nesterov=True, **more),
    "RMSprop": lambda p, **more: RMSprop(p, momentum=0.5, centered=True, **more),
    "Adagrad": lambda p, **more: Adagrad(p, lr_decay=0.001, **more),
    "Adam": Adam,
    "AdamW": AdamW,
}


def make(case: Case, parameters: list[Tensor]) -> Optimizer:
    options = {key: value for key, value in case.options.items() if key != "kind"}
    return KINDS[case.options["kind"]](parameters, **options)


def one_step(optimizer: Optimizer, gradients: dict[Tensor, Array]) -> None:
    """A step whose gradients come from backward."""
    optimizer.zero_grad()
    for tensor, gradient in gradients.items():
        (tensor * gradient).sum().backward()
    optimizer.step()


def test_the_golden_file_has_every_optimizer() -> None:
    assert {case.options["kind"] for case in CASES} == KINDS.keys()
    assert len(CASES) == 20


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_trajectories_are_those_of_pytorch(case: Case, dtype: type) -> None:
    start, gradients, after = case.group("start"), case.group("grad"), case.group("after")
    tensors = {name: Tensor(value, requires_grad=True, dtype=dtype) for name, value in start.items()}
    optimizer = make(case, list(tensors.values()))
    tolerance = 1e-12 if dtype is np.float64 else 5e-5
    for step in range(25):
        one_step(optimizer, {t: gradients[name][step].astype(dtype) for name, t in tensors.items()})
        for name, t in tensors.items():
            assert t.data.dtype == t.grad.dtype == dtype
            np.testing.assert_allclose(t.data, after[name][step], rtol=tolerance, atol=tolerance)


def test_defaults_are_those_of_pytorch() -> None:
    w = Tensor([1.0], requires_grad=True)
    sgd, rmsprop, adagrad, adam, adamw = SGD([w]), RMSprop([w]), Adagrad([w]), Adam([w]), AdamW([w])
    assert [o.lr for o in (sgd, rmsprop, adagrad, adam, adamw)] == [1e-3, 1e-2, 1e-2, 1e-3, 1e-3]
    assert [o.weight_decay for o in (sgd, rmsprop, adagrad, adam, adamw)] == [0, 0, 0, 0, 1e-2]
    assert (sgd.momentum, sgd.dampening, sgd.nesterov) == (0, 0, False)
    assert (rmsprop.alpha, rmsprop.eps, rmsprop.momentum, rmsprop.centered) == (0.99, 1e-8, 0, False)
    assert (adagrad.lr_decay, adagrad.eps, adagrad.state["sum"][0]) == (0, 1e-10, 0)
    assert (adam.betas, adam.eps) == (adamw.betas, adamw.eps) == ((0.9, 0.999), 1e-8)


@given(
    kind=st.sampled_from(sorted(EVERY)),
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=5),
    dtype=st.sampled_from([np.float32, np.float64]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_buffer_moves_each_parameter_as_if_it_were_alone(
    kind: str, shapes: list[tuple[int, ...]], dtype: type, weight_decay: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values: list[Array] = [random.standard_normal(shape).astype(dtype) for shape in shapes]
    together, alone = ([Tensor(v, requires_grad=True) for v in values] for _ in range(2))
    one = EVERY[kind](together, weight_decay=weight_decay)
    each = [EVERY[kind]([t], weight_decay=weight_decay) for t in alone]
    for _ in range(3):
        gradients: list[Array] = [random.standard_normal(shape).astype(dtype) for shape in shapes]
        one_step(one, dict(zip(together, gradients, strict=True)))
        for optimizer, t, g in zip(each, alone, gradients, strict=True):
            one_step(optimizer, {t: g})
    for t, u in zip(together, alone, strict=True):
        np.testing.assert_array_equal(t.data, u.data)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("kind", EVERY)
def test_a_step_allocates_nothing_large(kind: str, weight_decay: float) -> None:
    tensors = [Tensor(np.ones((250, 200), np.float32), requires_grad=True) for _ in range(4)]
    optimizer = EVERY[kind](tensors, weight_decay=weight_decay)
    optimizer.parameters.grad.fill(1.0)
    optimizer.step()
    tracemalloc.start()
    try:
        for _ in range(3):
            clip_grad_norm(optimizer, 1e-3)
            clip_grad_value(optimizer, 1e-6)
            optimizer.step()
            optimizer.zero_grad()
            optimizer.parameters.grad.fill(1.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.02 * optimizer.parameters.value.nbytes


@pytest.mark.parametrize("kind", EVERY)
def test_a_step_leaves_the_gradient_as_it_is(kind: str) -> None:
    w = Tensor([1.0, -2.0], requires_grad=True)
    optimizer = EVERY[kind]([w], weight_decay=0.1)
    for _ in range(2):
        w.grad[...] = [3.0, 4.0]
        optimizer.step()
        assert w.grad.tolist() == [3, 4]


@pytest.mark.parametrize("kind", EVERY)
def test_a_resumed_run_continues_bit_for_bit(kind: str) -> None:
    random = np.random.default_rng(0)
    gradients = random.standard_normal((10, 3, 2))
    w, v = (Tensor(np.ones((3, 2)), requires_grad=True) for _ in range(2))
    whole = EVERY[kind]([w])
    for g in gradients[:5]:
        one_step(whole, {w: g})
    whole.lr = 0.03
    v.data, state = w.data, whole.state_dict()
    for g in gradients[5:]:
        one_step(whole, {w: g})
    resumed = EVERY[kind]([v])
    resumed.load_state_dict(state)
    assert (resumed.lr, resumed.steps) == (0.03, 5)
    for g in gradients[5:]:
        one_step(resumed, {v: g})
    np.testing.assert_array_equal(v.data, w.data)


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        (SGD, []),
        (lambda p: SGD(p, momentum=0.9), ["momentum_buffer"]),
        (RMSprop, ["square_avg"]),
        (lambda p: RMSprop(p, centered=True, momentum=0.9), ["square_avg", "grad_avg", "momentum_buffer"]),
        (Adagrad, ["sum"]),
        (Adam, ["grad_sum", "square_sum"]),
        (AdamW, ["grad_sum", "square_sum"]),
    ],
)
def test_state_has_stable_names_and_plain_values(
    optimizer: Callable[[list[Tensor]], Optimizer], names: list[str]
) -> None:
    state = optimizer([Tensor(np.ones((2, 3), np.float32), requires_grad=True)]).state_dict()
    assert list(state) == ["step", "lr", "sizes", *names]
    assert type(state["step"]) is int
    assert type(state["lr"]) is float
    assert state["sizes"].tolist() == [6]
    assert all(type(state[n]) is np.ndarray and state[n].dtype == np.float32 and state[n].shape == (6,) for n in names)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda s: s.pop("square_sum"),
            r"Adam.load_state_dict: missing \['square_sum'\], unexpected \[\]; is this the",
        ),
        (lambda s: s.update(momentum_buffer=s["grad_sum"]), r"missing \[\], unexpected \['momentum_buffer'\]"),
        (lambda s: s.update(sizes=np.array([3, 1])), r"for parameters of sizes \[3, 1\], but these have \[1, 3\]"),
        (
            lambda s: s.update(square_sum=s["square_sum"].astype(np.float32)),
            r"square_sum is float32 of shape \(4,\), but must be float64 of \(4,\)",
        ),
        (
            lambda s: s.update(grad_sum=np.zeros(3)),
            r"grad_sum is float64 of shape \(3,\), but must be float64 of \(4,\)",
        ),
        (lambda s: s.update(lr=-1.0), r"Adam: lr must be a number in \[0, inf\), got -1.0"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: Callable[[dict[str, Any]], object], text: str) -> None:
    w, b = Tensor([1.0], requires_grad=True), Tensor([1.0, 2.0, 3.0], requires_grad=True)
    optimizer, other = Adam([w, b]), Adam([w, b])
    one_step(other, {w: np.ones(1), b: np.ones(3)})
    state = other.state_dict()
    change(state)
    with pytest.raises(ValueError, match=text):
        optimizer.load_state_dict(state)
    assert optimizer.steps == 0
    assert not any(array.any() for array in optimizer.state.values())


@pytest.mark.parametrize(
    ("optimizer", "options", "text"),
    [
        (SGD, {"lr": -0.1}, r"SGD: lr must be a number in \[0, inf\), got -0.1"),
        (Adam, {"lr": float("nan")}, r"Adam: lr must be a number in \[0, inf\), got nan"),
        (Adam, {"lr": float("inf")}, r"Adam: lr must be a number in \[0, inf\), got inf"),
        (SGD, {"weight_decay": -1}, r"SGD: weight_decay must be a number in \[0, inf\), got -1"),
        (SGD, {"momentum": -0.5}, r"SGD: momentum must be a number in \[0, inf\), got -0.5"),
        (SGD, {"nesterov": True}, r"nesterov=True needs momentum > 0 and dampening = 0, got momentum=0.0, dampening=0"),
        (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, r"needs .* got momentum=0.9, dampening=0.1"),
        (RMSprop, {"alpha": 1.0}, r"RMSprop: alpha must be a number in \[0, 1\), got 1.0"),
        (RMSprop, {"eps": -1e-8}, r"RMSprop: eps must be a number in \[0, inf\), got -1e-08"),
        (Adagrad, {"lr_decay": -1}, r"Adagrad: lr_decay must be a number in \[0, inf\), got -1"),
        (Adagrad, {"initial_accumulator_value": -1}, r"Adagrad: initial_accumulator_value must be a number in \[0"),
        (Adam, {"betas": (1.0, 0.999)}, r"Adam: betas\[0\] must be a number in \[0, 1\), got 1.0"),
        (AdamW, {"betas": (0.9, -0.1)}, r"AdamW: betas\[1\] must be a number in \[0, 1\), got -0.1"),
    ],
)
def test_numbers_out_of_range(optimizer: Callable[..., Optimizer], options: dict[str, Any], text: str) -> None:
    w = Tensor([1.0], requires_grad=True)
    data = w.data
    with pytest.raises(ValueError, match=text):
        optimizer([w], **options)
    assert w.data is data


def test_the_learning_rate_can_be_set() -> None:
    w = Tensor(np.array([1.0, 1.0], np.float32), requires_grad=True)
    optimizer = SGD([w], lr=1.0)
    optimizer.lr = np.float64(0.5)
    assert type(optimizer.lr) is float
    w.grad[...] = 1
    optimizer.step()
    np.testing.assert_array_equal(w.data, np.array([0.5, 0.5], np.float32))
    with pytest.raises(ValueError, match="SGD: lr must be"):
        optimizer.lr = -1.0
    assert optimizer.lr == 0.5


def test_no_gradient_counts_as_zero() -> None:
    used, unused = (Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = SGD([used, unused], lr=0.5, weight_decay=0.5)
    unused.grad = None
    (2 * used).sum().backward()
    optimizer.step()
    assert (used.item(), unused.item()) == (-0.25, 0.75)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_centered_rmsprop_survives_constant_gradients(dtype: type) -> None:
    gradient: Array = np.linspace(0.01, 3, 200).astype(dtype)
    w = Tensor(np.zeros(200), requires_grad=True, dtype=dtype)
    optimizer = RMSprop([w], centered=True, alpha=0.5)
    for _ in range(100):
        w.grad[...] = gradient
        optimizer.step()
    v, a = optimizer.state["square_avg"], optimizer.state["grad_avg"]
    assert (v - a * a).min() < 0  # the rounding that the rule must survive
    assert np.isfinite(w.data).all()


@pytest.mark.parametrize("kind", EVERY)
def test_a_quadratic_is_minimised(kind: str) -> None:
    w = Tensor([1.0, -2.0], requires_grad=True)
    target = np.array([0.5, -1.5])
    optimizer = EVERY[kind]([w])
    optimizer.lr = 0.05
    for _ in range(500):
        optimizer.zero_grad()
        error = w - target
        (error * error).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(w.data, target, atol=0.05)


def test_an_own_rule_is_a_subclass_with_update() -> None:
    class SignDescent(Optimizer):
        def _update(self, p: Array, g: Array, s: Array) -> None:
            np.sign(g, out=s)
            s *= self.lr
            p -= s

    w = Tensor([1.0, -2.0], requires_grad=True)
    optimizer = SignDescent([w], lr=0.25)
    (w * w).sum().backward()
    optimizer.step()
    assert w.data.tolist() == [0.75, -1.75]


def test_everything_public_is_exported() -> None:
    assert all(hasattr(optim, name) for name in optim.__all__)
