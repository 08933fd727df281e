from itertools import islice

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_rnn.text import UnknownCharacterError, Vocabulary, distribution, draw, generate

Floats = npt.NDArray[np.float64]

LOGITS = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-50, 50))
HALVES = np.log(2) * np.array([-2.0, -1.0, -3.0, -3.0])  # probabilities 1/4, 1/2, 1/8, 1/8


@given(LOGITS, st.floats(0.01, 100), st.none() | st.integers(1, 12), st.none() | st.floats(0.01, 1))
def test_result_is_a_distribution_that_keeps_the_order(
    logits: Floats, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    p = distribution(logits, temperature=temperature, top_k=top_k, top_p=top_p)
    assert p.dtype == np.float64
    assert p.shape == logits.shape
    assert p.min() >= 0
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p[logits.argmax()] == p.max() > 0
    assert (np.diff(p[np.argsort(logits)]) >= 0).all() or top_k is not None or top_p is not None


def test_ranks_are_those_of_the_logits_where_probabilities_are_equal_to_rounding() -> None:
    np.testing.assert_array_equal(distribution([-1e-20, 0.0]), [0.5, 0.5])
    np.testing.assert_array_equal(distribution([-1e-20, 0.0], top_k=1), [0, 1])
    np.testing.assert_array_equal(distribution([-1e-20, 0.0], top_p=0.5), [0, 1])


@given(LOGITS, st.floats(0.5, 20))
def test_temperature_divides_the_logits(logits: Floats, temperature: float) -> None:
    scaled = np.exp(logits / temperature)
    np.testing.assert_allclose(
        distribution(logits, temperature=temperature), scaled / scaled.sum(), rtol=1e-9, atol=1e-300
    )


@given(hnp.arrays(np.float64, st.integers(1, 12), elements=st.integers(-9, 9)))
def test_temperature_to_zero_is_the_largest_logit(logits: Floats) -> None:
    greedy = distribution(logits, temperature=0)
    assert greedy.argmax() == logits.argmax()  # np.argmax is the first one of several
    assert np.count_nonzero(greedy) == 1
    largest = logits == logits.max()
    for cold in (1e-3, 1e-300, 5e-324):
        np.testing.assert_array_equal(distribution(logits, temperature=cold), largest / largest.sum())


def test_top_k_on_known_logits() -> None:
    np.testing.assert_allclose(distribution(HALVES, top_k=2), [1 / 3, 2 / 3, 0, 0], rtol=1e-15)
    np.testing.assert_allclose(distribution(HALVES, top_k=1), [0, 1, 0, 0], rtol=1e-15)
    # Of the two equal ones the lower index stays.
    np.testing.assert_allclose(distribution(HALVES, top_k=3), [2 / 7, 4 / 7, 1 / 7, 0], rtol=1e-15)
    whole = [1 / 4, 1 / 2, 1 / 8, 1 / 8]
    for everything in (None, 4, 99):
        np.testing.assert_allclose(distribution(HALVES, top_k=everything), whole, rtol=1e-15)


def test_top_p_on_known_logits() -> None:
    cases: list[tuple[float, list[float]]] = [
        (1e-9, [0, 1, 0, 0]),
        (0.49, [0, 1, 0, 0]),
        (0.51, [1 / 3, 2 / 3, 0, 0]),
        (0.74, [1 / 3, 2 / 3, 0, 0]),
        (0.76, [2 / 7, 4 / 7, 1 / 7, 0]),  # of the two equal ones the lower index stays
        (0.88, [1 / 4, 1 / 2, 1 / 8, 1 / 8]),
        (1.0, [1 / 4, 1 / 2, 1 / 8, 1 / 8]),
    ]
    for p, expected in cases:
        np.testing.assert_allclose(distribution(HALVES, top_p=p), expected, rtol=1e-15, err_msg=f"top_p={p}")


def test_a_total_of_one_excludes_nothing() -> None:
    logits = [0.0, -50.0, -100.0]  # the first alone adds up to 1 in floating point
    np.testing.assert_array_equal(distribution(logits, top_p=1.0), distribution(logits))


def test_settings_apply_in_order_to_renormalised_probabilities() -> None:
    # Temperature 1/2 squares: 4/22, 16/22, 1/22, 1/22. Of the top two, 1/5 and 4/5, the first makes up 0.79.
    squared = distribution(HALVES, temperature=0.5)
    np.testing.assert_allclose(squared, [4 / 22, 16 / 22, 1 / 22, 1 / 22], rtol=1e-14)
    of_all = distribution(HALVES, temperature=0.5, top_p=0.79)
    np.testing.assert_allclose(of_all, [4 / 20, 16 / 20, 0, 0], rtol=1e-14)
    of_two = distribution(HALVES, temperature=0.5, top_k=2, top_p=0.79)
    np.testing.assert_array_equal(of_two, [0, 1, 0, 0])


@given(LOGITS, st.floats(-1e4, 1e4))
def test_stable_under_a_shift(logits: Floats, shift: float) -> None:
    np.testing.assert_allclose(distribution(logits + shift), distribution(logits), rtol=1e-10, atol=0)


def test_extreme_logits() -> None:
    np.testing.assert_array_equal(distribution([1e4, -1e4]), [1, 0])
    np.testing.assert_array_equal(distribution([0.0, -np.inf, 0.0]), [0.5, 0, 0.5])
    np.testing.assert_array_equal(distribution([-np.inf, -1e308], temperature=1e-300), [0, 1])
    assert distribution(np.zeros(3, np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    ("logits", "largest"), [([0.0, np.nan], "nan"), ([0.0, np.inf], "inf"), ([-np.inf, -np.inf], "-inf")]
)
def test_logits_to_draw_nothing_from(logits: list[float], largest: str) -> None:
    with pytest.raises(ValueError, match=f"the largest logit is {largest}, .* the model has diverged"):
        distribution(logits)


@pytest.mark.parametrize("shape", [(), (0,), (1, 4)])
def test_logits_have_one_axis(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"logits have one axis \[V\], V >= 1, got shape"):
        distribution(np.zeros(shape))


BAD_SETTINGS = [
    ({"temperature": -0.1}, r"temperature is 0 \(greedy\) or a positive number, got -0.1"),
    ({"temperature": np.nan}, "temperature .* got nan"),
    ({"temperature": np.inf}, "temperature .* got inf"),
    ({"top_k": 0}, "top_k keeps 1 character or more, got 0"),
    ({"top_p": 0.0}, "top_p is a probability above 0 and up to 1, got 0.0"),
    ({"top_p": 1.5}, "top_p .* got 1.5"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        distribution([0.0, 1.0], **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        generate(countdown, None, DIGITS, length=1, rng=np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def test_frequencies_match_the_softmax() -> None:
    logits = np.array([0.5, -1.0, 2.0, 0.0, 1.0])
    expected = np.exp(logits) / np.exp(logits).sum()
    rng = np.random.default_rng(20)
    draws = 20_000
    counts = np.bincount([draw(distribution(logits), rng) for _ in range(draws)], minlength=5)
    chi_square = ((counts - draws * expected) ** 2 / (draws * expected)).sum()
    assert chi_square < 18.47  # the 99.9 % quantile of χ² with 4 degrees of freedom


@given(
    st.integers(0, 2**32),
    hnp.arrays(np.float64, st.integers(1, 9), elements=st.sampled_from([0.0, 1e-300, 0.5, 1.0])),
)
def test_nothing_of_probability_zero_is_drawn(seed: int, weights: Floats) -> None:
    if weights.sum() > 0:
        assert weights[draw(weights / weights.sum(), np.random.default_rng(seed))] > 0


class Extreme(np.random.Generator):
    """A generator whose uniform number is given."""

    def __init__(self, value: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.value = value

    def random(self, *_: object, **__: object) -> float:  # type: ignore[override]
        return self.value


def test_the_extreme_uniform_numbers_draw_possible_characters() -> None:
    assert draw(np.array([0.0, 0.5, 0.5, 0.0]), Extreme(0.0)) == 1
    assert draw(np.array([0.0, 0.5, 0.5, 0.0]), Extreme(0.5)) == 2
    assert draw(np.array([0.1] * 10 + [0.0]), Extreme(1 - 2**-53)) == 9  # ten times 0.1 is less than 1


DIGITS = Vocabulary("0123456789")
NOTHING: tuple[int, ...] = ()


def countdown(index: int, state: None) -> tuple[Floats, None]:
    """A model sure that each digit is followed by the one below it."""
    return np.eye(10)[(index - 1) % 10] * 1e3, state


def remember(index: int, state: tuple[int, ...]) -> tuple[Floats, tuple[int, ...]]:
    """A model whose logits depend on all it was fed."""
    state = (*state, index)
    return np.random.default_rng(state).normal(size=10), state


def text(seed: int, *, prompt: str = "27", length: int = 40, temperature: float = 1.0) -> str:
    rng = np.random.default_rng(seed)
    new = generate(remember, NOTHING, DIGITS, prompt=prompt, length=length, temperature=temperature, rng=rng)
    return "".join(new)


def test_new_characters_continue_the_prompt_and_are_counted() -> None:
    rng = np.random.default_rng(0)
    assert "".join(generate(countdown, None, DIGITS, prompt="95", length=7, rng=rng)) == "4321098"
    assert list(generate(countdown, None, DIGITS, prompt="95", length=0, rng=rng)) == []


def test_step_is_fed_the_prompt_then_each_new_character_once() -> None:
    fed: list[tuple[int, int]] = []

    def step(index: int, state: int) -> tuple[Floats, int]:
        fed.append((index, state))
        return countdown(index, None)[0], state + 1

    assert "".join(generate(step, 5, DIGITS, prompt="19", length=3, rng=np.random.default_rng(0))) == "876"
    assert fed == [(1, 5), (9, 6), (8, 7), (7, 8)]


def test_seed_decides() -> None:
    assert text(1) == text(1)
    assert text(1) != text(2)
    assert text(1)[:10] == text(1, length=10)


def test_greedy_is_the_same_for_every_seed() -> None:
    assert text(1, temperature=0) == text(2, temperature=0)
    expected = ""
    state: tuple[int, ...] = (2, 7)
    for _ in range(40):
        state = (*state, int(np.random.default_rng(state).normal(size=10).argmax()))
        expected += DIGITS.characters[state[-1]]
    assert text(1, temperature=0) == expected


def test_whole_prompt_matters() -> None:
    assert text(1, prompt="27") != text(1, prompt="37")


def test_top_k_and_top_p_reach_the_drawing() -> None:
    rng = np.random.default_rng(3)
    for top_k, top_p in ((1, None), (None, 1e-9)):
        new = generate(remember, NOTHING, DIGITS, prompt="27", length=40, top_k=top_k, top_p=top_p, rng=rng)
        assert "".join(new) == text(3, temperature=0)


def test_characters_stream_one_step_at_a_time() -> None:
    calls = []

    def step(index: int, state: None) -> tuple[Floats, None]:
        calls.append(index)
        return countdown(index, state)

    stream = generate(step, None, DIGITS, prompt="5", length=10**9, rng=np.random.default_rng(0))
    assert calls == []
    assert list(islice(stream, 3)) == ["4", "3", "2"]
    assert calls == [5, 4, 3]


@pytest.mark.parametrize(("characters", "first"), [("ab\ncd", "\n"), ("abcd", "a")])
def test_empty_prompt_begins_a_line(characters: str, first: str) -> None:
    vocabulary = Vocabulary(characters)
    fed = []

    def step(index: int, state: None) -> tuple[Floats, None]:
        fed.append(vocabulary.characters[index])
        return np.zeros(len(vocabulary)), state

    assert len(list(generate(step, None, vocabulary, length=1, rng=np.random.default_rng(0)))) == 1
    assert fed == [first]


def test_russian_prompt() -> None:
    vocabulary = Vocabulary.from_text("война и мир")

    def alphabet(index: int, state: None) -> tuple[Floats, None]:
        return np.eye(len(vocabulary))[(index + 1) % len(vocabulary)], state

    rng = np.random.default_rng(0)
    new = generate(alphabet, None, vocabulary, prompt="мир", length=3, temperature=0, rng=rng)
    assert "".join(new) == " ав"


def test_unknown_prompt_characters_are_named_before_anything_runs() -> None:
    message = r"2 characters .* 'x' \(U\+0078\) at position 1, 'ж' \(U\+0436\) at position 2"
    with pytest.raises(UnknownCharacterError, match=message):
        generate(countdown, None, DIGITS, prompt="1xж", length=1, rng=np.random.default_rng(0))


def test_length_is_not_negative() -> None:
    with pytest.raises(ValueError, match="length counts new characters, 0 or more, got -1"):
        generate(countdown, None, DIGITS, length=-1, rng=np.random.default_rng(0))


def test_step_with_logits_of_another_shape() -> None:
    def batched(index: int, state: None) -> tuple[Floats, None]:
        return countdown(index, state)[0][None], state

    stream = generate(batched, None, DIGITS, prompt="5", length=1, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"step returned logits \(1, 10\), expected \(10,\)"):
        next(stream)
