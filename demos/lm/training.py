"""Training: one step of it, and all that it is between two steps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from demos.lm.corpus import Corpus, for_people, windows_of
from demos.lm.divergence import DivergedError, diagnosis
from demos.lm.model import CharLM
from demos.lm.options import Train
from demos.lm.ranks import Ranks
from demos.lm.sampling import continuation
from demos.lm.scoring import score
from tinygrad_rnn import cross_entropy, nn, optim, text
from tinygrad_rnn.tensor import Array
from tinygrad_rnn.text.vocabulary import Ids

Window: TypeAlias = tuple[Ids, Ids]  # inputs and targets [T, B]
Average: TypeAlias = Callable[[Array, float], float]  # of a gradient, in place, and a loss

RECENT = 100  # iterations, of which the mean loss is shown
SAMPLE = 200  # characters of a sample on the way


class Step(NamedTuple):
    """What a step of training gives."""

    loss: float  # nats per character
    norm: float  # of the gradient, before it was clipped
    state: Any  # to go on from, detached


def update(
    model: CharLM,
    optimizer: optim.Optimizer,
    window: Window,
    state: Any,
    *,
    clip: float,
    clip_value: float = math.inf,
    average: Average = lambda _, loss: loss,
    blamed: Callable[[str], str] = str,
) -> Step:
    """One step of truncated backpropagation through time.

    ``state`` connects the windows; it is detached, so the gradient goes back to the beginning of this one. ``average``
    makes of this process's gradient [N], in place, and loss those of all that train together. Raises DivergedError,
    and changes no parameter, if the loss or a gradient is not finite; ``blamed`` makes of where that is here, where it
    is on the process that is to blame.
    """
    inputs, targets = window
    optimizer.zero_grad()
    logits, new = model(inputs, state)
    loss = cross_entropy(logits, targets)
    loss.backward()
    optimizer.parameters.gather_gradients()
    nats = average(optimizer.parameters.grad, loss.item())
    norm = optim.clip_grad_norm(optimizer, clip)
    if not (math.isfinite(norm) and math.isfinite(nats)):
        raise DivergedError(optimizer.steps + 1, nats, norm, blamed(diagnosis(model, window, state)))
    if clip_value < math.inf:
        optim.clip_grad_value(optimizer, clip_value)
    optimizer.step()
    return Step(nats, norm, nn.detach(new))


@dataclass
class Best:
    """The best validation so far, in nats per character, at which iteration it was, and how many were worse since."""

    nats: float = math.inf
    iteration: int = 0
    worse: int = 0

    def take(self, nats: float, iteration: int) -> bool:
        """Note a validation; whether it is the best."""
        if nats < self.nats:
            self.nats, self.iteration, self.worse = nats, iteration, 0
        else:
            self.worse += 1
        return self.worse == 0


class Trainer:
    """All that a training is at one iteration; ``files`` writes it to a checkpoint and makes it again from one.

    Two trainers that are equal in it go on equally, bit for bit, on one machine with one number of threads: in
    parameters and ``optimizer``, which counts the iterations; in ``rng``, from which dropout draws; in the position in
    the data and the ``state`` carried from window to window, None before the first; in the ``recent`` losses and the
    ``best`` validation. The learning rate is a function of the iteration.

    Of several ``ranks`` that train together, each has its ``own`` streams of a window, and their part of the state.
    """

    def __init__(self, options: Train, corpus: Corpus, ranks: Ranks | None = None) -> None:
        self.options, self.corpus, self.ranks = options, corpus, ranks or Ranks()
        self.own = self.ranks.own(options.batch_size)
        self.batches, self.windows = windows_of(corpus, options)
        self.rng = np.random.default_rng(options.seed)
        self.model = new_model(corpus.vocabulary, options, self.rng)
        self.optimizer = new_optimizer(self.model, options)
        self.schedule = new_schedule(options)
        self.state: Any = None
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.best = Best()
        self.norm = math.nan  # of the last gradient

    @property
    def iteration(self) -> int:
        """How many steps were made."""
        return self.optimizer.steps

    def step(self) -> float:
        """Learn the next window; the loss in nats per character. Raises DivergedError."""
        if self.batches.at_epoch_start:
            self.state = None
        self.optimizer.lr = self.schedule(self.iteration)
        clip, clip_value = (limit or math.inf for limit in (self.options.clip, self.options.clip_value))
        inputs, targets = next(self.batches)
        if not self.ranks.first:  # random numbers of its own, which no checkpoint needs to keep
            own = np.random.default_rng([self.options.seed, self.iteration, self.ranks.rank])
            self.rng.bit_generator.state = own.bit_generator.state
        step = update(
            self.model,
            self.optimizer,
            (inputs[:, self.own], targets[:, self.own]),
            self.state,
            clip=clip,
            clip_value=clip_value,
            average=partial(self.ranks.average, streams=self.options.batch_size),
            blamed=self.ranks.blamed,
        )
        self.state, self.norm = step.state, step.norm
        self.recent.append(step.loss)
        return step.loss

    def validate(self) -> text.Score:
        """How well the model predicts the validation part, with a state of its own."""
        self.model.eval()
        try:
            return score(self.model, self.windows)
        finally:
            self.model.train()

    def sample(self) -> str:
        """What the model writes now, with a state and random numbers of its own."""
        self.model.eval()
        try:
            rng = np.random.default_rng(self.options.seed)
            return "".join(for_people(continuation(self.model, length=SAMPLE, rng=rng), self.options))
        finally:
            self.model.train()


def new_model(vocabulary: text.Vocabulary, options: Train, rng: np.random.Generator) -> CharLM:
    """A model as ``options`` describe it, with random parameters."""
    sizes, dtype = (options.cell, options.layers, options.units), np.dtype(options.dtype)
    model = CharLM(vocabulary, *sizes, dropout=options.dropout, dtype=dtype, rng=rng)
    model.recurrent.unroll = options.unroll
    return model


def new_optimizer(model: CharLM, options: Train) -> optim.Optimizer:
    """The update rule that ``options`` name. Betas and alpha forget sooner than PyTorch's defaults do."""
    parameters, lr, decay = model.parameters(), options.lr, options.weight_decay
    rules: dict[str, Callable[[], optim.Optimizer]] = {
        "adam": lambda: optim.Adam(parameters, lr, betas=(0.9, 0.99), weight_decay=decay),
        "adamw": lambda: optim.AdamW(parameters, lr, betas=(0.9, 0.99), weight_decay=decay),
        "rmsprop": lambda: optim.RMSprop(parameters, lr, alpha=0.95, weight_decay=decay),
        "adagrad": lambda: optim.Adagrad(parameters, lr, weight_decay=decay),
        "sgd": lambda: optim.SGD(parameters, lr, momentum=0.9, weight_decay=decay),
    }
    return rules[options.optimizer]()


def new_schedule(options: Train) -> optim.Schedule:
    """The learning rate as a function of the iteration: a rise, then what ``options`` name."""
    falls: dict[str, optim.Schedule | float] = {
        "cosine": optim.CosineDecay(options.lr, max(options.iterations - options.warm_up, 1)),
        "exponential": optim.ExponentialDecay(options.lr, options.gamma),
        "constant": options.lr,
    }
    return optim.WarmUp(falls[options.schedule], options.warm_up, start_factor=0.1)
