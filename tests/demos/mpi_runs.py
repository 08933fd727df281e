"""Running the main job as several processes, where there is an MPI to start them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.demos.char_lm_runs import PROGRAM, ROOT

FOLDERS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
MPIEXEC = shutil.which("mpiexec", path=FOLDERS)
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="the extra mpi is not installed: pip install -e '.[mpi]'",
)


def mpiexec_of() -> str:
    """What mpiexec says of itself."""
    if MPIEXEC is None:
        return ""
    return subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603


passes_on_signals = pytest.mark.skipif("Open MPI" in mpiexec_of(), reason="mpiexec of Open MPI kills on Ctrl-C")


def start(ranks: int, *arguments: object, program: Sequence[str] = (PROGRAM,)) -> subprocess.Popen[str]:
    """The program as several processes."""
    single = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [str(MPIEXEC), "-n", str(ranks), sys.executable, "-u", *program, *map(str, arguments)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=os.environ | single, text=True, **pipes)  # noqa: S603  our own program


def run(ranks: int, *arguments: object, program: Sequence[str] = (PROGRAM,)) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    with start(ranks, *arguments, program=program) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()  # if it has not ended by itself
        return process.returncode, out, err
