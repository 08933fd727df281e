"""A module as a function of its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.tensor import Tensor, closest
from tinygrad_rnn.tree import flat, rebuilt

if TYPE_CHECKING:
    from tinygrad_rnn.nn import Module


def functional_call(module: Module, parameters: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """``module(*args, **kwargs)`` with other tensors in the place of its parameters, by their names.

    So a module becomes a function that can be differentiated by its parameters, to any order; those that are not given
    stay as they are. Its own are back in their places afterwards, whatever happens; two threads can't do this with one
    module at once. A layer with ``unroll=False`` looks at its step again in each call; it has one plan for all of them.

    >>> import numpy as np
    >>> from tinygrad_rnn import grad, nn
    >>> linear = nn.Linear(2, 1, dtype=np.float64, rng=0)
    >>> loss = lambda p, x: functional_call(linear, p, x).sum()
    >>> gradient = grad(loss)(dict(linear.named_parameters()), np.array([[3.0, 5.0]]))
    >>> gradient["weight"].data, linear.weight.grad
    (array([[3., 5.]]), None)

    Raises KeyError for a name that is no parameter's, and ValueError for another shape or for two names of one
    parameter with different tensors.
    """
    own, new = dict(module.all_names()), {}
    known: dict[int, str] = {}
    for name in parameters:
        if name not in own:
            raise KeyError(f"functional_call: there is no parameter {name!r}{closest(name, list(own))}")
    for name in filter(parameters.__contains__, own):
        value = parameters[name]
        first = known.setdefault(id(own[name]), name)
        if not same(value, parameters[first]):
            raise ValueError(
                f"functional_call: {first!r} and {name!r} are names of one parameter, but were given different "
                f"tensors; leave out {name!r}, as named_parameters() does"
            )
        new[id(own[name])] = tensor = value if type(value) is Tensor else Tensor(value)
        if tensor.shape != own[name].shape:
            raise ValueError(f"functional_call: {name!r} has shape {own[name].shape}, but was given {tensor.shape}")
        tensor.name = tensor.name or own[name].name
    with exchanged({id(m): m for m in below(module)}.values(), new):
        return module(*args, **kwargs)


def same(one: Any, other: Any) -> bool:
    """Whether two values for one parameter are one tensor, or arrays with equal elements, as in a ``state_dict``."""
    return one is other or (Tensor not in {type(one), type(other)} and np.array_equal(one, other))


@contextmanager
def exchanged(modules: Iterable[Module], new: Mapping[int, Tensor]) -> Iterator[None]:
    """Let ``modules`` hold ``new`` tensors for a while, in place of those of these ids.

    Dictionaries that they hold are copies meanwhile, so that nothing of the new tensors stays in a layer's memory.
    """
    before = [(vars(m), dict(vars(m))) for m in modules]
    try:
        for attributes, values in before:
            for name, value in values.items():
                inside = flat(value)
                if isinstance(value, dict) or any(id(x) in new for x in inside):
                    attributes[name] = rebuilt(value, (new.get(id(x), x) for x in inside))
        yield
    finally:
        for attributes, values in before:
            attributes.update(values)


def below(module: Module) -> Iterator[Module]:
    """``module`` and all modules in it."""
    yield module
    for _, child in module.children():
        yield from below(child)
