"""Recurrent cells: pure functions of (input at t, state) to the next state, written in ordinary operations.

Each cell works in two parts, so that a layer can do the first for all time steps at once:

* ``project(x)`` maps inputs x [..., F] to all that the steps need of them: a tuple of tensors with x's leading axes;
* ``step(state, *projected)`` is one step, from the state and what was projected of one time step to the next state.

``cell(x, state)`` is both, for one time step. A state is one Tensor h [B, H], or a tuple of several, of which the
first is the output: (h, c) for an LSTM. A loop over time is then

    for x in xs:
        state = cell(x, state)

and ``scan`` and ``Recurrent`` are that loop. Names, shapes and gate order of the weights are PyTorch's, so that
weights travel both ways.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from numbers import Real
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from tinygrad_rnn.nn.dropout import bernoulli, probability
from tinygrad_rnn.nn.init import Seed, generator, identity, normal, uniform
from tinygrad_rnn.nn.module import Module, as_input, here, positive
from tinygrad_rnn.nn.norm import LayerNorm
from tinygrad_rnn.ops import linear, relu, tanh
from tinygrad_rnn.tensor import Array, Tensor

State: TypeAlias = Any  # a Tensor, or a tuple of Tensors whose first is the output

STARTS = ("h₀", "c₀")  # what the tensors of a state before the first step are called, for pictures and messages
DETACHED = "detached"  # the name of a tensor of a state that was cut from the graph before it


class Cell(Module):
    """The base of all cells: a cell of your own says how many ``gates`` it has and writes ``step``.

    That gives it the weights that PyTorch's cells have: ``weight_ih`` [gates·H, F], ``weight_hh`` [gates·H, H],
    ``bias_ih`` and ``bias_hh`` [gates·H], all uniform in ±1/√H at first, and ``project`` maps x to
    W_ih x + b_ih + b_hh. A cell with other parameters makes them in its own ``__init__``, sets ``hidden_size`` and
    writes ``project`` too (and sets ``row_by_row = False`` if that does not map each row [F] of x by itself, because it
    draws random numbers, say). One whose state is a tuple says so in ``state_sizes``. What else ``step`` reads belongs
    in attributes of the cell, where a layer with ``unroll=False`` sees when it changes.

    The minimal gated unit (Zhou et al. 2016, arXiv:1603.09420), one step of it, and a layer of it:

    >>> from tinygrad_rnn import nn, sigmoid, split
    >>> class MinimalGatedUnit(nn.Cell):
    ...     gates = 2
    ...
    ...     def step(self, h: Tensor, a: Tensor) -> Tensor:
    ...         f, n = split(a, 2, axis=-1)
    ...         weight_f, weight_n = split(self.weight_hh, 2)
    ...         f = sigmoid(linear(h, weight_f, f))
    ...         return h + f * (tanh(linear(f * h, weight_n, n)) - h)
    >>> cell = MinimalGatedUnit(3, 5, rng=0)
    >>> x = Tensor(np.ones((7, 2, 3), np.float32))
    >>> cell(x[0]).shape
    (2, 5)
    >>> outputs, last = nn.Recurrent([cell])(x)
    >>> outputs.shape, last.shape
    ((7, 2, 5), (1, 2, 5))
    """

    gates = 1  # blocks of H rows in each weight
    row_by_row = True  # whether `project` maps each row of its input by itself
    hidden_size: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Seed = None,
    ) -> None:
        self.hidden_size = positive(hidden_size, "hidden_size", self)
        rng, rows = generator(rng), self.gates * hidden_size
        self.weight_ih = self.drawn((rows, positive(input_size, "input_size", self)), dtype, rng)
        self.weight_hh = self.drawn((rows, self.state_sizes[0]), dtype, rng)
        self.bias_ih = self.drawn((rows,), dtype, rng) if bias else None
        self.bias_hh = self.drawn((rows,), dtype, rng) if bias else None

    def drawn(self, shape: tuple[int, ...], dtype: npt.DTypeLike, rng: np.random.Generator) -> Tensor:
        """A parameter that starts uniform in ±1/√H."""
        return Tensor(uniform(shape, rng, bound=1 / math.sqrt(self.hidden_size)), True, dtype=dtype)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The last axis of each tensor of the state; the first is that of the output."""
        return (self.hidden_size,)

    @property
    def bias(self) -> Tensor | None:
        """b_ih + b_hh, where the two act together."""
        return None if self.bias_ih is None or self.bias_hh is None else self.bias_ih + self.bias_hh

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """W_ih x + b_ih + b_hh [..., gates·H] of inputs [..., F]. Raises ValueError or TypeError as ``Linear``."""
        return (linear(self.checked(x), self.weight_ih, self.bias),)

    def step(self, *args: Any, **kwargs: Any) -> State:  # noqa: ARG002  a subclass takes what it projects
        """``step(state, *projected)``: the next state, from the state and what was projected of one time step."""
        raise TypeError(f"{type(self).__name__} defines no step()")

    def forward(self, x: Tensor | Array, state: State = None) -> State:
        """One step: the input [B, F] and the state, zero if None, to the next state. Without a batch: [F] and [H]."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        projected = self.project(x)
        lead, dtype = projected[0].shape[:-1], projected[0].dtype
        if state is None:
            state = self.zero_state(lead, dtype)
        else:
            state = whole(checked_state(state, [(*lead, size) for size in self.state_sizes], dtype))
        return self.step(state, *projected)

    def zero_state(self, lead: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> State:
        """The state before the first step, zeros [*lead, H]; ``lead`` is (B,)."""
        names = chain(STARTS, repeat(None))
        zeros = [np.zeros((*lead, size), dtype) for size in self.state_sizes]
        return whole([Tensor(array, name=name) for array, name in zip(zeros, names, strict=False)])

    def checked(self, x: Tensor | Array) -> Tensor:
        """The input as a Tensor, if it fits ``weight_ih``; see ``as_input``."""
        return as_input(x, self.weight_ih.shape[1], self.weight_ih.dtype)


class RNNCell(Cell):
    """The simple recurrent cell of Elman (1990): h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Options:
    ``nonlinearity``  "tanh" or "relu".
    ``identity_init`` a number s: weight_hh starts as s times the identity, weight_ih normal with standard deviation
                      0.001, the biases at 0. With s = 1 and "relu" this is the IRNN of Le, Jaitly, Hinton 2015
                      (arXiv:1504.00941), which at first only adds up its inputs.
    ``layer_norm``    h' = tanh(LN(W_ih x + b_ih + W_hh h + b_hh)). Ba, Kiros, Hinton 2016 (arXiv:1607.06450),
                      section 3.1; ``norm`` has the gain and bias [H].

    >>> RNNCell(3, 5, nonlinearity="relu", identity_init=1.0)(np.zeros((2, 3), np.float32)).shape
    (2, 5)
    >>> RNNCell(3, 5, nonlinearity="relu")
    RNNCell(weight_ih[5, 3], weight_hh[5, 5], bias_ih[5], bias_hh[5], nonlinearity='relu')
    """

    _shown: ClassVar = {"nonlinearity": "tanh"}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: str = "tanh",
        identity_init: float | None = None,
        layer_norm: bool = False,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Seed = None,
    ) -> None:
        rng = generator(rng)
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, rng=rng)
        self.nonlinearity = one_of(nonlinearity, ("tanh", "relu"), "nonlinearity", self)
        self.activation = tanh if nonlinearity == "tanh" else relu
        self.norm = LayerNorm(hidden_size, dtype=dtype) if layer_norm else None
        if identity_init is not None:
            if not isinstance(identity_init, Real):
                raise TypeError(f"RNNCell: identity_init is a number, not {identity_init!r}")
            self.weight_hh.data = identity(self.weight_hh.shape, scale=identity_init)
            self.weight_ih.data = normal(self.weight_ih.shape, rng, std=0.001)
            for b in (self.bias_ih, self.bias_hh):
                if b is not None:
                    b.data = np.zeros(b.shape)

    def step(self, h: Tensor, a: Tensor) -> Tensor:
        """``h`` [B, H] and ``a`` [B, H] to h' [B, H]."""
        a = linear(h, self.weight_hh, a)
        return self.activation(a if self.norm is None else self.norm(a))


class Zoneout(Cell):
    """A cell around another: each unit keeps its old value with probability p. Krueger et al. 2016 (arXiv:1606.01305).

    s' = d s + (1 - d) cell(x, s)

    In training d is 1 with probability ``p``, else 0, for each unit, sequence and step anew; in evaluation it is its
    expectation, p. ``p`` is one number for all tensors of the state, or one for each: (p_h, p_c) for an LSTM.
    d is drawn from ``rng`` in ``project``, for all steps at once, so that a step remains a pure function.

    >>> from tinygrad_rnn import nn
    >>> cell = Zoneout(nn.LSTMCell(3, 5), (0.05, 0.5), rng=0)
    >>> h, c = cell(np.zeros((2, 3), np.float32))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))

    Raises ValueError for a p outside [0, 1], or for another number of them than there are tensors in the state.
    """

    row_by_row = False
    _shown: ClassVar = {"p": None}

    def __init__(self, cell: Cell, p: float | Sequence[float], *, rng: Seed = None) -> None:
        sizes = cell.state_sizes
        ps = tuple(p) if isinstance(p, Sequence) else (p,) * len(sizes)
        if len(ps) != len(sizes):
            raise ValueError(f"Zoneout: {type(cell).__name__} has a state of {len(sizes)}, but p is {ps}")
        self.p = tuple(probability("Zoneout: p", one) for one in ps)
        self.cell = cell
        self.hidden_size = cell.hidden_size
        self.rng = generator(rng)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Those of the cell inside."""
        return self.cell.state_sizes

    def all_names(self) -> Iterator[tuple[str, Tensor]]:
        """Those of the cell inside, under its names."""
        yield from self.cell.all_names()

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """What the cell inside projects, and d [..., H] (in evaluation [..., 1]) for each tensor of the state."""
        inner = self.cell.project(x)
        lead, dtype = inner[0].shape[:-1], inner[0].dtype
        if self.training:
            ds = [bernoulli((*lead, n), p, self.rng) for n, p in zip(self.state_sizes, self.p, strict=True)]
        else:
            ds = [np.full((*lead, 1), p) for p in self.p]
        return (*inner, *(Tensor(d, dtype=dtype) for d in ds))

    def step(self, state: State, *projected: Tensor) -> State:
        """The state and what was projected of one time step to the next state."""
        inner, ds = projected[: -len(self.p)], projected[-len(self.p) :]
        old, new = parts(state), parts(self.cell.step(state, *inner))
        return whole([d * o + (1 - d) * n for o, n, d in zip(old, new, ds, strict=True)])


def parts(state: State) -> tuple[Tensor, ...]:
    """The tensors of a state."""
    return state if isinstance(state, tuple) else (state,)


def whole(tensors: Sequence[Tensor]) -> State:
    """The state of ``tensors``: one stands by itself."""
    return tuple(tensors) if len(tensors) > 1 else tensors[0]


def checked_state(state: State, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> tuple[Tensor, ...]:
    """The tensors of ``state``; ValueError or TypeError unless they have these shapes and the dtype of the input."""
    given = tuple(state) if isinstance(state, (tuple, list)) else (state,)
    tensors = tuple(s if isinstance(s, Tensor) else Tensor(s) for s in given)
    seen = [s.shape for s in tensors]
    if seen != list(shapes):
        form = "(h, c)" if len(shapes) == 2 else "h" if len(shapes) == 1 else f"a tuple of {len(shapes)}"
        raise ValueError(
            f"{here()}: the state is {form} of shape {' and '.join(map(str, shapes))}, but got "
            f"{' and '.join(map(str, seen)) or 'an empty tuple'}"
        )
    for s in tensors:
        if s.dtype != dtype:
            raise TypeError(f"{here()}: the state is {s.dtype} and the input {dtype}; both take the parameters' dtype")
    return tensors


def one_of(value: str, known: Sequence[str], name: str, cell: Cell) -> str:
    """``value`` if it is among ``known``."""
    if value not in known:
        raise ValueError(f"{type(cell).__name__}: {name} is {' or '.join(map(repr, known))}, not {value!r}")
    return value
