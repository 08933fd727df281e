"""A step run again and again without a graph, one call at a time: for sampling, where the next input is not known."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.op import no_grad
from tinygrad_rnn.scan.plan import Plan
from tinygrad_rnn.scan.planned import samples_of
from tinygrad_rnn.scan.run import Run
from tinygrad_rnn.scan.trace import record
from tinygrad_rnn.tensor import Array, Tensor, plain
from tinygrad_rnn.tree import flat, matched, rebuilt


class Stepper:
    """``Stepper(step, state, *xs)``: calls of ``state, y = step(state, *xs)`` by a plan, with the state kept inside.

    ``step``, ``state`` and what may be asked of them are as for ``scan``; ``xs`` are examples of what one step takes:
    they give shapes and dtypes, and are not used otherwise. ``stepper(*xs)`` makes one step and returns y, an array of
    its own. ``stepper.state`` is the state reached, as copies; assign to it to go on from another. ``copy.copy`` gives
    a second stepper in that state.

    Nothing is recorded, and parameters have the values that they had when the stepper was made. A whole model can be
    the step:

    >>> from tinygrad_rnn import nn
    >>> layer = nn.LSTM(3, 5, num_layers=2, rng=0)
    >>> def step(state, x):
    ...     outputs, state = layer(x, state)
    ...     return state, outputs
    >>> x, zeros = np.ones((1, 1, 3), np.float32), Tensor(np.zeros((2, 1, 5), np.float32))
    >>> stepper = Stepper(step, (zeros, zeros), x)
    >>> first, second = stepper(x), stepper(x)
    >>> bool(np.allclose([first[0], second[0]], layer(np.ones((2, 1, 3), np.float32))[0].data))
    True

    Raises CannotPlan for a step that has no plan; calling it, ValueError for another shape than that of the example.
    """

    def __init__(self, step: Callable[..., tuple[Any, Tensor]], state: Any, *xs: Any) -> None:
        states = [x if type(x) is Tensor else Tensor(x) for x in flat(state)]
        examples = [Tensor(np.asarray(plain(x))[None]) for x in xs]
        tape, outside = record(step, states, examples, (), lambda parts: rebuilt(state, iter(parts)))
        with no_grad():
            invariants = outside.invariants(())
        tape = tape._replace(inputs=tuple(form._replace(requires_grad=False) for form in tape.inputs))
        self._run = Run(Plan(tape, samples_of(states, examples, invariants)), 1)
        self._run.prepare(invariants)
        self._form, self.state = state, state

    @property
    def state(self) -> Any:
        """The state reached, of the form that the stepper was made with."""
        return rebuilt(self._form, (Tensor(buffer[0]) for buffer in self._run.state))

    @state.setter
    def state(self, state: Any) -> None:
        parts = matched(self._form, state, "Stepper: the state")
        for buffer, (_, _, new) in zip(self._run.state, parts, strict=True):
            buffer[0] = plain(new)

    def __copy__(self) -> Stepper:
        """A stepper that goes on by itself from the state reached."""
        new, run = Stepper.__new__(Stepper), Run(self._run.plan, 1)
        run.prepare(self._run.invariant)
        vars(new).update(_run=run, _form=self._form)
        new.state = self.state
        return new

    def __deepcopy__(self, _memo: dict[int, Any]) -> Stepper:
        """The same: parameters are the stepper's own, whoever made it."""
        return copy.copy(self)

    def __call__(self, *xs: Any) -> Array:
        """One step: y."""
        run = self._run
        for k, (buffer, x) in enumerate(zip(run.x, xs, strict=True)):
            if np.shape(x) != buffer.shape[1:]:
                raise ValueError(f"Stepper: input {k} has shape {np.shape(x)}; it was made for {buffer.shape[1:]}")
            buffer[0] = x
        for function, args in run.forward_pass:
            function(*args)
        y: Array = run.y[0, ...].copy()
        for buffer in run.state:
            buffer[0] = buffer[1]
        return y
