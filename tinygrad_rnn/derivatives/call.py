"""A module as a function of its parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.tensor import Tensor, closest

if TYPE_CHECKING:
    from tinygrad_rnn.nn import Module


def functional_call(module: Module, parameters: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """``module(*args, **kwargs)`` with other tensors in the place of its parameters, by their names.

    So a module becomes a function that can be differentiated by its parameters, to any order; those that are not given
    stay as they are. The module itself is left alone: what is called is a copy, which shares everything else with it,
    its random generators too.

    >>> import numpy as np
    >>> from tinygrad_rnn import grad, nn
    >>> linear = nn.Linear(2, 1, dtype=np.float64, rng=0)
    >>> loss = lambda p, x: functional_call(linear, p, x).sum()
    >>> gradient = grad(loss)(dict(linear.named_parameters()), np.array([[3.0, 5.0]]))
    >>> gradient["weight"].data, linear.weight.grad
    (array([[3., 5.]]), None)

    Raises KeyError for a name that is no parameter's, and ValueError for another shape.
    """
    own, new = dict(module.named_parameters()), {}
    for name, value in parameters.items():
        if name not in own:
            raise KeyError(f"functional_call: there is no parameter {name!r}{closest(name, list(own))}")
        new[id(own[name])] = tensor = value if type(value) is Tensor else Tensor(value)
        if tensor.shape != own[name].shape:
            raise ValueError(f"functional_call: {name!r} has shape {own[name].shape}, but was given {tensor.shape}")
        tensor.name = tensor.name or own[name].name
    return copied(module, new)(*args, **kwargs)


def copied(x: Any, tensors: dict[int, Any]) -> Any:
    """``x``, an attribute of a module or a module, with what ``tensors`` has by identity in place of what it holds."""
    from tinygrad_rnn.nn import Module

    if id(x) in tensors:
        return tensors[id(x)]
    if isinstance(x, Module):
        tensors[id(x)] = new = copy.copy(x)
        vars(new).update({name: copied(value, tensors) for name, value in vars(x).items()})
        return new
    if isinstance(x, (tuple, list)):
        return type(x)(copied(part, tensors) for part in x)
    return dict(x) if isinstance(x, dict) else x
