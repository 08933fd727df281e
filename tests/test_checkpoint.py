"""One file, whole or not there, of one error type."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_rnn import checkpoint
from tinygrad_rnn.checkpoint import CheckpointError
from tinygrad_rnn.tensor import Array

ARRAYS = {"weight": np.arange(6.0).reshape(2, 3), "steps": np.array(7), "none": np.zeros((0, 4), np.float32)}
HEADER = {"iteration": 7, "vocabulary": " \nмир", "rng": 2**127 + 1, "list": [1.5, None, True]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint with ARRAYS and HEADER."""
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, ARRAYS, HEADER)
    return path


def same(arrays: dict[str, Array], expected: dict[str, Array]) -> bool:
    return arrays.keys() == expected.keys() and all(
        a.dtype == expected[name].dtype and a.shape == expected[name].shape and a.tobytes() == expected[name].tobytes()
        for name, a in arrays.items()
    )


def test_arrays_and_header_come_back(path: Path) -> None:
    arrays, header = checkpoint.load(path)
    assert same(arrays, ARRAYS)
    assert header == HEADER
    assert checkpoint.load(str(path))[1] == HEADER


@given(
    arrays=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9).filter(lambda n: n != "__metadata__"),
        hnp.arrays(
            st.sampled_from(["f4", "f8", "f2", "i8", "u1", "?", ">f8"]), hnp.array_shapes(min_dims=0, min_side=0)
        ),
        max_size=4,
    ),
    header=st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False) | st.text() | st.none(), max_size=4),
)
def test_any_arrays_and_header_come_back(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Array], header: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.safetensors"
    checkpoint.save(path, arrays, header)
    back, back_header = checkpoint.load(path)
    assert same(back, {name: a.astype(a.dtype.newbyteorder("=")) for name, a in arrays.items()})
    assert back_header == header


def test_arrays_that_are_not_contiguous(tmp_path: Path) -> None:
    base = np.arange(12.0).reshape(3, 4)
    checkpoint.save(tmp_path / "a", {"transposed": base.T, "strided": base[::2, ::-1]}, {})
    arrays, _ = checkpoint.load(tmp_path / "a")
    np.testing.assert_array_equal(arrays["transposed"], base.T)
    np.testing.assert_array_equal(arrays["strided"], base[::2, ::-1])


def test_other_programs_read_the_arrays(path: Path) -> None:
    assert same(safetensors.numpy.load_file(path), ARRAYS)


def test_equal_contents_give_equal_files(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    checkpoint.save(other, dict(reversed(ARRAYS.items())), HEADER)
    assert other.read_bytes() == path.read_bytes()


def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "today" / "model.safetensors"
    checkpoint.check_writable(path)
    assert list(path.parent.iterdir()) == []
    checkpoint.save(path, ARRAYS, HEADER)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_the_last_good_file_survives(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    before = path.read_bytes()
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[call], fail)
    expected = CheckpointError if isinstance(error, OSError) else KeyboardInterrupt
    message = r"model\.safetensors: can't be written: No space left on device" if isinstance(error, OSError) else None
    with pytest.raises(expected, match=message):
        checkpoint.save(path, {"new": np.zeros(3)}, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_half_written_is_removed(path: Path) -> None:
    def half(path: Path) -> None:
        with checkpoint.replacement(path) as file:
            file.write(b"half")
            file.flush()
            assert len(list(path.parent.iterdir())) == 2
            raise OSError(28, "No space left on device")

    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="can't be written: No space left on device"):
        half(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", [checkpoint.check_writable, lambda path: checkpoint.save(path, ARRAYS, HEADER)])
def test_what_can_not_be_written_is_named(tmp_path: Path, call: Any) -> None:
    with pytest.raises(CheckpointError, match=rf"^{tmp_path}: can't be written: it is a directory$"):
        call(tmp_path)
    for path in (Path(), Path(tmp_path.anchor)):  # which have no name
        with pytest.raises(CheckpointError, match=rf"^{path}: can't be written: it is a directory$"):
            call(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"file/model: can't be written: (File exists|Not a directory)$"):
        call(tmp_path / "file" / "model")
    assert (tmp_path / "file").read_text() == ""


def test_a_folder_without_permission_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may write everywhere, so a real folder would not do
    with pytest.raises(CheckpointError, match=r"model\.safetensors: can't be written: Permission denied"):
        checkpoint.check_writable(path)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: can't be read: Permission denied"):
        checkpoint.load(path)


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere: can't be read: No such file or directory$"):
        checkpoint.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=rf"^{tmp_path}: can't be read: "):
        checkpoint.load(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    other_end = os.open(tmp_path / "pipe", os.O_RDWR)  # so that who opens it all the same doesn't wait
    try:
        with pytest.raises(CheckpointError, match=r"pipe: can't be read: it is a pipe, and a checkpoint is a regular "):
            checkpoint.load(tmp_path / "pipe")
    finally:
        os.close(other_end)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(CheckpointError, match="can't be read: File name too long"):
        checkpoint.load("a" * 300)


def test_every_truncation_is_found(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=r"model\.safetensors: not a whole safetensors file: "):
            checkpoint.load(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        checkpoint.load(path)


def test_every_changed_byte_is_found(path: Path) -> None:
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(0)
    changed = bytearray(data)
    for at in range(len(data)):
        changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"model\.safetensors: "):
            checkpoint.load(path)
        changed[at] = data[at]


def test_huge_lengths_are_refused(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"\xff" * 8 + data[8:])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        checkpoint.load(path)
    path.write_bytes(data.replace(b'"shape":[2,3]', b'"shape":[2,999999999999]', 1))
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, r"a safetensors file without the header of a checkpoint \('tinygrad_rnn'\)"),
        ({"tinygrad_rnn": "{"}, "its header is malformed: JSONDecodeError: "),
        ({"tinygrad_rnn": "[1]"}, "its header is malformed: TypeError: "),
        ({"tinygrad_rnn": "[" * 100_000}, "its header is malformed: RecursionError: "),
        ({"tinygrad_rnn": json.dumps({"sha256": ""})}, "its header is malformed: KeyError: 'header'"),
        ({"tinygrad_rnn": json.dumps({"sha256": "", "header": {}})}, "damaged: its checksum is not that of its"),
    ],
)
def test_a_wrong_header_is_named(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(2)}, path, metadata)
    with pytest.raises(CheckpointError, match=rf"model\.safetensors: {message}"):
        checkpoint.load(path)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "BF16", "F4"])
def test_dtypes_unknown_to_numpy(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "model.safetensors"
    size = {"F8_E4M3": 4, "BF16": 8, "F4": 2}[dtype]
    table = json.dumps({"a": {"dtype": dtype, "shape": [4], "data_offsets": [0, size]}}).encode()
    path.write_bytes(len(table).to_bytes(8, "little") + table + bytes(size))
    with pytest.raises(CheckpointError, match=r"model\.safetensors: "):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "call", [checkpoint.load, checkpoint.check_writable, lambda path: checkpoint.save(path, {}, {})]
)
def test_the_missing_library_is_named_with_its_extra(path: Path, monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"pip install 'tinygrad-rnn\[demos\]'"):
        call(path)
