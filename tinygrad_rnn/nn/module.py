"""Modules: objects that hold parameters and other modules, and compute with them inside a named scope."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from tinygrad_rnn.op import describe, thread
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Array, Tensor, as_array, closest, plain


class Module:
    """The base of all layers: write ``__init__`` and ``forward``, and call the module.

    Leaf tensors that require grad are its parameters, modules its children. Both are found by looking at the
    attributes, in the order in which they were set, and into lists, tuples and dictionaries there, however deep. A
    parameter that is frozen (by ``requires_grad_``, or by itself if it was one when the attribute was set) stays one,
    and so is what takes its place; any other tensor, such as a state that the module carries, is none. Calling the
    module runs ``forward`` inside a scope named after the attribute that holds it (a module that no other holds: after
    its class).

    >>> class Affine(Module):
    ...     def __init__(self) -> None:
    ...         self.weight = Tensor(np.ones((3, 2)), requires_grad=True)
    ...
    ...     def forward(self, x: Tensor) -> Tensor:
    ...         return x @ self.weight.T
    >>> affine = Affine()
    >>> affine(Tensor(np.ones((5, 2)))).shape, [name for name, _ in affine.named_parameters()]
    ((5, 3), ['weight'])
    """

    training = True
    scope_name: str | None = None  # the attribute that holds this module
    _declared: frozenset[str] = frozenset()  # the names of its own parameters, frozen or not
    _shown: ClassVar[Mapping[str, Any]] = {}  # options that the repr shows, each unless it has this value

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002  a subclass takes what it likes
        """What the module computes: to be written by each subclass."""
        raise TypeError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward``, inside the module's scope."""
        with scope(self.scope_name or type(self).__name__.lower()):
            return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and value.name is None:
            value.name = name
        object.__setattr__(self, name, value)
        for path, part in held(name, value):
            if isinstance(part, Module):
                part.__dict__["scope_name"] = path
            elif part.node is None and part.requires_grad:
                part.name = part.name or path
                self.__dict__["_declared"] = self._declared | {path}

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules held directly, with their names; those in a list are called ``name.0``, ``name.1``, ..."""
        for name, value in vars(self).items():
            yield from ((path, part) for path, part in held(name, value) if isinstance(part, Module))

    def own_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters that this module holds directly, with the names of their attributes."""
        for name, value in vars(self).items():
            for path, part in held(name, value):
                if isinstance(part, Tensor) and part.node is None and (part.requires_grad or path in self._declared):
                    yield path, part

    def all_names(self) -> Iterator[tuple[str, Tensor]]:
        """Every name of every parameter, such as ``lstm.weight_ih_l0``; one that is shared comes under each name.

        To be written by a subclass that has other names for them.
        """
        yield from self.own_parameters()
        for child_name, child in self.children():
            yield from ((f"{child_name}.{name}", value) for name, value in child.all_names())

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Every parameter once, with its name; one that is shared comes under the first."""
        seen: set[int] = set()
        for name, value in self.all_names():
            if id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> list[Tensor]:
        """Every parameter once, in the order of ``named_parameters``."""
        return [value for _, value in self.named_parameters()]

    def requires_grad_(self, mode: bool = True) -> Self:
        """Freeze (False) or free all parameters; frozen ones keep their place in ``state_dict``, but don't learn."""
        for name, value in list(self.own_parameters()):
            self.__dict__["_declared"] = self._declared | {name}
            value.requires_grad = mode
        for _, child in self.children():
            child.requires_grad_(mode)
        return self

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below to training (dropout at work) or, with False, to evaluation."""
        self.training = mode
        for _, child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Switch to evaluation: ``train(False)``."""
        return self.train(mode=False)

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter's value under each of its names: the names and shapes of PyTorch."""
        return {name: value.data.copy() for name, value in self.all_names()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the values of ``state`` over; dtypes are converted to the parameters' own.

        Raises KeyError for a name that is missing or unknown (the closest known one is named), and ValueError for a
        shape that differs; then no parameter has been changed.
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"load_state_dict: takes names with values, as state_dict() gives, not a {type(state).__name__}"
            )
        own = dict(self.all_names())
        for name in state:
            if name not in own:
                raise KeyError(f"load_state_dict: there is no parameter {name!r}{closest(name, list(own))}")
        new = {}
        for name, value in own.items():
            if name not in state:
                raise KeyError(f"load_state_dict: the value of parameter {name!r} is missing")
            new[name] = as_array(f"load_state_dict: {name!r}", plain(state[name]), value.dtype)
            if new[name].shape != value.shape:
                raise ValueError(
                    f"load_state_dict: {name!r} has shape {value.shape}, but the value given has {new[name].shape}"
                )
        for name, value in own.items():
            value.data = new[name]

    def told(self) -> list[str]:
        """The options that the repr shows, as ``name=value``."""
        values = {name: getattr(self, name) for name in self._shown}
        return [f"{name}={value!r}" for name, value in values.items() if value != self._shown[name]]

    def __repr__(self) -> str:
        lines = [f"  {name}: {child!r}".replace("\n", "\n  ") for name, child in self.children()]
        own = ", ".join([*(f"{name}{list(value.shape)}" for name, value in self.own_parameters()), *self.told()])
        return f"{type(self).__name__}({own}" + ("\n" + "\n".join(lines) + "\n)" if lines else ")")


def held(name: str, value: object) -> Iterator[tuple[str, Module | Tensor]]:
    """The modules and tensors in the attribute ``name``: its value, or what lists, tuples and dictionaries in it hold.

    >>> [path for path, _ in held("h", {"up": [Tensor(1.0), (Tensor(2.0), 3.0)]})]
    ['h.up.0', 'h.up.1.0']
    """
    if isinstance(value, (Module, Tensor)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from held(f"{name}.{i}", part)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from held(f"{name}.{key}", part)


def positive(size: Any, name: str, module: Module, *, least: int = 1) -> int:
    """``size`` if it is a whole number above 0, or not below ``least``."""
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < least:
        what = "above 0" if least == 1 else f"of {least} or more"
        raise ValueError(f"{type(module).__name__}: {name} is a whole number {what}, not {size!r}")
    return int(size)


def here() -> str:
    """The module that is running, as a message names it: ``model.lstm``."""
    return describe(thread.recorder.scope)


def as_input(x: Tensor | Array, features: int, dtype: np.dtype[Any]) -> Tensor:
    """``x`` [..., features] as a Tensor.

    Raises ValueError for another number of features and TypeError for another dtype: NumPy would quietly compute
    float64 from a float32 parameter and a float64 input, and everything after it as well.
    """
    if not isinstance(x, Tensor):
        x = Tensor(x)
    if x.shape[-1:] != (features,):
        raise ValueError(f"{here()}: takes inputs of {features} features [..., {features}], but got shape {x.shape}")
    if x.dtype != dtype:
        advice = f"convert it with .astype(np.{dtype})"
        if x.dtype.kind == "f":
            advice += f", or make the layer with dtype=np.{x.dtype}"
        raise TypeError(f"{here()}: has parameters of {dtype}, but got an input of {x.dtype}; {advice}")
    return x
