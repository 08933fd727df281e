"""A training as a file, and back.

A checkpoint holds all that a ``Trainer`` is: the parameters under PyTorch's names, beside them ``optimizer.*``,
``state.*`` and ``recent``, and the rest in its header.
``tinygrad_rnn.checkpoint`` writes it so that it is whole or not there, and notices damage. A file that is whole, but
says what can't be, is refused here. Every refusal is a CheckpointError with the file and the reason.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from demos.lm.corpus import Corpus, digest, read_corpus
from demos.lm.folder import Folder, find
from demos.lm.model import CharLM
from demos.lm.options import Train
from demos.lm.ranks import Ranks
from demos.lm.settings import OptionError, options_of, recorded, values
from demos.lm.training import Best, Trainer, new_model
from tinygrad_rnn import checkpoint, text
from tinygrad_rnn.checkpoint import CheckpointError
from tinygrad_rnn.nn.cells import DETACHED
from tinygrad_rnn.tensor import Array, Tensor

BESIDE = re.compile(r"optimizer\.|state\.|recent\Z")  # matches the names of arrays that are no parameters
ELSEWHERE = "if it is elsewhere now, train --resume and evaluate take that place by --text"


# ------------------------------------------------------------------------------------------------------------- writing


def save(trainer: Trainer, path: Path) -> None:
    """Write a checkpoint. Raises CheckpointError if that fails; the file that was there is as it was then.

    Of several ranks, rank 0 writes it, once all have handed in their part of the state: so each has to call this.
    """
    streams, ranks = trainer.options.batch_size, trainer.ranks
    state = [ranks.gathered(tensor.data, streams) for tensor in tensors_of(trainer.state)]
    if not ranks.first:
        return
    moments = trainer.optimizer.state_dict()
    header = {
        "iteration": trainer.iteration,
        "options": recorded(trainer.options),
        "vocabulary": trainer.corpus.vocabulary.characters,
        "text": {"name": trainer.corpus.name, "sha256": trainer.corpus.sha256},
        "optimizer": {name: moments.pop(name) for name in ("step", "lr")},
        "rng": trainer.rng.bit_generator.state,
        "position": trainer.batches.position,
        "best": asdict(trainer.best) if trainer.best.iteration else None,
    }
    arrays = trainer.model.state_dict() | {f"optimizer.{name}": array for name, array in moments.items()}
    arrays |= {f"state.{k}": array for k, array in enumerate(state)}
    arrays["recent"] = np.array(trainer.recent, np.float64)
    checkpoint.save(path, arrays, header)


def match_best(folder: Folder, trainer: Trainer, path: Path) -> Path | None:
    """Have ``folder.best`` be the best of ``trainer``, which goes on from ``path``; where one is now that was not.

    The last checkpoint is written before the best, which is the same: so what is missing after a kill between the two
    is copied. A file of other steps, which are dropped with what followed this checkpoint, is set aside.
    """
    if trainer.best.iteration == trainer.iteration:
        data = path.read_bytes()
        with checkpoint.replacement(folder.best) as file:
            file.write(data)
        return None
    with contextlib.suppress(CheckpointError):  # nor is a damaged one the best
        if checkpoint.load(folder.best)[1].get("best") == asdict(trainer.best) | {"worse": 0}:
            return None
    return folder.set_aside([folder.best])


def tensors_of(state: Any) -> tuple[Tensor, ...]:
    """The tensors of a carried state: (h,) or (h, c), or none."""
    if state is None:
        return ()
    return state if isinstance(state, tuple) else (state,)


# ------------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read: the options of its training, the vocabulary, and the rest as it stands there."""

    path: Path
    options: Train
    vocabulary: text.Vocabulary
    arrays: Mapping[str, Array]
    header: Mapping[str, Any]


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Have whatever goes wrong inside, on account of what stands in the file, raised as CheckpointError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        reason = f"{error.args[0]!r} is missing" if type(error) is KeyError and error.args else str(error)
        raise CheckpointError(path, f"not a checkpoint of this program: {reason}") from error


def read_checkpoint(path: Path) -> Checkpoint:
    """What stands in a checkpoint, as far as that can be judged without building the model.

    A header can claim a model of any size; it is believed only if the file has as many numbers.
    """
    arrays, header = checkpoint.load(path)
    with reading(path):
        options, vocabulary = values(Train, header["options"]), text.Vocabulary(header["vocabulary"])
        claimed = options.units * (len(vocabulary) + options.layers * options.units)
        held = sum(array.size for array in parameters_of(arrays).values())
        if claimed > held:
            raise ValueError(
                f"the header describes {options.layers} layers of {options.units} units and {len(vocabulary)} "
                f"characters, but the file holds {held:,} numbers"
            )
        check_dtypes(parameters_of(arrays), options.dtype)
    return Checkpoint(path, options, vocabulary, arrays, header)


def check_dtypes(parameters: Mapping[str, Array], dtype: str) -> None:
    """Raise ValueError for a parameter of another ``dtype``, which would be converted to it."""
    for name, array in parameters.items():
        if array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype}, but must be {dtype}")


def model_in(read: Checkpoint) -> CharLM:
    """The model in a checkpoint, ready to use."""
    with reading(read.path):
        model = new_model(read.vocabulary, read.options, np.random.default_rng())
        model.load_state_dict(parameters_of(read.arrays))
    return model.eval()


def restore(path: str) -> tuple[CharLM, Train]:
    """The model at ``path``, a checkpoint or the folder of a run, and the options that it was trained with."""
    read = read_checkpoint(find(path, best=True))
    return model_in(read), read.options


def parameters_of(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of a checkpoint that are parameters."""
    return {name: array for name, array in arrays.items() if not BESIDE.match(name)}


def resume(read: Checkpoint, given: Mapping[str, Any], ranks: Ranks | None = None) -> Trainer:
    """The training in a checkpoint, to go on exactly as it would have, but for the options ``given`` anew.

    Raises OptionError for options that make another training of it; CheckpointError if its text has changed, and for
    what is wrong with the file.
    """
    options, ranks = changed(read.options, given), ranks or Ranks()
    ranks.own(options.batch_size)
    corpus = learned(read, options)
    with reading(read.path):
        trainer = Trainer(options, corpus, ranks)
        take(trainer, read)
    return trainer


def is_learned(read: Checkpoint, characters: str) -> bool:
    """Whether ``characters`` are those of the text that was learned."""
    with reading(read.path):
        return bool(digest(characters) == read.header["text"]["sha256"])


def learned(read: Checkpoint, options: Train) -> Corpus:
    """The text that was learned, read as ``options`` say.

    Raises TextError if there is none, CheckpointError if it is another one.
    """
    try:
        corpus = read_corpus(options)
    except text.TextError as error:
        raise text.TextError(f"{error}; {ELSEWHERE}") from error
    if not is_learned(read, corpus.characters):
        name = read.header["text"].get("name")
        reason = f"{options.text} is not the text that was learned, {name}, or has changed since; {ELSEWHERE}"
        raise CheckpointError(read.path, reason)
    with reading(read.path):
        if corpus.vocabulary != read.vocabulary:
            raise ValueError(f"its vocabulary of {len(read.vocabulary)} characters is not that of {options.text}")
    return corpus


def changed(options: Train, given: Mapping[str, Any]) -> Train:
    """``options`` with those ``given``. Raises OptionError for one that a training must keep."""
    known = options_of(options)
    for name, value in given.items():
        if name in known and known[name].lasting and known[name].checked(value) != getattr(options, name):
            raise OptionError(f"{name}: a resumed training keeps its {getattr(options, name)}, it can't become {value}")
    return values(Train, asdict(options) | dict(given))


def take(trainer: Trainer, read: Checkpoint) -> None:
    """Put what a checkpoint holds into a new ``trainer``. Raises various errors for what is wrong with it."""
    arrays, header = read.arrays, read.header
    trainer.model.load_state_dict(parameters_of(arrays))
    trainer.optimizer.parameters.gather()
    moments = {n.removeprefix("optimizer."): a for n, a in arrays.items() if n.startswith("optimizer.")}
    trainer.optimizer.load_state_dict(moments | dict(header["optimizer"]))
    trainer.rng.bit_generator.state = header["rng"]
    if not trainer.optimizer.steps == header["iteration"] == header["position"] >= 0:
        raise ValueError(f"iteration {header['iteration']} and position {header['position']} in the data disagree")
    trainer.batches.position = header["position"]
    trainer.state = carried(trainer, arrays)
    check_dtypes({"recent": arrays["recent"]}, "float64")
    trainer.recent.extend(arrays["recent"].reshape(-1).tolist())
    if header["best"] is not None:
        best = header["best"]
        trainer.best = Best(float(best["nats"]), int(best["iteration"]), int(best["worse"]))


def carried(trainer: Trainer, arrays: Mapping[str, Array]) -> Any:
    """The carried state in ``arrays``: what this rank has of it."""
    there = {name for name in arrays if name.startswith("state.")}
    if not there:
        return None
    zeros = tensors_of(trainer.model.zero_state(trainer.options.batch_size))
    if unknown := there - {f"state.{k}" for k in range(len(zeros))}:
        raise ValueError(f"{min(unknown)} is no part of the state of this model, which has {len(zeros)}")
    tensors = [Tensor(arrays[f"state.{k}"]) for k in range(len(zeros))]
    for k, (tensor, zero) in enumerate(zip(tensors, zeros, strict=True)):
        if (tensor.shape, tensor.dtype) != (zero.shape, zero.dtype):
            raise ValueError(f"state.{k} is {tensor.dtype} {tensor.shape}, but must be {zero.dtype} {zero.shape}")
    own = [Tensor(tensor.data[:, trainer.own], name=DETACHED) for tensor in tensors]
    return tuple(own) if len(own) > 1 else own[0]
