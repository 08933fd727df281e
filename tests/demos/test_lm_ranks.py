"""Several processes train the model that one would have trained; when one of them is lost, little else is."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demos import char_lm
from demos.lm.corpus import read_corpus
from demos.lm.files import restore
from demos.lm.options import Train
from demos.lm.ranks import Ranks, launched
from demos.lm.settings import OptionError
from demos.lm.training import Trainer
from tests.demos.char_lm_runs import TINY, train
from tests.demos.mpi_runs import needs_mpi, passes_on_signals, run, start
from tinygrad_rnn import checkpoint
from tinygrad_rnn.tensor import Array

QUICK = ["--iterations", "20", "--report", "7"]
EXACT = ["--dtype", "float64", *QUICK]
IN_RANK_1 = """
import os, signal, sys
from demos import char_lm
from demos.lm import ranks, training

def step(trainer, before=training.Trainer.step):
    if trainer.ranks.rank == 1 and trainer.iteration == 12:
        {}
    return before(trainer)

training.Trainer.step = step
sys.exit(ranks.launched().run(lambda: char_lm.main(sys.argv[1:])))
"""


OTHERWISE_IN_RANK_1 = """
import sys
import numpy
from demos import char_lm
from demos.lm import ranks, training

here, new_model = ranks.launched(), training.new_model
if here.rank == 1:
    {}
sys.exit(here.run(lambda: char_lm.main(sys.argv[1:])))
"""


def together(ranks: int, text: Path, folder: Path, *more: str) -> str:
    """Train by several ranks; what they print."""
    code, out, err = run(ranks, "train", "--text", text, "--run", folder, *TINY, *more)
    assert (code, err) == (0, "")
    return out


def contents(folder: Path) -> tuple[Mapping[str, Array], dict[str, Any]]:
    return checkpoint.load(folder / "last.safetensors")


def assert_equal(folder: Path, other: Path, atol: float) -> None:
    """Check everything in the last checkpoints of two runs, the random numbers to come among it."""
    (ours, header), (theirs, their_header) = contents(folder), contents(other)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_allclose(array, theirs[name], rtol=0, atol=atol, err_msg=name, strict=True)
    best, their_best = header.pop("best"), their_header.pop("best")
    assert header == their_header
    assert best == pytest.approx(their_best, abs=1e-12)


@needs_mpi
@pytest.mark.parametrize(
    ("ranks", "more"),
    [
        (2, ["--cell", "lstm"]),
        (2, ["--cell", "gru", "--batch-size", "9", "--optimizer", "rmsprop", "--lr", "0.002", "--clip", "0.1"]),
        (3, ["--cell", "rnn", "--unroll", "--optimizer", "sgd"]),
    ],
)
def test_ranks_make_the_steps_of_one(ranks: int, more: list[str], text: Path, tmp_path: Path) -> None:
    train(text, tmp_path / "one", *EXACT, *more)
    out = together(ranks, text, tmp_path / "several", *EXACT, *more)
    assert f"1 in each of {ranks} processes" in out
    assert out.count("\niteration ") == 2
    assert_equal(tmp_path / "one", tmp_path / "several", atol=1e-12)


@needs_mpi
def test_any_number_of_ranks_goes_on(text: Path, tmp_path: Path) -> None:
    constant = [*EXACT, "--schedule", "constant"]
    train(text, tmp_path / "one", *constant)
    train(text, tmp_path / "several", *constant, "--iterations", "9")
    for ranks, iterations in [(3, 14), (2, 20)]:
        code, _, err = run(ranks, "train", "--resume", tmp_path / "several", "--iterations", iterations)
        assert (code, err) == (0, "")
    assert_equal(tmp_path / "one", tmp_path / "several", atol=1e-12)


@needs_mpi
def test_the_same_ranks_go_on_bit_for_bit_with_dropout(text: Path, tmp_path: Path) -> None:
    parts = ["--schedule", "constant", "--dropout", "0.3"]
    together(2, text, tmp_path / "whole", *QUICK, *parts)
    together(2, text, tmp_path / "parts", *QUICK, *parts, "--iterations", "9")
    assert run(2, "train", "--resume", tmp_path / "parts", "--iterations", 20)[0] == 0
    whole, parted = contents(tmp_path / "whole")[0], contents(tmp_path / "parts")[0]
    assert all(np.array_equal(array, parted[name]) for name, array in whole.items())


@needs_mpi
def test_all_stop_when_the_first_has_seen_enough(text: Path, tmp_path: Path) -> None:
    out = together(2, text, tmp_path, "--lr", "0", "--report", *map(str, range(1, 20)), "--patience", "3")
    assert "no improvement after iteration 4," in out


@needs_mpi
@passes_on_signals
def test_ctrl_c_ends_all_after_one_step(text: Path, tmp_path: Path) -> None:
    more = [*TINY, "--iterations", 1_000_000, "--schedule", "constant", "--lr", 0.001, "--save-every", 1_000_000]
    with start(2, "train", "--text", text, "--run", tmp_path / "run", *more, "--report") as process:
        assert process.stdout is not None
        while " chars/s " not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    found = re.search(r"interrupted +after iteration (\d+)", out)
    assert found is not None
    assert contents(tmp_path / "run")[1]["iteration"] == int(found[1])


@needs_mpi
def test_a_rank_that_is_asked_to_stop_tells_the_others(text: Path, tmp_path: Path) -> None:
    asked = ["-c", IN_RANK_1.format("os.kill(os.getpid(), signal.SIGINT)")]
    code, out, _ = run(2, "train", "--text", text, "--run", tmp_path, *TINY, "--report", program=asked)
    assert code == 130
    assert "interrupted    after iteration 13," in out


@needs_mpi
@pytest.mark.parametrize(
    ("what", "message"),
    [
        # in the words of MPICH, and of Open MPI
        ("os.kill(os.getpid(), signal.SIGKILL)", r"Killed \(signal 9\)|signal 9 \(Killed\)"),
        ("raise MemoryError('no room')", r"rank 1: Traceback [\s\S]*MemoryError: no room"),
    ],
)
def test_a_lost_rank_ends_the_others(what: str, message: str, text: Path, tmp_path: Path) -> None:
    lossy = ["-c", IN_RANK_1.format(what)]
    arguments = ["train", "--text", text, "--run", tmp_path, *TINY, "--save-every", 5, "--report"]
    code, out, err = run(2, *arguments, program=lossy)
    assert code != 0
    assert re.search(message, out + err)
    assert contents(tmp_path)[1]["iteration"] == 10
    restore(str(tmp_path))
    assert char_lm.main(["train", "--resume", str(tmp_path), "--iterations", "15"]) == 0


@needs_mpi
def test_a_divergence_of_one_is_one_of_all(text: Path, tmp_path: Path) -> None:
    blown_up = ["-c", IN_RANK_1.format("trainer.state = tuple(h * float('nan') for h in trainer.state)")]
    arguments = ["train", "--text", text, "--run", tmp_path, *TINY, "--save-every", 5, "--report"]
    code, _, err = run(2, *arguments, program=blown_up)
    assert code == 1
    where = "on rank 1 the first number that is not finite is in "
    assert err.startswith(f"char_lm.py: training diverged at iteration 13: loss nan nats, gradient norm nan; {where}")
    assert err.count("char_lm.py: ") == 1
    assert "the checkpoint before is safe" in err
    restore(str(tmp_path))


@needs_mpi
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("sys.argv += ['--text', 'other.txt']", "text: rank 1 has sha256 [0-9a-f]+, but rank 0 has sha256 [0-9a-f]+"),
        ("sys.argv += ['--units', '9']", "units: rank 1 has 9, but rank 0 has 12"),
    ],
)
def test_ranks_that_would_train_different_models(what: str, message: str, text: Path, tmp_path: Path) -> None:
    content = text.read_text(encoding="utf-8")
    (tmp_path / "other.txt").write_text(content[::-1], encoding="utf-8")
    train(text, tmp_path / "run", iterations=2)
    before = contents(tmp_path / "run")
    program = ["-c", OTHERWISE_IN_RANK_1.format(what.replace("other", str(tmp_path / "other")))]
    code, out, err = run(2, "train", "--text", text, "--run", tmp_path / "run", *TINY, program=program)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"char_lm.py: {message}; text, options and checkpoint must be the same for all ranks\n", err)
    assert contents(tmp_path / "run")[1] == before[1]  # it was not set aside


@needs_mpi
def test_ranks_that_would_go_on_from_different_checkpoints(text: Path, tmp_path: Path) -> None:
    for name, more in [("one", []), ("other", ["--report", "4"])]:
        train(text, tmp_path / name, *more, iterations=5)
    program = ["-c", OTHERWISE_IN_RANK_1.format(f"sys.argv += ['--resume', {str(tmp_path / 'other')!r}]")]
    code, out, err = run(2, "train", "--resume", tmp_path / "one", "--iterations", 9, "--report", program=program)
    assert (code, out) == (2, "")
    assert re.match(r"char_lm.py: checkpoint: rank 1 has iteration 5 \(sha256 .*\), but rank 0 has iteration 5 ", err)
    assert err.count("\n") == 1


@needs_mpi
def test_all_ranks_have_the_parameters_of_the_first(text: Path, tmp_path: Path) -> None:
    once = [*EXACT, "--iterations", "2"]
    train(text, tmp_path / "one", *once)
    other = "training.new_model = lambda *given: new_model(*given[:2], numpy.random.default_rng(1))"
    arguments = ["train", "--text", text, "--run", tmp_path / "two", *TINY, *once]
    assert run(2, *arguments, program=["-c", OTHERWISE_IN_RANK_1.format(other)])[0] == 0
    assert_equal(tmp_path / "one", tmp_path / "two", atol=1e-12)


@needs_mpi
def test_mpiexec_with_a_command_for_one_process(tmp_path: Path) -> None:
    code, out, err = run(2, "sweep", "--run", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err.startswith("char_lm.py: sweep: one process is enough, but mpiexec has started 2; ")
    assert "python -m mpi4py.futures demos/char_lm.py sweep --mpi" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@needs_mpi
def test_wrong_options_are_told_once(text: Path, tmp_path: Path) -> None:
    code, _, err = run(2, "train", "--text", text, "--run", tmp_path, "--batch-size", "1")
    assert code == 2
    assert err.startswith("char_lm.py: batch_size: 2 ranks need a stream of text each, but there are 1\n")
    assert err.count("char_lm.py") == 1


# ------------------------------------------------------------------------------------------------------ without mpiexec


class Pretended(Ranks):
    """A rank of a number of them, as far as streams go."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__()
        self.rank, self.size = rank, size


@pytest.mark.parametrize(("streams", "size"), [(8, 1), (8, 2), (9, 2), (50, 7), (7, 7)])
def test_every_stream_has_one_rank(streams: int, size: int) -> None:
    owned = [list(range(streams))[Pretended(rank, size).own(streams)] for rank in range(size)]
    assert [stream for own in owned for stream in own] == list(range(streams))
    assert {len(own) for own in owned} <= {streams // size, -(-streams // size)}


def test_ranks_drop_out_different_units(text: Path) -> None:
    options = Train(text=str(text), units=4, steps=5, batch_size=4, dropout=0.5)
    trainers = [Trainer(options, read_corpus(options), Pretended(rank, 2)) for rank in (0, 1, 1)]
    for trainer in trainers:
        trainer.step()
    first, second, again = (trainer.rng.random() for trainer in trainers)
    assert first != second == again


def test_a_rank_without_a_stream() -> None:
    with pytest.raises(OptionError, match="batch_size: 3 ranks need a stream of text each, but there are 2"):
        Pretended(0, 3).own(2)


@pytest.mark.parametrize("name", ["PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK"])
def test_mpiexec_without_mpi4py(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert type(launched()) is Ranks
    monkeypatch.setenv(name, "0")
    with pytest.raises(ImportError, match=r"needs the package mpi4py: pip install 'tinygrad-rnn\[mpi\]'"):
        launched()
