"""Where in a model an operation is recorded: named scopes for modules, numbered ones for time steps.

A scope is plain data, a tuple of names and step numbers, kept by each thread's recorder. It goes into every Node that
is recorded inside and into every error message; pictures, traces and reports take layers and time steps from it, and
never guess them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_rnn.op import thread

if TYPE_CHECKING:
    from types import TracebackType


class scope:  # noqa: N801  used like a function
    """``with scope("encoder"):`` or, for time step 7, ``with scope(7):`` around what is recorded there.

    >>> from tinygrad_rnn import Tensor
    >>> x = Tensor(1.0, requires_grad=True)
    >>> with scope("lstm"), scope("layer1"), scope(7):
    ...     y = x * x
    >>> y.node.scope
    ('lstm', 'layer1', 7)
    """

    __slots__ = ("part",)

    def __init__(self, part: str | int) -> None:
        self.part = part

    def __enter__(self) -> None:
        thread.recorder.scope = (*thread.recorder.scope, self.part)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        thread.recorder.scope = thread.recorder.scope[:-1]
