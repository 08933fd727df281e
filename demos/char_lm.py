"""A language model of characters, from a text file to new text.

    python demos/char_lm.py train                                    War and Peace, two LSTM layers of 128 units
    python demos/char_lm.py train --resume runs/char_lm              go on after Ctrl-C, or a power cut, bit for bit
    python demos/char_lm.py sample --prompt "Prince Andrew" --temperature 0.7
    python demos/char_lm.py evaluate
    python demos/char_lm.py neurons                                  a text coloured by what any unit does: a page
    python demos/char_lm.py export --format onnx                     for other programs, or safetensors for PyTorch
    python demos/char_lm.py sweep --cells lstm gru --units 64 128    many models, side by side
    mpiexec -n 4 python demos/char_lm.py train                       one model, by four processes

This file is the command line; the job itself is in ``demos/lm``, whose ``__init__.py`` says in which order to read it.
Each command lists its options with ``--help``, and takes them from a TOML file as well: ``--config FILE``.

Exit code: 0; 1 when training diverged; 2 after one line that says what is wrong with the input, or can't be written;
130 after Ctrl-C, 143 after SIGTERM and 129 when the terminal is closed, on which `train` finishes its step and saves;
141 when nobody reads on, as after `char_lm.py train | head`: `train` saves then as well.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import io
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__" and (on_ctrl_c := signal.getsignal(signal.SIGINT)) is signal.default_int_handler:

    def leave(*_: object) -> NoReturn:
        """End on Ctrl-C, until ``main`` does it: an import that is interrupted would say where, at length."""
        os.write(2, b"char_lm.py: interrupted\n")
        os._exit(130)

    signal.signal(signal.SIGINT, leave)

if __name__ in {"__main__", "__worker__"}:  # the latter in mpi4py.futures; BLAS reads its threads once, with NumPy
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--threads", nargs="?")
    early.add_argument("--config", nargs="?")
    asked = early.parse_known_args()[0]
    with contextlib.suppress(OSError, ValueError, RecursionError):  # of a file that is read, and refused, once more
        threads = tomllib.loads(Path(asked.config or os.devnull).read_text(encoding="utf-8")).get("threads", 1)
        for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
            os.environ[variable] = str(asked.threads or threads)

from demos.lm import commands, interchange, options, ranks, run, settings, sweep
from demos.lm.consoles import hush, nearest
from demos.lm.divergence import DivergedError
from demos.lm.report import command as pages
from tinygrad_rnn import checkpoint, text

Command = Callable[[Mapping[str, Any]], int]

COMMANDS: dict[str, tuple[type, Command]] = {
    "train": (options.Train, run.train),
    "sample": (options.Sample, commands.sample),
    "evaluate": (options.Evaluate, commands.evaluate),
    "report": (options.Report, pages.report),
    "neurons": (options.Neurons, pages.show_neurons),
    "export": (options.Export, interchange.export),
    "sweep": (options.Sweep, sweep.sweep),
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with ``message``."""
        self.exit(2, f"{self.prog}: {message}\n")


def parse(arguments: Sequence[str] | None) -> tuple[Command, dict[str, Any]]:
    """The command, and the options that are given for it.

    Raises OptionError for what is wrong with a file of them, and for several processes with a command for one.
    """
    parser = Parser(prog="char_lm.py", description="A language model of characters.")
    added = parser.add_subparsers(required=True, metavar=" | ".join(COMMANDS), dest="command")
    for name, (kind, _) in COMMANDS.items():
        about: dict[str, Any] = {"help": kind.__doc__, "description": kind.__doc__, "usage": "%(prog)s [option ...]"}
        settings.add_to(added.add_parser(name, allow_abbrev=False, **about), kind)
    given = vars(parser.parse_args(arguments))
    name, config = given.pop("command"), given.pop("config")
    if name != "train" and (size := ranks.launched().size) > 1:
        raise settings.OptionError(
            f"{name}: one process is enough, but mpiexec has started {size}; it is for `train` and, in the form "
            "mpiexec -n N python -m mpi4py.futures demos/char_lm.py sweep --mpi, for many models"
        )
    kind, command = COMMANDS[name]
    return command, (settings.checked(kind, settings.from_toml(config)) if config else {}) | given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. Mistakes in the input end in one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("nearest", nearest)  # a console that lacks a character prints what is like it
        sys.stdout.reconfigure(errors="nearest")
    try:
        command, given = parse(arguments)
        code = command(given)
        sys.stdout.flush()
    except (settings.OptionError, text.TextError, checkpoint.CheckpointError, ImportError) as error:
        code, message = 2, str(error)
    except DivergedError as error:
        code, message = 1, "; ".join([str(error), *error.__notes__])
    except KeyboardInterrupt:
        code, message = 130, "interrupted"
    except BrokenPipeError:
        hush()
        return 141
    except OSError as error:
        hush()
        code, message = 2, f"{error.filename or 'standard output'}: {error.strerror or error}"
    else:
        return code
    print(f"char_lm.py: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    launched = ranks.launched()
    signal.signal(signal.SIGINT, on_ctrl_c)
    sys.exit(launched.run(main))
