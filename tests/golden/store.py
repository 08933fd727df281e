"""Golden files: cases of options and arrays in one `.npz`, made by the scripts here and read by the tests.

A file holds an array under each key `case/key` and one JSON text under `config`: the versions of what
computed the values, and for every case its options.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """What was computed (`options`, plain JSON values) and with which inputs and results (`arrays`)."""

    name: str
    options: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(repr=False)

    def group(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the arrays under `prefix/...` by the rest of their key: `param/bias` becomes `bias`."""
        return {key[len(prefix) + 1 :]: a for key, a in self.arrays.items() if key.startswith(f"{prefix}/")}

    def __str__(self) -> str:
        return self.name


def load(stem: str) -> list[Case]:
    """Read the cases of `stem`.npz in the order in which they were made."""
    with np.load(HERE / f"{stem}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    config = json.loads(str(arrays.pop("config")))
    grouped: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in config["cases"]}
    for key, array in arrays.items():
        name, _, rest = key.partition("/")
        grouped[name][rest] = array
    return [Case(name, options, grouped[name]) for name, options in config["cases"].items()]


def save(stem: str, cases: Sequence[Case], libraries: Iterable[Any]) -> None:
    """Write `cases` to `stem`.npz with the versions of the interpreter and of the `libraries` that made them.

    Raises ValueError when two cases share a name or an array holds NaN, which would compare equal to nothing.
    """
    if len({case.name for case in cases}) != len(cases):
        raise ValueError(f"two cases share a name among {[case.name for case in cases]}")
    versions = {"python": sys.version.split()[0], "numpy": np.__version__}
    versions |= {library.__name__: library.__version__ for library in libraries}
    config = {"made_by": versions, "cases": {case.name: case.options for case in cases}}
    arrays: dict[str, Any] = {f"{case.name}/{key}": a for case in cases for key, a in case.arrays.items()}
    for key, array in arrays.items():
        if np.isnan(array).any():
            raise ValueError(f"{key} holds NaN")
    path = HERE / f"{stem}.npz"
    np.savez_compressed(path, config=np.array(json.dumps(config)), **arrays)
    made_by = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size / 1024:.0f} kB, made by {made_by}")


def draw(random: np.random.Generator, *shape: int, scale: float = 1.0) -> NDArray[np.float64]:
    """Draw from [-scale, scale] in steps of scale/256: short mantissas, which keep the files small."""
    return np.asarray(random.integers(-256, 257, shape) * (scale / 256), np.float64)
