"""What goes wrong in a derivative is said in the user's terms, with the path to the leaf."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, grad, hessian, hvp, jacobian, jvp, nn, vjp
from tinygrad_rnn.tree import matched

X = np.array([1.0, -2.0, 0.5])
P = {"w": (X, 2.0), "b": [X]}


NOTHING: Any = None  # these three, where no type checker would let them pass
VECTOR: Any = X
WORD: Any = "x"


def square(x: Any) -> Any:
    return (x * x).sum()


def first(p: Any) -> Any:
    return (p["w"][0] * p["w"][1] * p["b"][0]).sum()


def outputs(x: Any) -> Any:
    return {"y": (x, x.sum())}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        # what it is differentiated by
        (lambda: grad(square)(3), TypeError, "grad(square): argument 0 is int64, and only floating-point values"),
        (lambda: grad(first)({**P, "w": (X, np.arange(3))}), TypeError, "argument 0['w'][1] is int64, and only"),
        (
            lambda: grad(square)(X > 0),
            TypeError,
            "argument 0 is bool, and only floating-point values have a derivative",
        ),
        (lambda: grad(square)(1j), TypeError, "argument 0 is a complex; what is differentiated by are floating-point"),
        (lambda: grad(first)({**P, "b": ["x"]}), TypeError, "grad(first): argument 0['b'][0] is a str; what is"),
        (lambda: grad(square)(nn.Linear(2, 1)), TypeError, "(of a module: dict(module.named_parameters()))"),
        (lambda: grad(square, 1)(X), ValueError, "argnums is 1, but the call has 1 positional argument(s)"),
        (lambda: grad(square, (0, -1))(X), ValueError, "argnums is (0, -1), which names an argument twice"),
        (lambda: grad(square, WORD)(X), TypeError, "argnums is a position of an argument, or several, not 'x'"),
        (lambda: grad(square, NOTHING)(X), TypeError, "argnums is a position of an argument, or several, not None"),
        # what it returns
        (
            lambda: grad(lambda x: x * 2)(X),
            TypeError,
            "only a scalar has a gradient, but it returned a Tensor of shape",
        ),
        (lambda: hessian(tg.tanh)(X), TypeError, "grad(tanh): only a scalar has a gradient"),
        (lambda: grad(lambda x: (x.sum(), x))(X), TypeError, "it returned a tuple of 2; return one Tensor of shape ()"),
        (lambda: grad(lambda x: None)(X), TypeError, "grad(<lambda>): it returned None, in which there is no Tensor"),
        (lambda: grad(lambda x: x.item())(2.0), TypeError, "it returned a single float, not a Tensor: compute it from"),
        (
            lambda: vjp(lambda x: {"y": [x.data]}, X),
            TypeError,
            "it returned one array of shape (3,) at ['y'][0], not a",
        ),
        (lambda: jacobian(lambda x: x > 0)(X), TypeError, "it returned a Tensor of bool, which has no derivative"),
        (lambda: grad(square, has_aux=True)(X), TypeError, "with has_aux it must return a pair (result, aux), not one"),
        # tangents and cotangents
        (
            lambda: jvp(first, (P,), ({"w": (X, 1.0)},)),
            ValueError,
            "tangents[0] must be a dict of 'w', 'b', but is a dict",
        ),
        (
            lambda: jvp(first, (P,), ({**P, "w": (X, X)},)),
            ValueError,
            "tangents[0]['w'][1] has shape (3,), but what it",
        ),
        (
            lambda: jvp(first, (P,), ({**P, "w": X},)),
            ValueError,
            "tangents[0]['w'] must be a tuple of 2, but is one array",
        ),
        (
            lambda: jvp(first, (P,), ({**P, "b": [[X]]},)),
            ValueError,
            "tangents[0]['b'][0] must be one array, but is a list",
        ),
        (
            lambda: jvp(first, (P,), ({**P, "b": ["x"]},)),
            TypeError,
            "tangents[0]['b'][0] must be an array, a Tensor or",
        ),
        (
            lambda: jvp(square, (X,), (X, X)),
            ValueError,
            "jvp(square): tangents must be a tuple of 1, but is a tuple of 2",
        ),
        (
            lambda: jvp(square, VECTOR, (X,)),
            TypeError,
            "jvp(square): primals must be a tuple, of one for each argument, not a",
        ),
        (
            lambda: jvp(square, (X,), VECTOR),
            TypeError,
            "jvp(square): tangents must be a tuple, of one for each argument",
        ),
        (lambda: hvp(square, (X,), (2.0,)), ValueError, "tangents[0] has shape (), but what it belongs to has (3,)"),
        (lambda: hvp(square, VECTOR, VECTOR), TypeError, "hvp(square): primals must be a tuple"),
        (lambda: vjp(outputs, X)[1]({"y": (X, X)}), ValueError, "the cotangent['y'][1] has shape (3,), but what it"),
        (
            lambda: vjp(outputs, X)[1](X),
            ValueError,
            "vjp(outputs): the cotangent must be a dict of 'y', but is one array",
        ),
        (lambda: vjp(square, X)[1](None), ValueError, "vjp(square): the cotangent must be one array, but is None"),
    ],
)
def test_errors_say_what_was_wrong_and_where(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_what_raises_inside_of_the_function_is_what_it_was() -> None:
    with pytest.raises(ValueError, match=r"matmul\(\(3,\), \(2, 2\)\)"):
        grad(lambda x: x @ np.ones((2, 2)))(X)
    with pytest.raises(RuntimeError, match="this graph was freed by an earlier backward"):
        grad(freeing)(X)


def freeing(x: Tensor) -> Tensor:
    y = (x * x).sum()
    y.backward()
    return y


def test_none_is_a_tree_without_leaves() -> None:
    assert list(matched({"a": None, "b": 1}, {"a": None, "b": 2}, "it")) == [("['b']", 1, 2)]
    with pytest.raises(ValueError, match=re.escape("it['a'] must be None, but is a single int")):
        list(matched({"a": None}, {"a": 2}, "it"))
