"""Linear, Embedding, LayerNorm and Dropout."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_rnn import Tensor, gradcheck, nn


def test_linear_is_an_affine_map() -> None:
    layer = nn.Linear(3, 2, rng=0, dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(5, 4, 3))
    assert layer.bias is not None
    assert_allclose(layer(x).data, x @ layer.weight.data.T + layer.bias.data, rtol=1e-14)
    bare = nn.Linear(3, 2, bias=False, rng=0)
    assert list(bare.state_dict()) == ["weight"]
    assert bare(x.astype(np.float32)).dtype == np.float32


def test_linear_starts_uniform_and_by_seed() -> None:
    layer = nn.Linear(16, 1000, rng=0)
    assert 0.249 < np.abs(layer.weight.data).max() <= 0.25
    assert_allclose(layer.weight.data.std(), 0.25 / 3**0.5, rtol=0.02)
    assert_array_equal(layer.weight.data, nn.Linear(16, 1000, rng=0).weight.data)
    assert not np.array_equal(layer.weight.data, nn.Linear(16, 1000, rng=1).weight.data)
    rng = np.random.default_rng(0)
    assert not np.array_equal(nn.Linear(2, 2, rng=rng).weight.data, nn.Linear(2, 2, rng=rng).weight.data)


def test_linear_refuses_other_inputs() -> None:
    layer = nn.Linear(3, 2)
    with pytest.raises(ValueError, match=r"linear: takes inputs of 3 features \[..., 3\], but got shape \(3, 4\)"):
        layer(np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match=r"linear: takes inputs of 3 features \[..., 3\], but got shape \(\)"):
        layer(np.float32(1))
    with pytest.raises(TypeError, match=r"linear: has parameters of float32, .* float64; convert .* dtype=np.float64"):
        layer(np.zeros((3, 3)))


def test_embedding_takes_rows_and_adds_up_gradients() -> None:
    embedding = nn.Embedding(5, 3, rng=0)
    ids = np.array([[0, 4, 4], [1, 0, 4]])
    out = embedding(ids)
    assert_array_equal(out.data, embedding.weight.data[ids])
    out.sum().backward()
    assert_array_equal(embedding.weight.grad, np.array([2, 1, 0, 0, 3])[:, None] * np.ones(3))
    assert_array_equal(embedding(Tensor(ids)).data, out.data)
    assert embedding(np.zeros((0, 2), int)).shape == (0, 2, 3)
    assert_allclose(nn.Embedding(500, 40, rng=0).weight.data.std(), 1, rtol=0.02)


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([[0, 1], [5, 2]], IndexError, r"embedding: index 5 at \(1, 0\) is outside 0..4"),
        ([[0, -1]], IndexError, r"embedding: index -1 at \(0, 1\) is outside 0..4"),
        ([[0.0, 1.0]], TypeError, r"embedding: indices are integers, but these are float64"),
    ],
)
def test_embedding_refuses_other_indices(ids: list[list[float]], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nn.Embedding(5, 3)(np.array(ids))


def test_layer_norm_has_mean_zero_and_variance_one() -> None:
    norm, x = nn.LayerNorm(50, dtype=np.float64), np.random.default_rng(0).normal(3, 2, (4, 7, 50))
    out = norm(x).data
    assert_allclose(out.mean(-1), 0, atol=1e-12)
    assert_allclose(out.var(-1), x.var(-1) / (x.var(-1) + 1e-5), rtol=1e-12)
    norm.weight.data, norm.bias.data = np.full(50, 2.0), np.full(50, 0.5)  # type: ignore[union-attr]
    assert_allclose(norm(x).data, out * 2 + 0.5, rtol=1e-12, atol=1e-12)
    assert list(nn.LayerNorm(3, bias=False).state_dict()) == ["weight"]
    with pytest.raises(ValueError, match="layernorm: takes inputs of 3 features"):
        nn.LayerNorm(3)(np.zeros((3, 1), np.float32))


def test_layer_norm_gradients() -> None:
    norm = nn.LayerNorm(4, dtype=np.float64)

    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        norm.weight, norm.bias = weight, bias
        return norm(x)  # type: ignore[no-any-return]

    rng = np.random.default_rng(0)
    gradcheck(run, [rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)])


def test_layer_norm_of_equal_features_is_the_bias() -> None:
    x = Tensor(np.full((2, 3), 7.0), requires_grad=True, dtype=np.float32)
    out = nn.LayerNorm(3)(x)
    out.sum().backward()
    assert_array_equal(out.data, 0)
    assert np.isfinite(x.grad).all()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_sets_to_zero_with_its_probability_and_keeps_the_mean(p: float) -> None:
    x = Tensor(np.ones((400, 300)), requires_grad=True)
    out = nn.Dropout(p, rng=0)(x)
    assert abs((out.data == 0).mean() - p) < 0.005
    assert_allclose(out.data[out.data != 0], 1 / (1 - p), rtol=1e-12)
    assert abs(out.data.mean() - 1) < 0.03
    out.sum().backward()
    assert_array_equal(x.grad, out.data)  # the same mask on the way back


def test_dropout_is_deterministic_by_seed_and_new_at_each_call() -> None:
    x = Tensor(np.ones(1000, np.float32))
    one, other = nn.Dropout(0.5, rng=3), nn.Dropout(0.5, rng=3)
    first = one(x)
    assert first.dtype == np.float32
    assert_array_equal(first.data, other(x).data)
    assert not np.array_equal(first.data, one(x).data)


def test_dropout_is_the_identity_in_evaluation_and_at_zero() -> None:
    x = Tensor(np.ones(5))
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert_array_equal(nn.Dropout(1.0)(x).data, 0)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_refuses_what_is_no_probability(p: float) -> None:
    with pytest.raises(ValueError, match=rf"Dropout: p is a probability in \[0, 1\], not {p}"):
        nn.Dropout(p)
