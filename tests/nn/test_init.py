"""Initial values: moments, ranges, orthogonality; the published formulas, worked out by hand for one shape."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_rnn import nn
from tinygrad_rnn.nn import init
from tinygrad_rnn.tensor import Array

SHAPE = (300, 500)  # fan-out 300, fan-in 500
UNIFORM: dict[str, tuple[Callable[[np.random.Generator], Array], float]] = {
    "uniform": (lambda rng: init.uniform(SHAPE, rng, bound=0.2), 0.2),
    "xavier": (lambda rng: init.xavier_uniform(SHAPE, rng), 0.0866025),
    "xavier-gain": (lambda rng: init.xavier_uniform(SHAPE, rng, gain=2), 0.1732051),
    "kaiming": (lambda rng: init.kaiming_uniform(SHAPE, rng), 0.1095445),
    "kaiming-out": (lambda rng: init.kaiming_uniform(SHAPE, rng, mode="fan_out"), 0.1414214),
    "kaiming-slope": (lambda rng: init.kaiming_uniform(SHAPE, rng, slope=0.5), 0.0979796),
}
NORMAL: dict[str, tuple[Callable[[np.random.Generator], Array], float]] = {
    "normal": (lambda rng: init.normal(SHAPE, rng, std=0.3), 0.3),
    "xavier": (lambda rng: init.xavier_normal(SHAPE, rng), 0.05),
    "xavier-gain": (lambda rng: init.xavier_normal(SHAPE, rng, gain=5 / 3), 0.0833333),
    "kaiming": (lambda rng: init.kaiming_normal(SHAPE, rng), 0.0632456),
    "kaiming-out": (lambda rng: init.kaiming_normal(SHAPE, rng, mode="fan_out"), 0.0816497),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_ones_fill_their_range(name: str) -> None:
    draw, bound = UNIFORM[name]
    values = draw(np.random.default_rng(0))
    assert values.shape == SHAPE
    assert bound * 0.999 < np.abs(values).max() <= bound * (1 + 1e-6)
    assert_allclose(values.std(), bound / 3**0.5, rtol=0.01)
    assert_array_equal(values, draw(np.random.default_rng(0)))


@pytest.mark.parametrize("name", NORMAL)
def test_normal_ones_have_their_standard_deviation(name: str) -> None:
    draw, std = NORMAL[name]
    values = draw(np.random.default_rng(0))
    assert values.shape == SHAPE
    assert_allclose([values.mean() / std, values.std() / std, (values**4).mean() / std**4], [0, 1, 3], atol=0.05)


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 4)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    q = init.orthogonal(shape, np.random.default_rng(0), gain=2.0) / 2
    assert q.shape == shape
    small = q @ q.T if shape[0] <= shape[1] else q.T @ q
    assert_allclose(small, np.eye(min(shape)), atol=1e-12)


def test_orthogonal_matrices_are_equally_likely() -> None:
    """Of a uniformly random rotation or reflection each element has mean 0 and variance 1/n."""
    rng = np.random.default_rng(0)
    draws = np.stack([init.orthogonal((3, 3), rng) for _ in range(4000)])
    assert_allclose(draws.mean(0), 0, atol=0.05)
    assert_allclose(draws.var(0), 1 / 3, atol=0.03)
    assert abs((np.linalg.det(draws) > 0).mean() - 0.5) < 0.05


def test_values_without_chance() -> None:
    assert_array_equal(init.identity((2, 3), scale=0.5), [[0.5, 0, 0], [0, 0.5, 0]])
    assert_array_equal(init.constant((2,), value=3), [3.0, 3.0])
    assert_array_equal(init.zeros((2, 1)), [[0.0], [0.0]])


def test_a_parameter_takes_them() -> None:
    gru = nn.GRU(3, 4, rng=0)
    rng = np.random.default_rng(0)
    gru.weight_hh_l0.data = np.concatenate([init.orthogonal((4, 4), rng) for _ in range(3)])
    assert gru.weight_hh_l0.dtype == np.float32


def test_shapes_that_make_no_sense() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"xavier_normal: only a matrix \[out, in\] .* not the shape \(3,\)"):
        init.xavier_normal((3,), rng)
    with pytest.raises(ValueError, match=r"kaiming_uniform: a weight of shape \(3, 0\) has no elements"):
        init.kaiming_uniform((3, 0), rng)
    with pytest.raises(ValueError, match=r"kaiming_normal: mode is 'fan_in' or 'fan_out', not 'in'"):
        init.kaiming_normal((3, 2), rng, mode="in")  # type: ignore[arg-type]
