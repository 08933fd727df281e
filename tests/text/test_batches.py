from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.text import IGNORE, Batches, TextError, evaluation_batches

STEPS, BATCH = st.integers(1, 7), st.integers(1, 5)


@given(STEPS, BATCH, st.integers(0, 60))
def test_streams_run_on_over_the_windows_of_an_epoch(steps: int, batch_size: int, more: int) -> None:
    size = steps * batch_size + 1 + more
    batches = Batches(np.arange(size), steps=steps, batch_size=batch_size)
    windows = list(islice(batches, len(batches)))
    assert all(a.shape == b.shape == (steps, batch_size) for a, b in windows)
    assert all(a.dtype == b.dtype == np.int64 for a, b in windows)
    inputs, targets = (np.concatenate(column) for column in zip(*windows, strict=True))
    np.testing.assert_array_equal(targets, inputs + 1)
    # End to end, the streams are the text from its beginning, and less than a window of it is left.
    np.testing.assert_array_equal(inputs.T.ravel(), np.arange(inputs.size))
    assert 0 <= size - 1 - inputs.size < steps * batch_size


@given(STEPS, BATCH, st.integers(0, 60), st.integers(0, 30))
def test_position_resumes_exactly(steps: int, batch_size: int, more: int, position: int) -> None:
    ids = np.arange(steps * batch_size + 1 + more)
    through = Batches(ids, steps=steps, batch_size=batch_size)
    for _ in range(position):
        next(through)
    resumed = Batches(ids, steps=steps, batch_size=batch_size, position=through.position)
    for _ in range(5):
        assert (through.position, through.epoch, through.at_epoch_start) == (
            resumed.position,
            resumed.epoch,
            resumed.at_epoch_start,
        )
        np.testing.assert_array_equal(next(through), next(resumed))


def test_epochs_repeat_and_say_where_they_begin() -> None:
    batches = Batches(np.arange(13), steps=3, batch_size=2)
    seen = [(batches.epoch, batches.at_epoch_start, int(next(batches)[0][0, 0])) for _ in range(5)]
    assert seen == [(0, True, 0), (0, False, 3), (1, True, 0), (1, False, 3), (2, True, 0)]


def test_windows_are_read_only() -> None:
    inputs, targets = next(Batches(np.arange(13), steps=3, batch_size=2))
    for window in (inputs, targets):
        with pytest.raises(ValueError, match="read-only"):
            window[0, 0] = 1


@given(st.integers(2, 80), STEPS, BATCH)
def test_evaluation_counts_every_target_once(size: int, steps: int, batch_size: int) -> None:
    windows = list(evaluation_batches(np.arange(size), steps=steps, batch_size=batch_size))
    scored = [b[b != IGNORE] for _, b in windows]
    np.testing.assert_array_equal(np.sort(np.concatenate(scored)), np.arange(1, size))
    assert all(a.shape == b.shape == (steps, batch_size) for a, b in windows[:-1])
    assert all(1 <= len(b) <= steps for _, b in windows)
    inputs, targets = (np.concatenate(column) for column in zip(*windows, strict=True))
    assert inputs.dtype == targets.dtype == np.int64
    assert inputs.min() >= 0
    assert inputs.max() < size
    # Each target stands after its input, and each stream runs on over the windows.
    np.testing.assert_array_equal((inputs + 1)[targets != IGNORE], targets[targets != IGNORE])
    for stream in targets.T:
        kept = stream[stream != IGNORE]
        np.testing.assert_array_equal(kept, kept[:1] + np.arange(kept.size))
        assert (stream[kept.size :] == IGNORE).all()


@given(st.integers(2, 80), STEPS)
def test_one_evaluation_stream_is_the_text(size: int, steps: int) -> None:
    windows = evaluation_batches(np.arange(size), steps=steps, batch_size=1)
    targets = np.concatenate([b for _, b in windows])
    np.testing.assert_array_equal(targets[:, 0], np.arange(1, size))


@pytest.mark.parametrize("size", [0, 1, 2, 6])
def test_text_shorter_than_a_window_says_what_is_needed(size: int) -> None:
    message = (
        rf"the text has {size} characters, but a window of steps=3 batch_size=2 needs 7: "
        "lower batch_size or steps, or take a longer text"
    )
    with pytest.raises(TextError, match=message):
        Batches(np.arange(size), steps=3, batch_size=2)
    assert len(Batches(np.arange(7), steps=3, batch_size=2)) == 1


@pytest.mark.parametrize("size", [0, 1])
def test_evaluation_needs_two_characters_and_says_so_at_once(size: int) -> None:
    with pytest.raises(TextError, match=f"the text has {size} characters, but scoring needs 2"):
        evaluation_batches(np.arange(size), steps=3, batch_size=2)


@pytest.mark.parametrize(("steps", "batch_size"), [(0, 2), (3, 0), (-1, 2)])
def test_settings_are_positive(steps: int, batch_size: int) -> None:
    message = f"steps and batch_size are 1 or more, got steps={steps}, batch_size={batch_size}"
    with pytest.raises(ValueError, match=message):
        Batches(np.arange(13), steps=steps, batch_size=batch_size)
    with pytest.raises(ValueError, match=message):
        evaluation_batches(np.arange(13), steps=steps, batch_size=batch_size)


def test_position_is_not_negative() -> None:
    with pytest.raises(ValueError, match="position counts windows from 0, got -1"):
        Batches(np.arange(13), steps=3, batch_size=2, position=-1)


def test_ids_are_integers() -> None:
    with pytest.raises(TypeError, match=r"ids are integers on one axis \[N\], got float64 of shape \(13,\)"):
        Batches(np.arange(13.0), steps=3, batch_size=2)
