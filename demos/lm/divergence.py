"""Where numbers stopped being finite: a question asked once, after the fact, so that a step doesn't pay for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from demos.lm.model import CharLM
from tinygrad_rnn import cross_entropy, optim
from tinygrad_rnn.op import describe, thread
from tinygrad_rnn.tensor import Tensor
from tinygrad_rnn.text.vocabulary import Ids


class DivergedError(Exception):
    """Training has left the finite numbers: at which iteration, with which loss and gradient norm, and where."""

    def __init__(self, iteration: int, loss: float, norm: float, where: str) -> None:
        self.iteration = iteration
        super().__init__(
            f"training diverged at iteration {iteration}: loss {loss:g} nats, gradient norm {norm:g}; {where}"
        )


def check(model: CharLM, optimizer: optim.Optimizer, loss: float, norm: float) -> None:
    """Raise DivergedError if a step from a finite ``loss`` and gradient ``norm`` has overflown.

    The parameters are one buffer, and so is each array of ``optimizer``: the question is cheap to ask at every step.
    """
    kept = {f"the optimizer's {name} has": array for name, array in optimizer.state.items()}
    if not np.isfinite(optimizer.parameters.value).all():
        kept = {f"the parameter {name} has": parameter.data for name, parameter in model.named_parameters()}
    for name, array in kept.items():
        if not np.isfinite(array).all():
            raise DivergedError(optimizer.steps, loss, norm, f"{name} numbers that are not finite after it")


def diagnosis(model: CharLM, window: tuple[Ids, Ids], state: Any) -> str:
    """Where the first number that is not finite comes up in the step of ``model`` from ``state`` over ``window``.

    To be asked after the backward pass: it looks at parameters, at the forward pass, which it runs again with every
    operation of every time step recorded, and at gradients.
    """
    for name, parameter in model.named_parameters():
        if not np.isfinite(parameter.data).all():
            return f"the parameter {name} has numbers that are not finite"
    if found := first_in_forward(model, window, state):
        return f"the first number that is not finite is in {found}"
    bad = [name for name, p in model.named_parameters() if p.grad is not None and not np.isfinite(p.grad).all()]
    return f"the gradient of {bad[-1]} is not finite" if bad else "no single number is to blame"


def first_in_forward(model: CharLM, window: tuple[Ids, Ids], state: Any) -> str:
    """The layer, time step and operation of the first result that is not finite; "" if there is none."""
    found: list[str] = []

    def look(result: Tensor) -> None:
        if not found and result.node is not None and not np.isfinite(result.data).all():
            found.append(f"{describe(result.node.scope) or 'the loss'} ({result.node.op.name})")

    planned, recorder = model.recurrent.unroll, thread.recorder
    before, recorder.observers = recorder.observers, (*recorder.observers, look)
    model.recurrent.unroll = True
    try:
        inputs, targets = window
        cross_entropy(model(inputs, state)[0], targets)
    finally:
        model.recurrent.unroll, recorder.observers = planned, before
    return found[0] if found else ""
