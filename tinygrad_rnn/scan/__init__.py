"""Running a cell along time: as a recorded loop to study, or by a plan to train.

tape.py is one step as plain data; trace.py records and differentiates it; lower.py turns recorded operations into NumPy
calls; passes.py makes fewer of them wait for each other; plan.py divides them into programs, lift.py says what a call
is for all steps at once, and place.py gives values their buffers; run.py binds a plan to T steps; planned.py makes the
whole one node of the graph, and stepper.py runs a step without one. ``python -m tinygrad_rnn.scan lstm`` shows a plan.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.op import thread
from tinygrad_rnn.scan.planned import Pure, scan_planned
from tinygrad_rnn.scan.stepper import Stepper
from tinygrad_rnn.scan.tape import CannotPlan
from tinygrad_rnn.scan.unroll import scan_unrolled
from tinygrad_rnn.tensor import Tensor, plain

__all__ = ["CannotPlan", "Pure", "Stepper", "scan"]


def scan(
    step: Callable[..., tuple[Any, Tensor]],
    state: Any,
    xs: Sequence[Any],
    *,
    shared: Sequence[Tensor] = (),
    reverse: bool = False,
    unroll: bool = True,
) -> tuple[Any, Tensor]:
    """Carry ``state`` along time: ``state, y = step(state, *xs at t, *shared)`` for t = 0..T-1, or from T-1 down to 0.

    ``state`` is a tensor, or any nesting of tuples, lists and dictionaries of them; each of ``xs`` is [T, ...]. Returns
    the last state and the outputs y, stacked [T, ...] in the order of time.

    With ``unroll`` every operation of every step is recorded, in the scope of time step t. Without, the step is looked
    at once, and run along time by a plan: the same values and gradients to rounding, quicker (2 to 3 times for small
    cells, 1.3 times for large ones), and one node in the graph. ``step`` must then be a pure function: what differs
    from step to step (masks, random numbers) comes in through ``xs``, and Python decisions don't depend on values.
    Tensors from outside that it reads get their gradients either way; ``shared`` hands it some of them by name.

    Raises ValueError if ``xs`` differ in T or have no step; TypeError if ``xs`` is no tuple or ``step`` returns no
    pair; CannotPlan, a TypeError, for a step that has no plan.

    >>> import numpy as np
    >>> from tinygrad_rnn import Tensor, nn
    >>> add = lambda total, x: (total + x, total + x)
    >>> scan(add, Tensor(0.0), (Tensor([1.0, 2.0, 4.0]),))[1].data
    array([1., 3., 7.])

    A cell is a function of (x, state), so a step of it reads

    >>> cell = nn.RNNCell(3, 5, rng=0)
    >>> def step(h, x):
    ...     h = cell(x, h)
    ...     return h, h
    >>> h, outputs = scan(
    ...     step, Tensor(np.zeros((2, 5), np.float32)), (Tensor(np.ones((7, 2, 3), np.float32)),), unroll=False
    ... )
    >>> outputs.shape
    (7, 2, 5)
    """
    if not isinstance(xs, (tuple, list)):
        raise TypeError(f"scan: xs is a tuple of what each step takes, not a {type(xs).__name__}; write (x,)")
    if not callable(step):
        raise TypeError(f"scan: step is a function of the state and what xs have at t, not a {type(step).__name__}")
    for x in xs:
        if not isinstance(x, (Tensor, np.ndarray, list, tuple)) or not np.ndim(plain(x)):
            raise TypeError(f"scan: each of xs is a tensor or array [T, ...], but there is {reprlib.repr(plain(x))}")
    lengths = {len(x) for x in xs}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"scan: xs need one common number of steps T > 0, but have {[len(x) for x in xs]}")
    if unroll or thread.recorder.tracing:  # inside a step that is being planned
        return scan_unrolled(step.step if isinstance(step, Pure) else step, state, xs, shared, reverse=reverse)
    return scan_planned(step, state, xs, shared, reverse=reverse)
