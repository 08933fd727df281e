"""Checkpoints: named arrays and a header of plain data in one file, which is whole or not there.

The file is a `.safetensors` file (the format of Hugging Face: a table of names, dtypes and shapes, then the bytes of
the arrays), so that any program that knows the format reads the arrays; nothing in it is ever executed. Its metadata
has one entry, ``tinygrad_rnn``: the header as JSON, and a SHA-256 of everything, by which ``load`` knows damage.

A file is written under a temporary name beside its final one, synced and renamed. Whatever happens meanwhile, a file
under the final name is complete: the new one or the one before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from tinygrad_rnn.tensor import Array

StrPath: TypeAlias = str | os.PathLike[str]

ENTRY = "tinygrad_rnn"  # the one entry of the metadata: several would be written in random order


class CheckpointError(Exception):
    """A checkpoint that can't be written or read: the message names the file and the reason."""

    def __init__(self, path: StrPath, reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")


def save(path: StrPath, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
    """Write ``arrays`` and ``header`` to ``path``, replacing a file that is there only when the new one is complete.

    ``arrays`` have names and any shapes, of the dtypes that safetensors knows (all floats, integers and booleans);
    ``header`` is what JSON can hold, with numbers of any size. Equal contents give equal files. Folders that are
    missing are made.

    Raises CheckpointError if the file can't be written (no permission, no space, ...); the temporary file is removed
    then, and the file that was there is as it was.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Path(folder, "a.safetensors"), {"weight": np.eye(2)}, {"step": 7})
    ...     load(Path(folder, "a.safetensors"))
    ({'weight': array([[1., 0.], [0., 1.]])}, {'step': 7})
    """
    safetensors = library()
    plain = {name: np.asarray(a, a.dtype.newbyteorder("="), order="C") for name, a in arrays.items()}
    entry = json.dumps({"sha256": digest(plain, header), "header": header})
    data = safetensors.numpy.save(plain, {ENTRY: entry})
    with replacement(Path(path)) as file:
        file.write(data)


def load(path: StrPath) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays, by name, and the header that ``save`` wrote to ``path``.

    Raises CheckpointError if there is no such file, or it can't be read, is not a whole safetensors file, has no
    header, or does not hold what was written.
    """
    arrays, metadata = contents(path)
    if ENTRY not in metadata:
        raise CheckpointError(path, f"a safetensors file without the header of a checkpoint ({ENTRY!r})")
    try:
        entry = json.loads(metadata[ENTRY])
        expected, header = entry["sha256"], dict(entry["header"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(path, f"its header is malformed: {type(error).__name__}: {error}") from error
    if digest(arrays, header) != expected:
        raise CheckpointError(path, "damaged: its checksum is not that of its contents")
    return arrays, header


def contents(path: StrPath) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays, by name, and the metadata of any safetensors file, whoever wrote it.

    Raises CheckpointError if there is no such file, or it can't be read, is a pipe, is not a whole safetensors file, or
    has a dtype that NumPy hasn't.
    """
    safetensors = library()
    try:
        if Path(path).is_fifo():  # which would have us wait for ever
            raise OSError("it is a pipe, and a checkpoint is a regular file")  # noqa: TRY301  as all that can't be read
        Path(path).open("rb").close()  # Python's errors say more than those of the library
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except OSError as error:
        raise CheckpointError(path, f"can't be read: {error.strerror or error}") from error
    except (safetensors.SafetensorError, AttributeError, TypeError, ValueError) as error:  # the latter for odd dtypes
        raise CheckpointError(path, f"not a whole safetensors file: {error}") from error
    return arrays, metadata


def check_writable(path: StrPath) -> None:
    """Raise CheckpointError unless ``save`` can write to ``path``: to be called before hours of work, not after."""
    library()
    with replacement(Path(path), keep=False) as file:
        file.write(b"\0")


@contextlib.contextmanager
def replacement(path: Path, *, keep: bool = True) -> Iterator[IO[bytes]]:
    """A temporary file beside ``path`` to write to, which takes its place at the end (only if ``keep``).

    It is removed instead if anything goes wrong. Raises CheckpointError for every OSError.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a directory")
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if keep:
                temporary.replace(path)
                sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(path, f"can't be written: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Have the names of ``folder`` on disk, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows opens no folders; it needs no such call either
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def digest(arrays: Mapping[str, Array], header: Mapping[str, Any]) -> str:
    """The SHA-256 of the header and of every array's name, dtype, shape and bytes, in hexadecimal."""
    sha = hashlib.sha256(json.dumps(header).encode())
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def library() -> Any:
    """The package safetensors, which only checkpoints need."""
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "checkpoints need the package safetensors: pip install 'tinygrad-rnn[demos]' (or pip install safetensors)"
        ) from error
    return safetensors
