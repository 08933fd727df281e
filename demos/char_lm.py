"""A language model of characters, from a text file to new text: the whole job in one file.

    python demos/char_lm.py train                                    War and Peace, two LSTM layers of 128 units
    python demos/char_lm.py sample --prompt "Prince Andrew" --temperature 0.7
    python demos/char_lm.py evaluate

Read it from top to bottom: the model; `train`, where everything comes together; `score` and `continuation`, which use
the model; the checkpoint; the other two commands; the console. Each command lists its options with ``--help``.

Exit code: 0; 1 when training diverged; 2 after one line that says what is wrong with the input; 130 after Ctrl-C, on
which `train` finishes its step and saves.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import math
import os
import signal
import sys
import textwrap
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self, TypeAlias

if __name__ == "__main__":  # BLAS reads its number of threads once, when NumPy loads: so this option is read before it
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--threads", nargs="?", default="1", const="1")
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = early.parse_known_args()[0].threads

import numpy as np

from tinygrad_rnn import checkpoint, cross_entropy, nn, no_grad, optim, text
from tinygrad_rnn.scan import Stepper
from tinygrad_rnn.tensor import Array, Tensor
from tinygrad_rnn.text.vocabulary import Ids

Window: TypeAlias = tuple[Ids, Ids]  # inputs and targets [T, B]

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
NGRAM_ORDER = 6  # of the model that counts, for comparison: with one to three million characters the best one
WAR_AND_PEACE = Path(__file__).parent / "data" / "war_and_peace.txt"
REPORTS = [100, 300, 500, 700, 1200, 2000]  # iterations at which to validate, print a sample and save
LOG_EVERY = 100  # iterations: how often a line is printed where there is no terminal, and the losses it averages


class CharLM(nn.Module):
    """Predicts each next character of a text: an embedding, recurrent layers, and a linear map to V logits."""

    def __init__(
        self, vocabulary: text.Vocabulary, cell: str, layers: int, units: int, *, dropout: float, rng: nn.init.Seed
    ) -> None:
        more: dict[str, Any] = {"forget_bias": 1.0} if cell == "lstm" else {}  # an LSTM starts by keeping what it has
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(len(vocabulary), units, rng=rng)
        self.recurrent = LAYERS[cell](units, units, layers, dropout=dropout, rng=rng, **more)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.head = nn.Linear(units, len(vocabulary), rng=rng)

    def forward(self, ids: Ids, state: Any = None) -> tuple[Tensor, Any]:
        """From ``ids`` [T, B], and the state before them, to the logits [T, B, V] of what follows each, and the state.

        A ``state`` of None is a fresh start.
        """
        outputs, state = self.recurrent(self.embedding(ids), state)
        return self.head(self.dropout(outputs)), state

    def zero_state(self) -> Any:
        """A fresh start of one text."""
        cells = self.recurrent.cells
        tensors = [Tensor(np.zeros((len(cells), 1, size), np.float32)) for size in cells[0].state_sizes]
        return tuple(tensors) if len(tensors) > 1 else tensors[0]


# ------------------------------------------------------------------------------------------------------------- training


def train(options: argparse.Namespace) -> int:
    """Learn a text: print samples and validation on the way, leave a checkpoint."""
    checkpoint.check_writable(options.checkpoint)
    content = text.read_text(options.text, options.encoding)
    vocabulary = text.Vocabulary.from_text(content)
    training, validation, test = text.split(vocabulary.encode(content))
    say("text", f"{Path(options.text).name}, {len(content):,} characters, {len(vocabulary)} distinct")
    say("split", f"training {len(training):,}, validation {len(validation):,}, test {len(test):,} characters")
    batches = text.Batches(training, steps=options.steps, batch_size=options.batch_size)
    windows = list(text.evaluation_batches(validation, steps=options.steps, batch_size=options.batch_size))

    rng = np.random.default_rng(options.seed)
    model = new_model(vocabulary, vars(options), rng)
    optimizer = optim.Adam(model.parameters(), betas=(0.9, 0.99))
    decay = optim.CosineDecay(options.lr, max(options.iterations - options.warm_up, 1))
    schedule = optim.WarmUp(decay, options.warm_up, start_factor=0.1)
    size = f"{options.layers} x {options.units} units, {optimizer.parameters.value.size:,} parameters"
    say("model", f"{options.cell.upper()}, {size}")
    say("BLAS threads", options.threads)
    counted = text.witten_bell(training, validation, vocabulary_size=len(vocabulary), order=NGRAM_ORDER)[-1]
    say(baseline := f"n-gram order {NGRAM_ORDER}", f"validation {per_character(counted)}\n")

    state, done = None, False
    with interrupts() as interrupted, Progress(options.iterations, options.steps * options.batch_size) as progress:
        while not done:
            if batches.at_epoch_start:
                state = None
            optimizer.lr = schedule(optimizer.steps)
            loss, state = update(model, optimizer, next(batches), state, clip=options.clip)
            progress.advance(loss)
            last = optimizer.steps == options.iterations
            done = last or bool(interrupted)
            if last or optimizer.steps in options.report:
                progress.say(f"iteration {optimizer.steps}", report(model, windows, options.seed))
            if done or optimizer.steps in options.report:
                save(options, model, optimizer, rng)
    say(baseline, f"validation {per_character(counted)}")
    say("interrupted" if interrupted else "done", f"after iteration {optimizer.steps}, saved in {options.checkpoint}")
    return 130 if interrupted else 0


def update(model: CharLM, optimizer: optim.Optimizer, window: Window, state: Any, *, clip: float) -> tuple[float, Any]:
    """One step of truncated backpropagation through time: the loss in nats per character, and the state to go on from.

    ``state`` connects the windows; it is detached, so the gradient goes back to the beginning of this one.
    """
    inputs, targets = window
    optimizer.zero_grad()
    logits, state = model(inputs, state)
    loss = cross_entropy(logits, targets)
    loss.backward()
    norm = optim.clip_grad_norm(optimizer, clip)
    if not math.isfinite(norm):
        raise DivergedError(optimizer.steps + 1, loss.item(), norm)
    optimizer.step()
    return loss.item(), nn.detach(state)


def report(model: CharLM, windows: Iterable[Window], seed: int) -> str:
    """What the model is worth now and a sample of it, made with states and random numbers of their own."""
    model.eval()
    validation = score(model, windows)
    characters = "".join(continuation(model, length=200, rng=np.random.default_rng(seed)))
    model.train()
    return f"validation {per_character(validation.nats)}\n\n{textwrap.indent(characters, '    ')}\n"


class DivergedError(Exception):
    """Training has left the finite numbers."""

    def __init__(self, iteration: int, loss: float, norm: float) -> None:
        super().__init__(
            f"training diverged at iteration {iteration}: loss {loss:g} nats, gradient norm {norm:g}; lower --lr or "
            "--clip, or raise --warm-up; a checkpoint saved before is kept"
        )


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """A list to which Ctrl-C adds, instead of stopping the program at once; the second Ctrl-C stops it."""
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, before)


# ------------------------------------------------------------------------------------------------------ using the model


def score(model: CharLM, windows: Iterable[Window]) -> text.Score:
    """How well ``model`` predicts the text that was cut into ``windows``: total nats and total characters."""
    total, state = text.Score(), None
    with no_grad():
        for inputs, targets in windows:
            logits, state = model(inputs, state)
            nats = cross_entropy(logits, targets, reduction="sum", ignore_index=text.IGNORE)
            total.add(nats.item(), int(np.count_nonzero(targets != text.IGNORE)))
    return total


def continuation(model: CharLM, **settings: Any) -> Iterator[str]:
    """Characters drawn from ``model`` one by one; ``settings`` are those of ``text.generate``: prompt, length, ..."""

    def step(state: Any, ids: Tensor) -> tuple[Any, Tensor]:
        logits, state = model(ids, state)
        return state, logits

    def next_logits(index: int, _: None) -> tuple[Array, None]:
        return stepper(np.array([[index]]))[0, 0], None

    stepper = Stepper(step, model.zero_state(), np.zeros((1, 1), int))
    return text.generate(next_logits, None, model.vocabulary, **settings)


# ------------------------------------------------------------------------------------------------------- the checkpoint


def new_model(vocabulary: text.Vocabulary, options: Mapping[str, Any], rng: np.random.Generator) -> CharLM:
    """A model as the options of ``train`` describe it."""
    cell, layers, units = options["cell"], options["layers"], options["units"]
    model = CharLM(vocabulary, cell, layers, units, dropout=options["dropout"], rng=rng)
    model.recurrent.unroll = options["unroll"]
    return model


def save(options: argparse.Namespace, model: CharLM, optimizer: optim.Optimizer, rng: np.random.Generator) -> None:
    """Write the checkpoint: parameters under PyTorch's names, the optimizer's arrays, and the rest in the header."""
    moments = optimizer.state_dict()
    header = {
        "iteration": optimizer.steps,
        "options": {name: value for name, value in vars(options).items() if name != "run"},
        "vocabulary": model.vocabulary.characters,
        "optimizer": {name: moments.pop(name) for name in ("step", "lr")},
        "rng": rng.bit_generator.state,
    }
    arrays = model.state_dict() | {f"optimizer.{name}": array for name, array in moments.items()}
    checkpoint.save(options.checkpoint, arrays, header)


def restore(path: str) -> tuple[CharLM, argparse.Namespace]:
    """The model in a checkpoint, ready to use, and the options that it was trained with."""
    arrays, header = checkpoint.load(path)
    try:
        model = new_model(text.Vocabulary(header["vocabulary"]), header["options"], np.random.default_rng())
        model.load_state_dict({name: a for name, a in arrays.items() if not name.startswith("optimizer.")})
    except (KeyError, TypeError, ValueError) as error:
        raise checkpoint.CheckpointError(path, f"not a checkpoint of this program: {error}") from error
    return model.eval(), argparse.Namespace(**header["options"])


# --------------------------------------------------------------------------------------------------- the other commands


def sample(options: argparse.Namespace) -> int:
    """Continue a prompt with new characters."""
    model, _ = restore(options.checkpoint)
    settings = {name: getattr(options, name) for name in ("prompt", "length", "temperature", "top_k", "top_p")}
    characters = continuation(model, **settings, rng=np.random.default_rng(options.seed))
    for character in itertools.chain(options.prompt, characters, "\n"):
        print(character, end="", flush=True)
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Score a text: one that is named, or the validation and test parts of the one that was learned."""
    model, trained = restore(options.checkpoint)
    path = options.text or trained.text
    ids = model.vocabulary.encode(text.read_text(path, options.encoding or trained.encoding))
    _, validation, test = text.split(ids)
    say("text", Path(path).name)
    for name, part in {"all": ids}.items() if options.text else {"validation": validation, "test": test}.items():
        total = score(model, text.evaluation_batches(part, steps=trained.steps, batch_size=trained.batch_size))
        say(name, f"{per_character(total.nats)}, {total.characters:,} characters scored")
    return 0


# ---------------------------------------------------------------------------------------------------------- the console


def entry(label: str, value: object) -> str:
    """What the program tells, in two columns."""
    return f"{label:<16}{value}"


def say(label: str, value: object) -> None:
    """Print an entry."""
    print(entry(label, value), flush=True)


def per_character(nats: float) -> str:
    """A cross-entropy in its three units, for people."""
    return f"{nats:.3f} nats, {text.bits(nats):.3f} bits, perplexity {text.perplexity(nats):.2f} per character"


class Progress:
    """How training goes: a bar on a terminal; elsewhere a line of fixed form every 100 iterations.

    The loss shown is the mean of the last 100 iterations; the speed is that of training alone, without reports.
    """

    def __init__(self, iterations: int, characters: int) -> None:
        self.iterations, self.characters = iterations, characters  # characters in one iteration
        self.losses: deque[float] = deque(maxlen=LOG_EVERY)
        self.done, self.seconds = 0, 0.0
        self.started = self.resumed = time.perf_counter()
        self.bar = terminal_bar(iterations) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def advance(self, loss: float) -> None:
        """One more iteration is done, with ``loss`` in nats per character."""
        now = time.perf_counter()
        self.seconds += now - self.resumed
        self.resumed = now
        self.done += 1
        self.losses.append(loss)
        if self.bar is not None:
            self.bar.set_description_str(self.status(), refresh=False)
            self.bar.update()
        elif self.done % LOG_EVERY == 0:
            minutes, seconds = divmod(round((now - self.started) / self.done * (self.iterations - self.done)), 60)
            print(f"{self.done:>6}/{self.iterations}  {self.status()}  ETA {minutes}:{seconds:02}", flush=True)

    def status(self) -> str:
        """Loss and speed."""
        nats = sum(self.losses) / len(self.losses)
        speed = self.done * self.characters / self.seconds
        return f"loss {nats:.3f} nats, {text.bits(nats):.3f} bits  {speed:,.0f} chars/s"

    def say(self, label: str, value: str) -> None:
        """Print an entry above the bar; the time since the last ``advance`` went into it, not into training."""
        if self.bar is not None:
            self.bar.write(entry(label, value))
        else:
            print()
            say(label, value)
        self.resumed = time.perf_counter()


def terminal_bar(iterations: int) -> Any:
    """A bar that fills the line of a terminal."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError("the progress bar needs the package tqdm: pip install 'tinygrad-rnn[demos]'") from error
    layout = "{percentage:3.0f}% {bar} {n}/{total}  {desc}  ETA {remaining}"
    return tqdm(total=iterations, bar_format=layout, dynamic_ncols=True, leave=False)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with ``message``."""
        self.exit(2, f"{self.prog}: {message}\n")


def number(kind: type[int | float], low: float, high: float = math.inf) -> Callable[[str], float]:
    """What reads a finite number in low..high from the command line."""
    limits = f"{low:g} or more" if high == math.inf else f"in {low:g}..{high:g}"

    def parse(word: str) -> float:
        value = kind(word)
        if not (low <= value <= high and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"{word} is not {limits}")
        return value

    parse.__name__ = kind.__name__  # argparse says "invalid int value"
    return parse


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command and its options."""
    count = number(int, 1)
    parser = Parser(prog="char_lm.py", description="A language model of characters.")
    commands = parser.add_subparsers(required=True, metavar="train | sample | evaluate")

    def command(run: Callable[[argparse.Namespace], int]) -> Callable[..., None]:
        added = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        added.set_defaults(run=run)

        def option(name: str, metavar: str | None, default: Any, about: str, **settings: Any) -> None:
            about += " (default: %(default)s)" if default is not None and default != "" else ""
            added.add_argument(name, metavar=metavar, default=default, help=about, **settings)

        option("--checkpoint", "FILE", "runs/char_lm.safetensors", "the model's file")
        option("--threads", "N", 1, "threads of BLAS", type=count)
        return option

    option = command(train)
    option("--text", "FILE", str(WAR_AND_PEACE), "what to learn; 5 %% each are kept for validation and test")
    option("--encoding", "NAME", "utf-8-sig", 'of the text; "bytes" makes a model of bytes')
    option("--cell", None, "lstm", "kind of the recurrent layers", choices=LAYERS)
    option("--layers", "N", 2, "recurrent layers", type=count)
    option("--units", "N", 128, "units in each layer", type=count)
    option("--dropout", "P", 0.0, "probability, after each layer", type=number(float, 0, 1))
    option("--iterations", "N", 2000, "updates of the parameters", type=count)
    option("--steps", "N", 50, "characters in a window: as far as gradients go back", type=count)
    option("--batch-size", "N", 50, "streams of text side by side", type=count)
    option("--lr", "RATE", 0.015, "highest learning rate of Adam", type=number(float, 0))
    option("--warm-up", "N", 200, "iterations of rise to it; then half a cosine down", type=number(int, 0))
    option("--clip", "NORM", 1.0, "largest norm of the gradient", type=number(float, 0))
    option("--seed", "N", 0, "of all random numbers", type=number(int, 0))
    about = "record every operation of every time step, instead of running the layers by their plans"
    option("--unroll", None, False, about, action=argparse.BooleanOptionalAction)
    option("--report", "N", REPORTS, "iterations after which to validate, sample and save", type=count, nargs="*")

    option = command(sample)
    option("--prompt", "TEXT", "", "what to continue; by default a new line")
    option("--length", "N", 500, "new characters", type=number(int, 0))
    option("--temperature", "T", 1.0, "of the distribution; 0: always the likeliest character", type=number(float, 0))
    option("--top-k", "K", None, "draw from the K likeliest characters; by default from all", type=count)
    option("--top-p", "P", None, "draw from the likeliest that make up P; by default all", type=number(float, 1e-6, 1))
    option("--seed", "N", None, "equal seeds give equal texts; by default each is new", type=number(int, 0))

    option = command(evaluate)
    option("--text", "FILE", None, "by default the validation and test parts of what was learned")
    option("--encoding", "NAME", None, "of the text; by default that of training")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. Mistakes in the input end in one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a console that lacks a character prints ? for it
    options = parse(arguments)
    try:
        return int(options.run(options))
    except text.UnknownCharacterError as error:
        unknown = ", ".join(f"{c!r} (position {at})" for c, at in error.unknown.items())
        code, message = 2, f"the model has learned from a text without {unknown}, so it can't read that"
    except (text.TextError, checkpoint.CheckpointError, ImportError) as error:
        code, message = 2, str(error)
    except DivergedError as error:
        code, message = 1, str(error)
    except KeyboardInterrupt:
        code, message = 130, "interrupted"
    except BrokenPipeError:  # nobody reads on, as after `sample | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    print(f"char_lm.py: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
