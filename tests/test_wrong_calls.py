"""Ten thousand wrong calls: each is refused by name, and what is accepted is computed and differentiated rightly.

Operations get inputs and parameters of any kind in any place; layers, cells, optimizers, ``scan`` and the methods of
Tensor get arguments that they were not made for. A call may end in an error that says what it was about, of a kind that
callers expect, or in a right result: never in an error from deep inside, and never in a wrong result.
"""

from __future__ import annotations

import inspect
import math
import operator
import re
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tests.ops.cases import OPS
from tinygrad_rnn import Tensor, gradients, nn, optim
from tinygrad_rnn.op import Op, thread
from tinygrad_rnn.scan import scan

PACKAGE = str(Path(tg.__file__).parent)
KINDS = (TypeError, ValueError, IndexError, KeyError, AttributeError, RuntimeError)
SHAPES = [(), (1,), (2,), (3,), (2, 3), (3, 2), (0,), (2, 0, 3), (2, 3, 4)]
WRONG_EACH = 5000  # calls that are refused, of operations and of classes
AT_ONCE = 20  # in one example, which is quicker

Make = Callable[[], Any]


def numbers(shape: tuple[int, ...], dtype: Any = float) -> Any:
    """Numbers no two of which are equal, nor equal to an integer, so that there is no kink near."""
    return np.random.default_rng(math.prod(shape) + len(shape)).uniform(0.51, 1.49, shape).astype(dtype)


def tensor(shape: tuple[int, ...], dtype: Any, requires_grad: bool) -> Tensor:
    """A tensor of these numbers."""
    return Tensor(numbers(shape, dtype), requires_grad)


def tensors(dtype: Any, *, requires_grad: bool) -> list[Make]:
    """Makers of tensors of all shapes."""
    return [partial(tensor, shape, dtype, requires_grad) for shape in SHAPES]


def arrays(dtype: Any) -> list[Make]:
    """Makers of arrays of all shapes."""
    return [partial(numbers, shape, dtype) for shape in SHAPES]


def same(*values: Any) -> list[Make]:
    """Makers of these values themselves."""
    return [partial(operator.itemgetter(0), (x,)) for x in values]


HUGE = same(10**30)
LEAVES = tensors(float, requires_grad=True)
INPUTS: list[Make] = [
    *LEAVES,
    *LEAVES,
    *tensors(np.float32, requires_grad=True),
    *tensors(float, requires_grad=False),
    *tensors(int, requires_grad=False),
    *tensors(bool, requires_grad=False),
    *(make for dtype in (float, np.float16, int, bool, np.uint8) for make in arrays(dtype)),
    *same(0, 1, -1, 2.5, math.nan, math.inf, True, np.float32(2), np.int64(3)),
    *HUGE,
]
NONSENSE: list[Make] = [
    *same(None, "a", "", b"x", 1j, ..., slice(1), {}, (), np.float32, print),
    lambda: [1.0],
    lambda: [Tensor([1.0], True)],
    object,
    lambda: np.array(["a", "b"]),
    lambda: np.array([b"x"]),
    lambda: np.array([1, None], object),
    lambda: np.array(1.0, object),
    lambda: np.array([1j, 2]),
    lambda: np.array(["2020-01-01"], "M8[D]"),
]
SUBSCRIPTS = ["ij,jk", "i,i", "ij->ji", "i", "", "ii->i", "...i,i", "ij,ij->", "->", "é", "ij->ik", "ij,j,k->ik"]
PARAMETERS: list[Make] = [
    *same(0, 1, -1, 2, 5, -7, 10**30, 1.0, 2.5, None, True, "a", "mean", "sum", "none", math.nan),
    *same((), (0,), (1, 0), (0, 0), (-1,), (2, 3), (6,), (3, None), (1.5,), ("x",), (10**30,)),
    *same(((1, 1),), ((1, 1), (0, 2)), ("array",), (0, "array"), (slice(None),), (..., ...)),
    *same(((slice(0, 2),),), ((0,),), np.float32, "float64", object, np.int64(1), slice(0, 1)),
    lambda: [0],
    lambda: ([0, 0],),
    dict,
    lambda: np.array([0, 1]),
    lambda: Tensor([1.0]),
]
INTERNAL = {"planned_scan", "recomputed"}  # whose parameters are objects of the library's own


def test_operations_refuse_wrong_calls_by_name() -> None:
    refused = 0
    ops = [OPS[name] for name in sorted(OPS) if name not in INTERNAL]
    inputs = st.one_of(st.sampled_from(INPUTS), st.sampled_from(INPUTS), st.sampled_from(NONSENSE))
    calls = st.tuples(
        st.sampled_from(ops),
        st.lists(inputs, min_size=1, max_size=4),
        st.lists(st.sampled_from(PARAMETERS), min_size=3, max_size=3),
        st.integers(0, 15),
    )

    @settings(max_examples=WRONG_EACH // AT_ONCE * 6 // 5, suppress_health_check=list(HealthCheck))
    @given(st.lists(calls, min_size=AT_ONCE, max_size=AT_ONCE))
    def check(drawn: list[tuple[Op, list[Make], list[Make], int]]) -> None:
        nonlocal refused
        for op, makers, parameters, choice in drawn:
            made = [make() for make in makers]
            if op.name == "einsum" and choice:
                made[0] = SUBSCRIPTS[choice % len(SUBSCRIPTS)]
            keywords = [p.name for p in inspect.signature(op.forward).parameters.values() if p.kind is p.KEYWORD_ONLY]
            chosen = [
                (name, make)
                for k, (name, make) in enumerate(zip(keywords, parameters, strict=False))
                if choice >> k & 1
            ]
            params = {name: make() for name, make in chosen}
            if choice == 8:
                params["dim"] = 0
            refused += not accepted(op, made, params)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check()
    assert refused >= WRONG_EACH
    assert (thread.recorder.enabled, thread.recorder.observers, thread.recorder.scope) == (True, (), ())


def accepted(op: Op, made: list[Any], params: dict[str, Any]) -> bool:
    """Whether a call is accepted; fails if it is neither refused by name nor right."""
    try:
        out = op(*made, **params)
    except (TypeError, ValueError, IndexError) as error:
        names_itself(error, f"{op.name}(")
        return False
    if not any(isinstance(x, Tensor) for x in made):
        return True  # arrays in, array out: plain NumPy
    assert type(out) is Tensor
    assert out.dtype.kind in "fiub"
    assert all(sensible(x, name) for x, name in zip(made, op.input_names, strict=False)), "nonsense was accepted"
    leaves = [x for x in made if isinstance(x, Tensor) and x.requires_grad]
    if not out.requires_grad:
        return True
    direction = numbers(out.shape)
    try:
        found = gradients(out, leaves, direction, retain_graph=True)
    except (TypeError, ValueError, IndexError) as error:
        names_itself(error, f"backward of {op.name}(")
        return False
    for leaf, g in zip(leaves, found, strict=True):
        assert g is None or (type(g) is np.ndarray and g.shape == leaf.shape)
    if np.isfinite(out.data).all() and all(x.dtype == float for x in (*leaves, out)):
        slope_is_right(op, made, params, found, direction)
    return True


def names_itself(error: Exception, start: str) -> None:
    """Fail unless an error's text begins with the operation."""
    assert str(error).startswith(start), error


def sensible(x: Any, name: str) -> bool:
    """Whether an input is one that operations take: a tensor, numbers, None where it may be left out, a text."""
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "fiub"
    return (
        isinstance(x, (Tensor, int, float, np.generic))
        or (x is None and name in {"bias", "weight"})
        or name == "subscripts"
    )


def slope_is_right(op: Op, made: list[Any], params: dict[str, Any], found: list[Any], direction: Any) -> None:
    """Hold the gradient of <out, direction> along a line against a central difference."""
    step = 1e-6

    def moved(h: float) -> float:
        xs = [Tensor(x.data + h * numbers(x.shape)) if isinstance(x, Tensor) and x.requires_grad else x for x in made]
        return float((op(*xs, **params).data * direction).sum())

    leaves = [x for x in made if isinstance(x, Tensor) and x.requires_grad]
    analytic = sum(float((g * numbers(x.shape)).sum()) for x, g in zip(leaves, found, strict=True) if g is not None)
    if len({id(x) for x in leaves}) == len(leaves) and math.isfinite(analytic):
        numerical = (moved(step) - moved(-step)) / (2 * step)
        assert math.isclose(analytic, numerical, rel_tol=1e-4, abs_tol=1e-4 * (1 + abs(float(np.abs(direction).sum()))))


# ------------------------------------------------------------------------------------------------- layers and the rest

LINEAR = nn.Linear(3, 4, rng=0)
MODULES = [
    LINEAR,
    nn.Embedding(5, 3, rng=0),
    nn.LayerNorm(3),
    nn.Dropout(0.5, rng=0),
    nn.RNNCell(3, 5, rng=0),
    nn.LSTMCell(3, 5, rng=0),
    nn.GRUCell(3, 5, rng=0),
    nn.RNN(3, 5, rng=0),
    nn.LSTM(3, 5, rng=0),
    nn.GRU(3, 5, unroll=False, rng=0),
]
ARGUMENTS: list[Make] = [
    *(make for make in INPUTS if make not in HUGE),
    *NONSENSE,
    *NONSENSE,
    lambda: Tensor(numbers((4, 2, 3), np.float32), True),
    lambda: numbers((4, 2, 3), np.float32),
    lambda: (Tensor(numbers((1, 2, 5), np.float32)), numbers((1, 2, 5), np.float32)),
    lambda: [leaf()],
    lambda: {"weight": numbers((4, 3)), "bias": "a"},
    lambda: {"weihgt": numbers((4, 3))},
    lambda: [2, 3],
    lambda: lambda *args: args[0],
]
OPTIONS = {
    nn.Linear: ["dtype", "rng"],
    nn.Embedding: ["dtype", "rng"],
    nn.LayerNorm: ["dtype"],
    nn.Dropout: ["rng"],
    nn.RNNCell: ["nonlinearity", "identity_init", "dtype", "rng"],
    nn.LSTMCell: ["forget_bias", "proj_size", "dtype", "rng"],
    nn.GRUCell: ["reset", "update", "dtype"],
    nn.LSTM: ["num_layers", "dropout", "proj_size", "zoneout", "layers"],
    nn.Recurrent: ["dropout"],
    Tensor: ["dtype", "name"],
    optim.SGD: ["lr", "momentum", "weight_decay"],
    optim.Adam: ["lr", "betas", "eps"],
    optim.RMSprop: ["lr", "alpha"],
    optim.StepDecay: ["factor"],
    optim.clip_grad_norm: ["max_norm", "norm_type"],
    optim.clip_grad_value: ["clip_value"],
}


def leaf() -> Tensor:
    return Tensor(numbers((2, 3)), True)


def step(state: Any, x: Any) -> Any:
    return state + x, state


BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.matmul, operator.pow, operator.lt]
NUMPYS: list[Any] = [np.sin, np.concatenate, np.clip, np.where, np.dot, np.add.reduce, np.mean, np.stack, np.maximum]
USES: list[Callable[[Any, Any], Any]] = [  # of two arguments of any kind
    *(lambda a, b, module=module: module(a) for module in MODULES),
    *(lambda a, b, module=module: module(a, b) for module in MODULES),
    lambda a, b: MODULES[-2](numbers((4, 2, 3), np.float32), a, lengths=b),
    lambda a, b: LINEAR.load_state_dict(a),
    lambda a, b: LINEAR.load_state_dict({"weight": a, "bias": b}),
    lambda a, b: (leaf() * 2).backward(a),
    lambda a, b: gradients((leaf() * 2).sum(), a),
    lambda a, b: leaf()[a],
    lambda a, b: leaf()[a, b],
    lambda a, b: leaf().__setitem__(a, b),
    lambda a, b: setattr(leaf(), "data", a),
    lambda a, b: leaf().reshape(a, b),
    lambda a, b: leaf().transpose(a, b),
    lambda a, b: leaf().astype(a),
    lambda a, b: leaf().sum(a),
    lambda a, b: tg.split(leaf(), a, axis=b),
    tg.split,
    lambda a, b: tg.unstack(a, axis=b),
    lambda a, b: scan(step, a, (b,)),
    lambda a, b: scan(step, a, (b,), unroll=False),
    lambda a, b: scan(a, leaf(), b),
    lambda a, b: scan(lambda state, x: a, leaf(), (numbers((4, 2, 3)),)),
    lambda a, b: scan(lambda state, x: (state, a), leaf(), (numbers((4, 2, 3)),), unroll=False),
    lambda a, b: tg.gradcheck(tg.tanh, a),
    lambda a, b: tg.gradcheck(lambda x: a, [b]),
    *(lambda a, b, apply=apply: apply(leaf(), a) for apply in BINARY),
    *(lambda a, b, apply=apply: apply(a, leaf()) for apply in BINARY),
    *(lambda a, b, function=function: function(leaf(), a) for function in NUMPYS),
    lambda a, b: (float(leaf()), a),
    lambda a, b: getattr(leaf(), str(a)),
]
EXPECTED = re.compile(r"\(\) (missing|takes|got an unexpected|got multiple)")  # Python's own words for a wrong call


def test_classes_refuse_wrong_calls_by_name() -> None:
    refused = 0
    makers = st.sampled_from(ARGUMENTS)

    use = st.one_of(st.sampled_from(USES), st.sampled_from(list(OPTIONS)))
    calls = st.tuples(use, makers, makers, makers, st.integers(0, 9))

    @settings(max_examples=WRONG_EACH // AT_ONCE * 6 // 5, suppress_health_check=list(HealthCheck))
    @given(st.lists(calls, min_size=AT_ONCE, max_size=AT_ONCE))
    def check(drawn: list[tuple[Any, Make, Make, Make, int]]) -> None:
        nonlocal refused
        for use, first, second, third, choice in drawn:
            try:
                if use in OPTIONS:
                    names = [*OPTIONS[use], None]
                    name = names[choice % len(names)]
                    a = [leaf()] if choice % 2 else first()
                    out = use(*([a, second()] if choice % 3 else [a]), **({name: third()} if name else {}))
                else:
                    out = use(first(), second())
            except KINDS as error:
                refused += 1
                explained(error)
            else:
                assert all(x.dtype.kind in "fiub" for x in results(out))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check()
    assert refused >= WRONG_EACH
    assert (thread.recorder.enabled, thread.recorder.observers, thread.recorder.scope) == (True, (), ())


def explained(error: Exception) -> None:
    """Fail unless the error was raised on purpose, or says that a function takes other arguments."""
    *_, last = traceback.extract_tb(error.__traceback__)
    on_purpose = last.filename.startswith(PACKAGE) and (last.line or "").lstrip().startswith("raise ")
    at_the_call = last.filename == __file__  # Python refuses before anything of the library runs
    assert on_purpose or at_the_call or EXPECTED.search(str(error)), f"{last.filename}:{last.lineno}: {error!r}"


def results(out: Any) -> list[Tensor]:
    """The tensors in a result."""
    if isinstance(out, (tuple, list)):
        return [x for part in out for x in results(part)]
    return [out] if isinstance(out, Tensor) else []
