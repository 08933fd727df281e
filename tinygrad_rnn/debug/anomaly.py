"""The first value that is not finite: which operation made it, where in the model, at which line, from what inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_rnn.contributions import At, Rows
from tinygrad_rnn.debug.watch import Contribution, Lines, Pullback, Watcher
from tinygrad_rnn.debug.words import call_text, input_name, number, range_text, shape_text
from tinygrad_rnn.op import describe
from tinygrad_rnn.scan.planned import planned_scan
from tinygrad_rnn.tensor import Array, Node, Tensor, plain

if TYPE_CHECKING:
    from types import TracebackType


class NonFiniteError(FloatingPointError):
    """A value that is NaN or infinite; the text says where it came from."""


class Anomaly(Watcher):
    """What ``anomaly`` returns."""

    def __init__(self, *, inf: bool) -> None:
        super().__init__()
        self.lines = Lines()
        self.wrong: Callable[[Array], Any] = (lambda a: ~np.isfinite(a)) if inf else np.isnan
        self.errstate = np.errstate(all="ignore")  # the error says more than NumPy's warnings, and comes at once

    def __enter__(self) -> Self:
        self.errstate.__enter__()
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        super().__exit__(kind, error, tb)
        self.errstate.__exit__(kind, error, tb)

    def __call__(self, out: Tensor) -> None:
        """Raise NonFiniteError if a result that is being recorded is not finite."""
        self.lines.note(out)
        node = out.node
        if node is None or not self.bad(out.data):
            return
        name, inputs = node.op.name, [plain(x) for x in node.inputs]
        before = [i for i, x in enumerate(inputs) if type(x) is np.ndarray and self.bad(x)]
        if before:
            i = before[0]
            what = f"{name} was handed the first value that is not finite, its input {input_name(node.op, i)!r}"
            what += f" ({self.names(node.inputs[i])}), which no recorded operation made: {self.count(inputs[i])}"
        else:
            what = f"{name} made the first value that is not finite: {self.count(out.data)}"
        inside = steps_forward(node, self.wrong(out.data))
        raise NonFiniteError(self.report(f"forward: {what}", out, node, inside=inside))

    def begun(self, starts: list[tuple[Tensor, Any]]) -> None:
        """Raise NonFiniteError if the gradient that backward starts from is not finite."""
        for _, gradient in starts:
            if self.bad(gradient):
                count = self.count(np.asarray(plain(gradient)))
                raise NonFiniteError(f"backward: the gradient that it was given is not finite: {count}")

    def pulled(self, turn: Pullback) -> None:
        """Raise NonFiniteError if a contribution to a gradient is not finite, or a sum of several that were."""
        out, node = turn.tensor, turn.node
        if self.bad(turn.cotangent):
            what = (
                f"the gradient of {self.names(out)} {shape_text(out.shape)}, a sum of contributions that are finite, "
            )
            what += f"is the first that is not: {self.count(plain(turn.cotangent))}"
            raise NonFiniteError(self.report(f"backward: {what}", out, node))
        for part in turn.contributions:
            found = self.bad_part(part.value)
            if found is not None and node is not None:
                what = f"the rule of {node.op.name} made the first gradient that is not finite, that of its input "
                what += f"{part.name!r}: {self.count(found)}"
                gradients = {"gradient of the result": plain(turn.cotangent), f"gradient of {part.name}": found}
                inside = steps_backward(node, part, self.wrong(found))
                report = self.report(f"backward: {what}", out, node, inside=inside, gradients=gradients)
                raise NonFiniteError(report)

    def bad(self, value: Any) -> bool:
        """Whether there is something to report in an array or Tensor."""
        return bool(self.wrong(np.asarray(plain(value))).any())

    def bad_part(self, value: Any) -> Array | None:
        """What there is to report in a contribution: the array, or None."""
        if isinstance(value, Rows):
            value = Rows.total([value]) if self.bad(value.a) or self.bad(value.b) else 0.0
        array = np.asarray(plain(value.value if isinstance(value, At) else value))
        return array if self.bad(array) else None

    def count(self, array: Array) -> str:
        """The first element that is wrong, and how many are."""
        wrong = self.wrong(array)
        first = tuple(np.argwhere(wrong)[0].tolist())
        value = float(array[first])
        at = f" at {shape_text(first)}, {int(wrong.sum())} of {array.size} elements" if first else ""
        return f"{number(value)}{at}"

    def report(
        self, what: str, out: Tensor, node: Node | None, *, inside: str = "", gradients: dict[str, Array] | None = None
    ) -> str:
        """The text of the error: what happened, where, and the ranges of all arrays that took part."""
        rows: dict[str, str] = {}
        arrays: dict[str, Array] = {}
        if node is not None:
            rows["operation"] = call_text(node, self.names)
            rows["where"] = describe(node.scope) or "in no module"
            for i, x in enumerate(node.inputs):
                name = f" ({self.names(x)})" if isinstance(x, Tensor) and x.name else ""
                if isinstance(x, (Tensor, np.ndarray)):
                    arrays[f"input {input_name(node.op, i)}{name}"] = plain(x)
        if line := self.lines.of(out):
            rows["line"] = line
        if inside:
            rows["inside"] = inside
        for name, a in {**arrays, "result" if node else "value": out.data, **(gradients or {})}.items():
            rows[name] = f"{a.dtype} {shape_text(a.shape)}  {range_text(a)}"
        size = max(map(len, rows))
        return "\n".join([what, *(f"  {name.ljust(size)}  {text}" for name, text in rows.items())])


LOOK_INSIDE = "all time steps, run by a plan: with unroll=True every operation of every step is checked by itself"


def steps_forward(node: Node, wrong: Array) -> str:
    """For a planned scan, the first time step whose output is not finite and how to see inside; else nothing."""
    if node.op is not planned_scan:
        return ""
    pieces, last = node.params["loan"].run.pieces, node.params["reverse"]
    bad = [wrong[p.start : p.stop].reshape(p.shape) for p in pieces if p.number < 0]
    return LOOK_INSIDE + (first_step(bad[0], last=last, what="outputs") if bad else "")


def steps_backward(node: Node, part: Contribution, wrong: Array) -> str:
    """The same for a gradient: the step that backward came to first."""
    if node.op is not planned_scan:
        return ""
    tape, at = node.params["loan"].planned.tape, next(i for i, x in enumerate(node.inputs) if x is part.tensor)
    of_steps = tape.states <= at < tape.states + tape.xs
    return LOOK_INSIDE + (first_step(wrong, last=not node.params["reverse"], what="gradients") if of_steps else "")


def first_step(wrong: Array, *, last: bool, what: str) -> str:
    """The time step [T, ...] at which something went wrong first."""
    steps = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    return f"; its {what} go wrong at t={int(steps[-1 if last else 0])}" if steps.size else ""


def anomaly(*, inf: bool = True) -> Anomaly:
    """A context that stops at the first value that is not finite, forward or backward.

    Every recorded result, every contribution to a gradient and every sum of them is looked at. The first that is NaN
    or infinite raises NonFiniteError; its text has the operation, the place in the model (layer and time step), the
    line of the caller's code, and the shapes and ranges of all arrays that took part. With ``inf=False`` infinite
    values are let pass, where -inf is meant, as in masks. NumPy's warnings are silent inside.

    >>> from tinygrad_rnn import sqrt
    >>> from tinygrad_rnn.scope import scope
    >>> x = Tensor([0.25, 0.0], requires_grad=True, name="x")
    >>> try:
    ...     with anomaly(), scope("model"):
    ...         sqrt(x).sum().backward()
    ... except NonFiniteError as error:
    ...     what, *about = str(error).splitlines()
    >>> print(what[:72])
    backward: the rule of sqrt made the first gradient that is not finite, t
    >>> for line in about:
    ...     print(line[:60])
      operation               sqrt(x)
      where                   model
      line                    <doctest tinygrad_rnn.debug.anomal
      input x (x)             float64 (2,)  0 … 0.25
      result                  float64 (2,)  0 … 0.5
      gradient of the result  float64 (2,)  1 … 1
      gradient of x           float64 (2,)  1 … 1, 1 inf
    """
    return Anomaly(inf=inf)
