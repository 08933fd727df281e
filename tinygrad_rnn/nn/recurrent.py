"""Recurrent layers: cells run along time, stacked, in one or both directions."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Any, ClassVar

import numpy as np

from tinygrad_rnn.nn.cells import DETACHED, STARTS, Cell, RNNCell, State, Zoneout, checked_state, parts, whole
from tinygrad_rnn.nn.dropout import Dropout
from tinygrad_rnn.nn.gru import GRUCell
from tinygrad_rnn.nn.init import Seed, generator
from tinygrad_rnn.nn.lstm import LSTMCell
from tinygrad_rnn.nn.module import Module, here, positive
from tinygrad_rnn.nn.steps import Kept, Steps, step_of
from tinygrad_rnn.ops import concatenate, reshape, stack, take, where
from tinygrad_rnn.scan import Pure, scan
from tinygrad_rnn.scan.planned import Plans
from tinygrad_rnn.scope import scope
from tinygrad_rnn.tensor import Array, Tensor, closest, plain


class Recurrent(Module):
    """Cells run along time: one for each layer; if ``bidirectional`` two, the second of which reads from the end.

    Each layer reads the outputs of the one below; the outputs of both directions side by side. ``dropout`` is the
    probability of ``Dropout`` on what goes from one layer to the next. ``cells`` has layer 0, its reverse, layer 1,
    and so on; any ``Cell`` will do, and all need states of one size. ``RNN``, ``LSTM`` and ``GRU`` make their own.

    Calling it: ``outputs, last = layer(x, state, lengths=lengths)``

    ``x``       [T, B, F], or [B, T, F] if ``batch_first``, of the dtype of the parameters.
    ``state``   h [L·D, B, H], or (h, c): the start of each of the L layers and D directions; zero if None.
    ``lengths`` [B] integers 0..T: sequence b ends after that many steps. What stands after the end plays no part,
                the outputs there are 0, and the reverse direction starts at the end.
    ``outputs`` [T, B, D·H] or [B, T, D·H]: h of the last layer at each step.
    ``last``    the state at the end (in the reverse direction: at the start) of each sequence, in the form of
                ``state``: h [L·D, B, H] or (h, c), also if ``batch_first``.

    With projections h is [.., P] and c [.., H]. Operations are recorded in the scopes ``layer0``, ``layer0_reverse``,
    ``layer1``, ... and in each in those of the time steps. Parameters have PyTorch's names, ``weight_ih_l0`` and
    ``weight_ih_l0_reverse``, and are attributes under these names.

    With ``unroll`` every operation of every step is recorded; without, each cell is run along time by a plan, which
    is quicker, most of all for small cells, and is one node of the graph: see ``scan``. ``unroll`` may be changed
    at any time. A step is then looked at again when its cell has changed: another object in an attribute, list, set or
    dictionary of it or of what it holds, other numbers in an array. A change in what a function remembers, in an
    object with ``__slots__``, or in a variable outside of the cell, is not noticed.

    >>> from tinygrad_rnn import nn
    >>> Recurrent([nn.LSTM1997Cell(3, 5)], batch_first=True, unroll=False)
    Recurrent(batch_first=True, unroll=False
      cells.0: LSTM1997Cell(weight_ih[15, 3], weight_hh[15, 5], bias_ih[15], bias_hh[15])
      dropout: Dropout(p=0.0)
    )

    Raises ValueError for other shapes, and for input without a time step; TypeError for another dtype.
    """

    _shown: ClassVar = {"bidirectional": False, "batch_first": False, "unroll": True}

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        bidirectional: bool = False,
        batch_first: bool = False,
        dropout: float = 0.0,
        unroll: bool = True,
        rng: Seed = None,
    ) -> None:
        given: Any = cells
        if not isinstance(given, Sequence) or not all(isinstance(cell, Cell) for cell in given):
            raise TypeError(f"{type(self).__name__}: takes a list of cells, not {given!r}")
        self.cells = tuple(cells)
        self.unroll = unroll
        self.plans = [Plans() for _ in self.cells]  # of each cell, good for any parameters of these shapes
        self.steps = Steps()
        self.bidirectional, self.directions = bidirectional, 2 if bidirectional else 1
        if not self.cells or len(self.cells) % self.directions:
            raise ValueError(
                f"{type(self).__name__}: takes one cell a layer, two if bidirectional, but {len(self.cells)} were given"
            )
        self.batch_first = batch_first
        self.dropout = Dropout(dropout, rng=rng)
        for name, value in self.named_parameters():
            value.name = name

    def all_names(self) -> Iterator[tuple[str, Tensor]]:
        """PyTorch's names: ``weight_ih_l0``, and ``weight_ih_l0_reverse`` for the second direction."""
        yield from self.own_parameters()
        for k, cell in enumerate(self.cells):
            layer, reverse = divmod(k, self.directions)
            for name, value in cell.all_names():
                yield f"{name}_l{layer}{'_reverse' if reverse else ''}", value
        for child_name, child in self.children():  # which a subclass may have
            if not child_name.startswith("cells."):
                yield from ((f"{child_name}.{name}", value) for name, value in child.all_names())

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: steps are not, for they run the cells of the original."""
        return {**vars(self), "steps": Steps()}

    def __getattr__(self, name: str) -> Tensor:
        own = dict(self.all_names()) if "cells" in vars(self) else {}
        if name not in own:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{closest(name, list(own))}")
        return own[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and name not in vars(self) and hasattr(self, name):
            raise AttributeError(
                f"{type(self).__name__}.{name} belongs to one of .cells: assign to .{name}.data, or to the cell's own"
            )
        super().__setattr__(name, value)

    def forward(
        self, x: Tensor | Array, state: State = None, *, lengths: Sequence[int] | Array | None = None
    ) -> tuple[Tensor, State]:
        """The outputs, and the last state of each layer and direction; see the class."""
        inputs = self.time_first(x)
        T, B, _ = inputs.shape
        states = self.initial_states(state, B, inputs.dtype)
        mask = None if lengths is None else mask_of(lengths, T, B)
        if mask is not None:
            inputs = where(mask, inputs, 0)
        lasts: list[tuple[Tensor, ...]] = []
        for layer in range(len(self.cells) // self.directions):
            if layer:
                inputs = self.dropout(inputs)
            outputs = []
            for reverse in range(self.directions):
                k = len(lasts)
                with scope(f"layer{layer}{'_reverse' if reverse else ''}"):
                    last, output = self.run(k, states[k], inputs, mask)
                lasts.append(parts(last))
                outputs.append(output)
            inputs = outputs[0] if len(outputs) == 1 else concatenate(*outputs, axis=-1)
        last = whole([joined(tensors) for tensors in zip(*lasts, strict=True)])
        return inputs.swapaxes(0, 1) if self.batch_first else inputs, last

    def run(self, k: int, state: State, x: Tensor, mask: Tensor | None) -> tuple[State, Tensor]:
        """Cell ``k`` along time over ``x`` [T, B, F]: the last state, and the outputs [T, B, H].

        Where ``mask`` [T, B, 1] is false, the state stays as it is and the output is 0.
        """
        cell = self.cells[k]
        rows, indices = looked_up(x) if cell.row_by_row else (x, None)
        projected = cell.project(rows)
        xs: tuple[Any, ...] = projected
        if indices is not None:
            xs = tuple(take(table, indices) for table in projected) if self.unroll else (indices,)
        gathered = indices is not None and not self.unroll
        last, outputs = scan(
            self.step(k, masked=mask is not None, gathered=gathered),
            state,
            xs if mask is None else (mask, *xs),
            shared=projected if gathered else (),
            reverse=bool(k % self.directions),
            unroll=self.unroll,
        )
        return last, outputs if mask is None else where(mask, outputs, 0)

    def step(self, k: int, *, masked: bool, gathered: bool) -> Pure:
        """The step of cell ``k``: the same object as long as the cell is as it was, and always with the same plans."""
        key, cell = (k, masked, gathered), self.cells[k]
        if key not in self.steps or not self.steps[key].fits(cell):
            self.steps[key] = Kept(cell, Pure(step_of(cell, masked=masked, gathered=gathered), self.plans[k]))
        return self.steps[key].step

    def time_first(self, x: Tensor | Array) -> Tensor:
        """The input as a Tensor [T, B, F]; ValueError for another number of axes, and for T = 0."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        form = "[B, T, F]" if self.batch_first else "[T, B, F]"
        if x.ndim != 3:
            raise ValueError(
                f"{here()}: takes inputs {form} of time steps, batch and features, but got shape {x.shape}"
            )
        x = x.swapaxes(0, 1) if self.batch_first else x
        if not len(x):
            raise ValueError(f"{here()}: an input {form} needs a time step, but this one has T = 0")
        return x

    def initial_states(self, state: State, batch: int, dtype: np.dtype[Any]) -> list[State]:
        """The state that each cell starts from."""
        if state is None:
            return [cell.zero_state((batch,), dtype) for cell in self.cells]
        shapes = [(len(self.cells), batch, size) for size in self.cells[0].state_sizes]
        tensors = checked_state(state, shapes, dtype)
        names = list(islice(chain(STARTS, repeat(None)), len(tensors)))
        return [whole(list(map(of_cell, tensors, repeat(k), names))) for k in range(len(self.cells))]


def of_cell(tensor: Tensor, k: int, name: str | None) -> Tensor:
    """The state of cell ``k``, from that of all; ``name`` is what it is called if it has no name, or was detached."""
    part = tensor[k]
    part.name = f"{name} {DETACHED}" if tensor.name == DETACHED else tensor.name or name
    return part


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors [B, H] side by side along a new first axis."""
    return stack(*tensors) if len(tensors) > 1 else reshape(tensors[0], shape=(1, *tensors[0].shape))


def looked_up(x: Tensor) -> tuple[Tensor, Tensor | Array | None]:
    """(table, indices), if ``x`` was just taken from a table of fewer numbers than it has, else (x, None).

    A gather commutes with what maps each row by itself, so the rows of the table are mapped instead of those of x.
    """
    node = x.node
    if node is not None and node.op is take and not node.params and node.inputs[0].size < x.size:
        table, indices = node.inputs
        return table, indices
    return x, None


def mask_of(lengths: Sequence[int] | Array, T: int, B: int) -> Tensor:
    """True [T, B, 1] where step t is one of the first ``lengths[b]``; errors for all but [B] integers 0..T."""
    ends = np.asarray(plain(lengths))
    if ends.dtype.kind not in "iu" and ends.size:
        raise TypeError(f"{here()}: lengths are integers, one for each sequence, but these are {ends.dtype}")
    if ends.shape != (B,):
        raise ValueError(
            f"{here()}: lengths has one integer for each of the {B} sequences, but its shape is {ends.shape}"
        )
    for b in np.flatnonzero((ends < 0) | (ends > T))[:1].tolist():
        raise ValueError(
            f"{here()}: the length of sequence {b} is {ends[b]}, but must be in 0..{T}, the number of steps"
        )
    return Tensor(np.arange(T)[:, None, None] < ends[:, None])


class Stacked(Recurrent):
    """What ``RNN``, ``LSTM`` and ``GRU`` share: ``num_layers`` layers of cells of one class."""

    cell: type[Cell]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        batch_first: bool = False,
        dropout: float = 0.0,
        zoneout: float | Sequence[float] = 0.0,
        unroll: bool = True,
        rng: Seed = None,
        **options: Any,
    ) -> None:
        known = [name for name in inspect.signature(self.cell).parameters if name not in {"input_size", "hidden_size"}]
        for name in options:
            if name not in known:
                others = ["num_layers", "bidirectional", "batch_first", "dropout", "zoneout", "unroll", "rng"]
                raise TypeError(f"{type(self).__name__}: no option {name!r}{closest(name, [*known, *others])}")
        positive(num_layers, "num_layers", self)
        rng, directions = generator(rng), 2 if bidirectional else 1
        cells: list[Cell] = []
        for _ in range(num_layers):
            size = cells[-1].state_sizes[0] * directions if cells else input_size
            cells += [self.cell(size, hidden_size, rng=rng, **options) for _ in range(directions)]
        if np.any(zoneout):
            cells = [Zoneout(cell, zoneout, rng=rng) for cell in cells]
        extra = {"dropout": dropout, "zoneout": zoneout}
        told = {"num_layers": num_layers} if num_layers > 1 else {}
        told |= {name: value for name, value in extra.items() if np.any(value)} | options
        self._sizes = f"{input_size}, {hidden_size}"
        self._options = [f"{name}={value!r}" for name, value in told.items() if name != "dtype"]
        super().__init__(
            cells, bidirectional=bidirectional, batch_first=batch_first, dropout=dropout, unroll=unroll, rng=rng
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join([self._sizes, *self._options, *self.told()])})"


class RNN(Stacked):
    """Layers of ``RNNCell``: h = tanh(W_ih x + b_ih + W_hh h + b_hh) at each time step.

    ``RNN(input_size, hidden_size, num_layers=1, *, bidirectional=False, batch_first=False, dropout=0, zoneout=0,
    unroll=True, rng=None)``, and the options of ``RNNCell``: nonlinearity, identity_init, layer_norm, bias, dtype.
    ``zoneout`` is the p of ``Zoneout`` around each cell. How to call it is said at ``Recurrent``.

    >>> rnn = RNN(3, 5, num_layers=2, nonlinearity="relu", rng=0)
    >>> outputs, h = rnn(np.zeros((7, 2, 3), np.float32))
    >>> outputs.shape, h.shape
    ((7, 2, 5), (2, 2, 5))
    """

    cell = RNNCell


class LSTM(Stacked):
    """Layers of ``LSTMCell``, long short-term memory.

    ``LSTM(input_size, hidden_size, num_layers=1, *, bidirectional=False, batch_first=False, dropout=0, zoneout=0,
    unroll=True, rng=None)``, and the options of ``LSTMCell``: forget_bias, peephole, coupled, layer_norm, proj_size,
    bias, dtype. ``zoneout`` is the p of ``Zoneout`` around each cell, or (p_h, p_c). How to call it is said at
    ``Recurrent``.

    >>> lstm = LSTM(3, 5, bidirectional=True, forget_bias=1.0, rng=0)
    >>> outputs, (h, c) = lstm(np.zeros((7, 2, 3), np.float32), lengths=[7, 4])
    >>> outputs.shape, h.shape, c.shape
    ((7, 2, 10), (2, 2, 5), (2, 2, 5))
    >>> lstm.weight_hh_l0_reverse.shape
    (20, 5)
    >>> lstm
    LSTM(3, 5, forget_bias=1.0, bidirectional=True)
    """

    cell = LSTMCell


class GRU(Stacked):
    """Layers of ``GRUCell``, the gated recurrent unit.

    ``GRU(input_size, hidden_size, num_layers=1, *, bidirectional=False, batch_first=False, dropout=0, zoneout=0,
    unroll=True, rng=None)``, and the options of ``GRUCell``: reset, update, layer_norm, bias, dtype. ``zoneout`` is
    the p of ``Zoneout`` around each cell. How to call it is said at ``Recurrent``.

    >>> gru = GRU(3, 5, batch_first=True, rng=0)
    >>> outputs, h = gru(np.zeros((2, 7, 3), np.float32))
    >>> outputs.shape, h.shape
    ((2, 7, 5), (1, 2, 5))
    """

    cell = GRUCell
