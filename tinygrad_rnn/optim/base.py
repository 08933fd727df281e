"""What all optimizers share: the flat buffers, the learning rate, the step and the state of a checkpoint."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from tinygrad_rnn.optim.flat import FlatParameters
from tinygrad_rnn.tensor import Array, Tensor


class Optimizer(ABC):
    """Moves parameters against their gradients, all of them at once on two flat buffers (see ``FlatParameters``).

    A rule is a subclass with ``_update``; it names its ``state`` arrays [N], which start at zero. ``lr``, the learning
    rate, may be set at any time; ``steps`` counts the steps taken.

    A gradient that is None counts as zero: a rule with momentum or weight decay moves that parameter as well. The
    parameters' old values are overwritten in place, so a graph recorded before a step refuses backward after it.
    Several optimizers may share a parameter; each works on the value and the gradient that it finds.

    Raises ValueError for a number out of its range, and what ``FlatParameters`` raises.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, *, weight_decay: float = 0.0, state: Sequence[str] = ()
    ) -> None:
        self.lr = lr
        self.weight_decay = self._number("weight_decay", weight_decay)
        self.parameters = FlatParameters(parameters)
        self.steps = 0
        self.state: dict[str, Array] = {name: np.zeros_like(self.parameters.value) for name in state}
        self._scratch = np.empty_like(self.parameters.value)

    def __repr__(self) -> str:
        usual = {p.name: p.default for p in inspect.signature(type(self)).parameters.values()}
        own = {name: value for name, value in vars(self).items() if name in usual and name != "parameters"}
        told = [f", {name}={value!r}" for name, value in own.items() if value != usual[name]]
        return f"{type(self).__name__}(lr={self.lr!r}{''.join(told)})"

    @classmethod
    def _number(cls, name: str, value: float, below: float = math.inf) -> float:
        """``value`` as a Python float, which does not widen float32 arrays; it must lie in [0, below)."""
        if not isinstance(value, Real) or not 0 <= value < below:
            raise ValueError(f"{cls.__name__}: {name} must be a number in [0, {below:g}), got {value!r}")
        return float(value)

    @cached_property
    def _penalised(self) -> Array:
        return np.empty_like(self.parameters.value)

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = self._number("lr", value)

    def zero_grad(self) -> None:
        """Set all gradients to zero, in place."""
        self.parameters.zero_grad()

    def step(self) -> None:
        """Update every parameter once from its gradient, which is left as it is."""
        flat = self.parameters
        flat.gather()
        self.steps += 1
        self._update(flat.value, flat.grad, self._scratch)
        flat.touch()

    @abstractmethod
    def _update(self, p: Array, g: Array, s: Array) -> None:
        """Overwrite the parameters ``p`` [N], given their gradient ``g`` [N], which stays; ``s`` [N] is scratch."""

    def _with_penalty(self, p: Array, g: Array) -> Array:
        """g + weight_decay * p: the gradient with that of the penalty weight_decay/2 * |p|²."""
        if not self.weight_decay:
            return g
        np.multiply(p, self.weight_decay, out=self._penalised)
        self._penalised += g
        return self._penalised

    def state_dict(self) -> dict[str, Any]:
        """A copy of what a checkpoint needs beside the parameters: ``load_state_dict`` continues from it bit for bit.

        ``step`` and ``lr`` are numbers, ``sizes`` has the number of elements of each parameter, and under its name
        stands each array [N] of the optimizer's state.
        """
        sizes = np.array([t.size for t in self.parameters.tensors])
        arrays = {name: array.copy() for name, array in self.state.items()}
        return {"step": self.steps, "lr": self.lr, "sizes": sizes, **arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy in what ``state_dict`` gave. The other settings are the constructor's and stay.

        Raises ValueError, and changes nothing, if the state is that of another optimizer or other parameters.
        """
        where, own = f"{type(self).__name__}.load_state_dict", {"step", "lr", "sizes", *self.state}
        if state.keys() != own:
            raise ValueError(
                f"{where}: missing {sorted(own - state.keys())}, unexpected {sorted(state.keys() - own)}; is this the "
                "state of another optimizer, or of one with other options?"
            )
        saved, here = [int(n) for n in state["sizes"]], [t.size for t in self.parameters.tensors]
        if saved != here:
            raise ValueError(f"{where}: the state is for parameters of sizes {saved}, but these have {here}")
        for name, array in self.state.items():
            new = np.asarray(state[name])
            if (new.shape, new.dtype) != (array.shape, array.dtype):
                raise ValueError(
                    f"{where}: {name} is {new.dtype} of shape {new.shape}, but must be {array.dtype} of {array.shape}"
                )
        self.lr, self.steps = state["lr"], int(state["step"])
        for name, array in self.state.items():
            np.copyto(array, state[name])
