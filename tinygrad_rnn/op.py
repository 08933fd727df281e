"""An operation is a NumPy function with its derivative beside it; calling it with Tensors records how they were used.

    @op(x=lambda g, out, x, y: g * y, y=lambda g, out, x, y: g * x)
    def mul(x, y):
        return np.multiply(x, y)

The function works on arrays. Its positional parameters are *inputs* (whatever changes from call to call: values,
indices, masks); its keyword-only ones are *static* (axis, shape). For each differentiable input there is one *rule*:
from ``g``, the cotangent of the result (d loss / d out), the rule makes the cotangent of that input. It sees the result
and the inputs as well. Broadcasting is undone by the engine, so a rule may return the shape of ``g``.

Operations are polymorphic, and so are rules, being made of operations. Handed arrays only, an operation is plain NumPy
and gives an array: that is how rules run in an ordinary backward pass, and no graph is made. Handed a Tensor it gives
a Tensor: that is how the same rule is recorded, differentiated again, traced or drawn.

Dtypes promote as in NumPy: arrays, also those without axes, count with their dtype, and Python's numbers are weak.
In arithmetic with a floating-point Tensor NumPy's scalars are as weak as Python's, so that ``t / np.sqrt(2)`` stays
float32, as in PyTorch.
"""

from __future__ import annotations

import inspect
import threading
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.tensor import Scope, Tensor, clock, closest, registry, shapes_of, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    Rule = Callable[..., Any]

PLAIN = frozenset({int, float, bool, np.ndarray})  # what may stand beside tensors among the inputs of an operation,
SCALARS = frozenset(np.dtype(code).type for code in "?bBhHiIlLqQefd")  # and so may NumPy's scalars
NUMERIC = "fiub"  # kinds of dtypes: floating point, integers and booleans
ndarray, new_tensor = np.ndarray, Tensor.__new__  # looked up once: they serve every call of every operation
KNOWN_ERRORS = (
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
)  # how NumPy says that inputs don't fit


class Recorder:
    """What one thread records: whether it does, who is told, and where in the model it is.

    ``observers`` are called with every newly recorded Tensor; anomaly detection, profiling and tracing are built on
    them. ``scope`` goes into each Node and each message: ``("lstm", "layer1", 7)`` reads ``lstm.layer1 / t=7``.
    ``tracing`` asks for the nodes of results that need no gradient as well.
    """

    __slots__ = ("enabled", "observers", "scope", "tracing")

    def __init__(self) -> None:
        self.enabled = True
        self.observers: tuple[Callable[[Tensor], None], ...] = ()
        self.scope: Scope = ()
        self.tracing = False


class _Thread(threading.local):
    def __init__(self) -> None:
        self.recorder = Recorder()


thread = _Thread()


class Op:
    """An operation: call it with Tensors to compute and record, with arrays to compute only.

    ``rules`` has the rule of each differentiable input by position; ``joint`` instead is one rule that returns the
    cotangents of all inputs (None where there is none), for operations whose inputs share work or are any number.
    """

    def __init__(self, forward: Callable[..., Any], joint: Rule | None, rules: dict[str, Rule]) -> None:
        parameters = inspect.signature(forward).parameters.values()
        self.input_names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.others = [others(p) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        self.name = forward.__name__
        for name in rules:
            if name not in self.input_names:
                hint = closest(name, self.input_names)
                raise TypeError(f"op {self.name}: a rule for {name!r}, but its inputs are {self.input_names}{hint}")
        if joint and rules:
            raise TypeError(f"op {self.name}: give one joint rule or one rule per input, not both")
        self.forward = forward
        self.joint = joint
        self.rules = [rules.get(name) for name in self.input_names]
        self.differentiable = bool(joint or rules)
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = forward.__module__
        self.__doc__ = forward.__doc__
        self.__wrapped__ = forward

    def __repr__(self) -> str:
        return f"<op {self.name}{inspect.signature(self.forward)}>"

    def __call__(self, *inputs: Any, **params: Any) -> Tensor:  # noqa: PLR0915  one piece: calls would cost too much
        """The result: a Tensor if any input is one (recorded if one requires grad), else an array."""
        arrays: list[Any] = []
        record = has_array = has_scalar = False
        for x in inputs:
            kind = type(x)
            if kind is Tensor:
                arrays.append(x._data)
                if x._requires_grad:
                    record = True
            elif kind in PLAIN:
                arrays.append(x)
                if kind is ndarray:
                    has_array = True
            elif kind in SCALARS:
                arrays.append(x)
                has_scalar = True
            elif len(arrays) < len(self.others) and kind in self.others[len(arrays)]:
                arrays.append(x)
            else:
                raise self.misfit(x, inputs)
        if has_scalar and any(type(x) is Tensor and x._data.dtype.kind == "f" for x in inputs):
            inputs = self.weakened(inputs)
            arrays = [x._data if type(x) is Tensor else x for x in inputs]
        try:
            data = self.forward(*arrays, **params)
        except KNOWN_ERRORS as error:
            raise explained(error, self.name, inputs, params, thread.recorder.scope) from error
        if not record and not any(type(x) is Tensor for x in inputs):
            return data  # type: ignore[no-any-return]  # arrays in, array out
        if has_array:
            for x in inputs:
                if type(x) is ndarray and x.dtype.kind not in NUMERIC:
                    raise self.misfit(x, inputs)
        if type(data) is not ndarray:  # NumPy gives 0-d results as scalars
            data = np.asarray(data)
        data.setflags(False)  # write=False, by position: a third of the time; tensor.py says why
        out = new_tensor(Tensor)
        out.time = next(clock)
        out.grad = out.name = None
        recorder = thread.recorder
        if record and recorder.enabled and self.differentiable:
            if has_array:
                inputs = tuple(snapshot(x) for x in inputs)
            out._data = data
            out._requires_grad = True
            out._made = (self, inputs, params, recorder.scope)
            if recorder.observers:
                for observe in recorder.observers:
                    observe(out)
        else:
            out._data = snapshot(data)  # a view of a parameter must not follow its updates
            out._requires_grad = False
            out._made = None
            if recorder.tracing:
                out._made = (self, inputs, params, recorder.scope)
                for observe in recorder.observers:
                    observe(out)
        return out

    def weakened(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """``inputs`` with numbers for NumPy's scalars that have a rule: indices, targets and comparisons have none."""
        rules = zip_longest(inputs, self.rules[: len(inputs)])
        return tuple(x.item() if rule and type(x) in SCALARS else x for x, rule in rules)

    def misfit(self, x: object, inputs: Sequence[object]) -> TypeError:
        """The error for an input that is no tensor, array of numbers, or number."""
        names = [type(i).__name__ for i in inputs]
        what = "None" if x is None else f"a {type(x).__name__}"
        advice = "make it a Tensor or an array" if isinstance(x, (list, tuple)) else "give a Tensor, array or number"
        if isinstance(x, ndarray):
            what, advice = f"an array of {x.dtype}", "the elements must be real numbers or booleans"
        advice = getattr(x, "advice", advice)
        if isinstance(x, (list, tuple)) and any(type(i) is Tensor for i in x):
            advice = f"pass the tensors in it one by one, as in {self.name}(*xs)"
            if self.name != "stack":
                advice += ", or join them with stack(*xs)"
        return TypeError(f"{self.name}({', '.join(names)}): an input is {what}; {advice}")


def others(parameter: inspect.Parameter) -> frozenset[type]:
    """What an operation takes for an input besides tensors, arrays and numbers: None if that is the default, text."""
    none = {type(None)} if parameter.default is None else set()
    return frozenset(none | ({str} if parameter.annotation in {str, "str"} else set()))


def op(joint: Rule | None = None, **rules: Rule) -> Callable[[Callable[..., Any]], Op]:
    """Define an operation: ``@op(x=rule, y=rule)``, or ``@op(joint_rule)``, or ``@op()`` for no derivative.

    A rule is ``f(g, out, *inputs, **params) -> cotangent``, written in operations and operators, so that it works on
    arrays and on Tensors. A joint rule returns a tuple with one cotangent for each input.

    >>> @op(x=lambda g, out, x: g * 2 * x)
    ... def square(x):
    ...     "x times x."
    ...     return np.multiply(x, x)
    >>> x = Tensor(3.0, requires_grad=True)
    >>> square(x).backward()
    >>> float(x.grad)
    6.0

    The operation is put in ``registry`` under its function's name. Raises TypeError for a rule that names no input.
    """

    def define(forward: Callable[..., Any]) -> Op:
        registry[forward.__name__] = made = Op(forward, joint, rules)
        return made

    return define


def explained(error: Exception, name: str, inputs: Sequence[Any], params: dict[str, Any], scope: Scope) -> Exception:
    """``error`` with the operation, the shapes of its inputs, its parameters and its scope in the message.

    What fails for want of an attribute failed because a number is no array: that is said, as a TypeError. A number too
    large for its place is a ValueError.
    """
    static = "".join(f", {key}={value!r}" for key, value in params.items())
    call = f"{name}{shapes_of(tuple(inputs))[:-1]}{static})"
    kind = next(known for known in KNOWN_ERRORS if isinstance(error, known))
    if kind is AttributeError:
        numbers = ", ".join(repr(x) for x in inputs if not hasattr(x, "shape"))
        kind, error = TypeError, TypeError(f"{error}{f'; make an array of {numbers}' if numbers else ''}")
    elif kind is OverflowError:
        kind = ValueError
    return kind(f"{call}: {str(error).strip()}{f' [in {describe(scope)}]' if scope else ''}")


def describe(scope: Scope) -> str:
    """A scope as text: modules joined by dots, time steps as ``t=7``.

    >>> describe(("lstm", "layer1", 7))
    'lstm.layer1 / t=7'
    """
    text = ""
    for part in scope:
        text += f" / t={part}" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".").removeprefix(" / ")


class no_grad:  # noqa: N801  used like a function
    """``with no_grad():`` operations inside are computed but not recorded, in this thread.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    __slots__ = ("before",)

    def __init__(self) -> None:
        self.before: list[bool] = []  # one for each ``with`` that this object is in

    def __enter__(self) -> None:
        self.before.append(thread.recorder.enabled)
        thread.recorder.enabled = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        thread.recorder.enabled = self.before.pop()
