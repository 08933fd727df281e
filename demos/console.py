"""What the demos share: options, a progress bar, a table, and files for pictures.

Each demo imports this before NumPy, and so runs BLAS on one thread: more would only wait for each other over matrices
as small as these.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")

if TYPE_CHECKING:
    import graphviz
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Item = TypeVar("Item")

DATA = Path(__file__).parent / "data"
COLOURS = {"RNN": "#d55e00", "LSTM": "#0072b2", "GRU": "#009e73", "other": "#64748b"}  # the same in every picture


def parser(about: str | None, *, plot: str, full: str = "", needs: str = "matplotlib") -> argparse.ArgumentParser:
    """The options of all demos, with ``about``, a module's docstring, as help; ``--full`` where it says something.

    A picture that can't be written, or not without the package that it ``needs``, is refused before the work begins.
    """
    layout = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=about, formatter_class=layout, allow_abbrev=False)
    made.add_argument("--seed", metavar="N", type=seed, default=0, help="of all random numbers (default: 0)")
    file = partial(picture_file, needs=needs)
    made.add_argument("--plot", metavar="FILE", type=file, help=f"write {plot} to a .svg, .png or .pdf file")
    if full:
        made.add_argument("--full", action="store_true", help=full)
    return made


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """What reads a whole number from ``least`` on, or to ``most``, from the command line."""

    def read(word: str) -> int:
        if not word.isdecimal() or not least <= int(word) <= most:
            end = "on" if most == math.inf else f"to {most}"
            raise argparse.ArgumentTypeError(f"{word} is no whole number from {least} {end}")
        return int(word)

    return read


seed = whole(0, 2**32 - 1)  # which every generator of NumPy takes


def number(word: str) -> float:
    """The number that a word is, NaN if it is none."""
    try:
        return float(word)
    except ValueError:
        return math.nan


def finite(word: str) -> float:
    """A finite number on the command line."""
    if not math.isfinite(number(word)):
        raise argparse.ArgumentTypeError(f"{word} is no finite number")
    return number(word)


def positive(word: str) -> float:
    """A finite number above 0 on the command line."""
    if not 0 < number(word) < math.inf:
        raise argparse.ArgumentTypeError(f"{word} is no number above 0")
    return number(word)


def picture_file(name: str, needs: str) -> Path:
    """The file of a picture, whose name says in which form it is to be written, in a folder that is there then."""
    file = Path(name)
    if file.suffix not in {".svg", ".png", ".pdf"}:
        raise argparse.ArgumentTypeError(f"{name}: the name must end in .svg, .png or .pdf")
    if find_spec(needs) is None:
        raise argparse.ArgumentTypeError(f"it needs the package {needs}: pip install 'tinygrad-rnn[demos]'")
    new = not file.exists()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab"):
            pass
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name} can't be written: {error.filename}: {error.strerror}") from error
    if new:
        file.unlink()
    return file


def run(main: Callable[[], None]) -> NoReturn:
    """Run a demo: a character that the console lacks becomes ?, what is missing one line, Ctrl-C the exit code 130."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        main()
    except BrokenPipeError:  # nobody reads on, as after `memory.py | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ImportError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def progress(items: Iterable[Item], label: str) -> Iterable[Item]:
    """``items``, and on a terminal a bar that shows how far they have been gone through."""
    return bar(items, desc=label) if sys.stderr.isatty() else items


def bar(items: Iterable[Item] | None = None, **settings: Any) -> Any:
    """A bar as wide as the terminal, which vanishes at its end: ``items``, or what is told how far it is."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError("the progress bar needs the package tqdm: pip install 'tinygrad-rnn[demos]'") from error
    return tqdm(items, leave=False, dynamic_ncols=True, **settings)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print ``rows`` under ``header``: columns of numbers, all but the first, are flush right, others flush left."""
    columns = list(zip(header, *rows, strict=True))
    for k, (head, *cells) in enumerate(columns):
        width, numbers = max(map(len, (head, *cells))), k > 0 and all(cell[:1] in "0123456789.-" for cell in cells)
        columns[k] = tuple(cell.rjust(width) if numbers else cell.ljust(width) for cell in (head, *cells))
    for line in zip(*columns, strict=True):
        print("  ".join(line).rstrip())
    print()


def figure(title: str, x: str, y: str, *, width: float = 7.0, height: float = 4.0) -> tuple[Figure, Axes]:
    """A figure of ``width`` by ``height`` inches, and its empty axes."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.add_subplot()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return made, axes


def save(picture: Figure | graphviz.Digraph, file: Path) -> None:
    """Write a figure or a graph to ``file``; ImportError if there is no program to lay the graph out."""
    if hasattr(picture, "pipe"):
        from graphviz import ExecutableNotFound

        try:
            file.write_bytes(picture.pipe(format=file.suffix[1:]))
        except ExecutableNotFound as error:  # its text names what to install
            raise ImportError(str(error)) from error
    else:
        from matplotlib import rc_context

        with rc_context({"svg.hashsalt": "tinygrad_rnn"}):  # the same file in each run
            picture.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)
    print(f"wrote {file}")
