"""Every option of every command: default, unit, meaning, limits. They are checked wherever they come from."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from demos.lm.model import CELLS
from demos.lm.settings import OptionError, option

WAR_AND_PEACE = Path(__file__).parents[1] / "data" / "war_and_peace.txt"
RUN = "runs/char_lm"

OPTIMIZERS = ("adam", "adamw", "rmsprop", "adagrad", "sgd")
SCHEDULES = ("cosine", "constant", "exponential")
UNKNOWN = ("error", "skip")
FORMATS = ("safetensors", "onnx")


def check_encoding(name: str | None) -> None:
    """Raise OptionError unless text can be encoded by ``name``, and decoded piece by piece; None is no matter."""
    if name is None:
        return
    try:
        codecs.getincrementaldecoder(name)("replace").decode("a".encode(name))
    except (LookupError, ValueError) as error:
        raise OptionError(
            f"encoding: there is no encoding called {name!r} that a text can have; utf-8, cp1251 and latin-1 are some"
        ) from error


@dataclass(frozen=True)
class Train:
    """Learn a text: print validation and samples on the way, leave checkpoints and a log."""

    run: str = option(RUN, "DIR", "folder of checkpoints and log; a run that is there is set aside", recorded=False)
    resume: str | None = option(
        None, "PATH", "go on with a run, given its folder or one of its checkpoints", kind=str, recorded=False
    )
    threads: int = option(1, "N", "threads of BLAS", low=1, high=1024, recorded=False)

    text: str = option(str(WAR_AND_PEACE), "FILE", "what to learn", noted=True)
    encoding: str = option("utf-8-sig", "NAME", "encoding of the text; this one is UTF-8, byte order mark or not")
    bytes: bool = option(False, "", "learn the bytes of the file instead of its characters", lasting=True)
    split: tuple[float, ...] = option(
        (90.0, 5.0, 5.0), "PERCENT", "percent of the text to train on, to validate on, to test on", low=0, lasting=True
    )
    seed: int = option(0, "N", "seed of all random numbers", low=0, high=2**63 - 1, lasting=True)

    cell: str = option("lstm", "", "kind of the recurrent layers", choices=tuple(CELLS), lasting=True)
    layers: int = option(2, "N", "recurrent layers", low=1, high=100, lasting=True)
    units: int = option(128, "N", "units in each layer", low=1, high=100_000, lasting=True)
    dropout: float = option(0.0, "P", "probability that an output of a layer is dropped", low=0, high=1)
    dtype: str = option("float32", "", "precision of all numbers", choices=("float32", "float64"), lasting=True)
    unroll: bool = option(False, "", "record every operation, instead of running the layers by plans", lasting=True)

    steps: int = option(
        50, "N", "characters in a window: as far as gradients go back", low=1, high=1_000_000, lasting=True
    )
    batch_size: int = option(50, "N", "streams of text side by side", low=1, high=1_000_000, lasting=True)
    iterations: int = option(2000, "N", "updates of the parameters, one for each window", low=1, high=10**12)
    optimizer: str = option("adam", "", "update rule", choices=OPTIMIZERS, lasting=True)
    lr: float = option(0.015, "RATE", "highest learning rate; rmsprop wants 0.002, sgd 1", low=0, high=1e9)
    weight_decay: float = option(0.0, "RATE", "weight of the penalty on the parameters' squares", low=0, high=1e9)
    schedule: str = option("cosine", "", "how the rate falls after the warm-up", choices=SCHEDULES)
    gamma: float = option(0.999, "FACTOR", "of the exponential schedule: factor an iteration", low=0, high=1)
    warm_up: int = option(200, "N", "iterations in which the rate rises from a tenth", low=0, high=10**12)
    clip: float = option(1.0, "NORM", "largest norm of the gradient; 0: no limit", low=0, high=1e30)
    clip_value: float = option(0.0, "SIZE", "largest size of a number in the gradient; 0: no limit", low=0, high=1e30)

    report: tuple[int, ...] = option(
        (100, 300, 500, 700, 1200, 2000), "N", "iterations after which to validate and sample", low=1
    )
    report_every: int = option(2000, "N", "iterations between reports after the last of these; 0: no more", low=0)
    save_every: int = option(100, "N", "iterations between checkpoints, besides those at reports", low=1)
    patience: int = option(0, "N", "stop after so many reports in a row without a better validation; 0: never", low=0)

    def __post_init__(self) -> None:
        if len(self.split) != 3 or abs(sum(self.split) - 100) > 1e-6:
            shares = " ".join(f"{share:g}" for share in self.split)
            raise OptionError(f"split: three percentages that sum to 100 are needed, not {shares}")
        if self.encoding == "bytes":
            raise OptionError("encoding: a model of bytes is asked for by --bytes")
        check_encoding(self.encoding)


@dataclass(frozen=True)
class Sample:
    """Continue a prompt with new characters."""

    checkpoint: str = option(RUN, "PATH", "a checkpoint, or the folder of a run: the best one in it")
    prompt: str = option("", "TEXT", "what to continue; if empty, a new line")
    unknown: str = option("error", "", "what to do about characters that the model doesn't know", choices=UNKNOWN)
    length: int = option(500, "N", "new characters", low=0)
    temperature: float = option(1.0, "T", "divisor of the logits; 0: always the likeliest character", low=0, high=1e9)
    top_k: int | None = option(None, "K", "draw from the K likeliest characters only", kind=int, low=1)
    top_p: float | None = option(
        None, "P", "draw from the likeliest that make up the probability P only", kind=float, low=1e-6, high=1
    )
    seed: int | None = option(None, "N", "equal seeds give equal texts; without one, each is new", kind=int, low=0)
    threads: int = option(1, "N", "threads of BLAS", low=1, high=1024)


@dataclass(frozen=True)
class Evaluate:
    """Score a text: one that is named, or the three parts of the one that was learned."""

    checkpoint: str = option(RUN, "PATH", "a checkpoint, or the folder of a run: the best one in it")
    text: str | None = option(
        None,
        "FILE",
        "what to score, all of it; the text that was learned, wherever it is now, by its parts",
        kind=str,
        noted=True,
    )
    encoding: str | None = option(None, "NAME", "encoding of that file; without one, as in training", kind=str)
    unknown: str = option("error", "", "what to do about characters that the model doesn't know", choices=UNKNOWN)
    threads: int = option(1, "N", "threads of BLAS", low=1, high=1024)

    def __post_init__(self) -> None:
        check_encoding(self.encoding)


@dataclass(frozen=True)
class Report:
    """Write what there is to see of a run as one HTML page, which `train` does at its end."""

    run: str = option(RUN, "DIR", "folder of the run")
    output: str | None = option(None, "FILE", "where; if not given, report.html in that folder", kind=str)
    threads: int = option(1, "N", "threads of BLAS", low=1, high=1024)


@dataclass(frozen=True)
class Neurons:
    """Colour a text by what any unit does while it is read: an HTML page."""

    checkpoint: str = option(RUN, "PATH", "a checkpoint, or the folder of a run: the best one in it")
    text: str | None = option(None, "FILE", "what to read; if not given, the validation part", kind=str, noted=True)
    encoding: str | None = option(None, "NAME", "encoding of that file; without one, as in training", kind=str)
    unknown: str = option("error", "", "what to do about characters that the model doesn't know", choices=UNKNOWN)
    length: int = option(
        20_000, "N", "characters of it, from the beginning; a page has 1.33 bytes for each and each unit", low=1
    )
    output: str | None = option(None, "FILE", "where; if not given, neurons.html beside the checkpoint", kind=str)
    threads: int = option(1, "N", "threads of BLAS", low=1, high=1024)

    def __post_init__(self) -> None:
        check_encoding(self.encoding)


@dataclass(frozen=True)
class Export:
    """Write the model for other programs."""

    checkpoint: str = option(RUN, "PATH", "a checkpoint, or the folder of a run: the best one in it")
    format: str = option("safetensors", "", "safetensors has PyTorch's names and shapes", choices=FORMATS)
    output: str | None = option(None, "FILE", "where; if not given, model.FORMAT beside the checkpoint", kind=str)
    weights: str | None = option(
        None, "FILE", "safetensors file of parameters to take instead of the checkpoint's, as from PyTorch", kind=str
    )


@dataclass(frozen=True)
class Sweep:
    """Train every cell with every number of layers and units, side by side, and compare them."""

    run: str = option("runs/sweep", "DIR", "folder of the runs; what is done in it is left out")
    train: str | None = option(None, "FILE", "TOML file of the options of each training", kind=str)
    cells: tuple[str, ...] = option(("rnn", "lstm", "gru"), "", "kinds of recurrent layers", choices=tuple(CELLS))
    layers: tuple[int, ...] = option((1, 2, 3), "N", "numbers of recurrent layers", low=1, high=100)
    units: tuple[int, ...] = option((64, 128, 256, 512), "N", "numbers of units in each layer", low=1, high=100_000)
    workers: int = option(0, "N", "models at once; 0: one for each processor", low=0)
    mpi: bool = option(False, "", "hand the models out to the processes of mpiexec -n N python -m mpi4py.futures")
    threads: int = option(1, "N", "threads of BLAS for each model", low=1, high=1024)

    def __post_init__(self) -> None:
        for name in ("cells", "layers", "units"):
            asked: tuple[object, ...] = getattr(self, name)
            if not asked or len(set(asked)) < len(asked):
                raise OptionError(f"{name}: one or more are needed, each of them once")
