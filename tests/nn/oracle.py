"""Recurrent cells and layers in plain NumPy, one step and one sequence at a time, straight from their equations.

Nothing here is differentiated by a rule: the functions are analytic and take complex arrays, so the imaginary part of
f(x + i h v) / h is the derivative along v, exact to rounding however small h is.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.tensor import Array

Weights = Mapping[str, Array]
TINY = 1e-30

CELLS: dict[str, tuple[type[nn.Cell], dict[str, Any]]] = {
    "rnn": (nn.RNNCell, {}),
    "rnn-relu": (nn.RNNCell, {"nonlinearity": "relu"}),
    "rnn-no-bias": (nn.RNNCell, {"bias": False}),
    "rnn-norm": (nn.RNNCell, {"layer_norm": True}),
    "lstm": (nn.LSTMCell, {}),
    "lstm-no-bias": (nn.LSTMCell, {"bias": False}),
    "lstm-forget": (nn.LSTMCell, {"forget_bias": 1.0}),
    "lstm-peephole": (nn.LSTMCell, {"peephole": True}),
    "lstm-coupled": (nn.LSTMCell, {"coupled": True}),
    "lstm-norm": (nn.LSTMCell, {"layer_norm": True}),
    "lstm-proj": (nn.LSTMCell, {"proj_size": 1}),
    "lstm-most": (nn.LSTMCell, {"peephole": True, "layer_norm": True, "proj_size": 1, "forget_bias": 0.5}),
    "lstm-all": (nn.LSTMCell, {"peephole": True, "coupled": True, "layer_norm": True, "proj_size": 1, "bias": False}),
    "lstm-1997": (nn.LSTM1997Cell, {}),
    "gru": (nn.GRUCell, {}),
    "gru-no-bias": (nn.GRUCell, {"bias": False}),
    "gru-replace": (nn.GRUCell, {"update": "replace"}),
    "gru-before": (nn.GRUCell, {"reset": "before"}),
    "gru-before-replace": (nn.GRUCell, {"reset": "before", "update": "replace"}),
    "gru-norm": (nn.GRUCell, {"layer_norm": True}),
    "gru-norm-before": (nn.GRUCell, {"layer_norm": True, "reset": "before"}),
    "gru-norm-no-bias": (nn.GRUCell, {"layer_norm": True, "bias": False}),
}


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def normalised(x: Array, w: Weights, name: str) -> Array:
    mean = x.sum(-1, keepdims=True) / x.shape[-1]
    variance = ((x - mean) ** 2).sum(-1, keepdims=True) / x.shape[-1]
    return np.asarray((x - mean) / np.sqrt(variance + 1e-5) * w[f"{name}.weight"] + w.get(f"{name}.bias", 0))


def rnn_step(w: Weights, x: Array, h: Array, options: Mapping[str, Any]) -> tuple[Array, ...]:
    a = x @ w["weight_ih"].T + h @ w["weight_hh"].T + w.get("bias_ih", 0) + w.get("bias_hh", 0)
    if options.get("layer_norm"):
        a = normalised(a, w, "norm")
    return (np.where(a.real > 0, a, 0),) if options.get("nonlinearity") == "relu" else (np.tanh(a),)


def lstm_step(w: Weights, x: Array, h: Array, c: Array, options: Mapping[str, Any]) -> tuple[Array, ...]:
    p, q = x @ w["weight_ih"].T, h @ w["weight_hh"].T
    if options.get("layer_norm"):
        p, q = normalised(p, w, "norm_ih"), normalised(q, w, "norm_hh")
    a = p + q + w.get("bias_ih", 0) + w.get("bias_hh", 0)
    peep = w.get("weight_peephole", np.zeros((3, c.shape[-1])))
    if options.get("coupled"):
        i, g, o = np.split(a, 3, -1)
        i = sigmoid(i + peep[0] * c)
        f = 1 - i
    else:
        i, f, g, o = np.split(a, 4, -1)
        i, f = sigmoid(i + peep[0] * c), sigmoid(f + peep[1] * c)
    c = f * c + i * np.tanh(g)
    o = sigmoid(o + peep[-1] * c)
    h = o * np.tanh(normalised(c, w, "norm_c") if options.get("layer_norm") else c)
    return (h @ w["weight_hr"].T if options.get("proj_size") else h), c


def lstm_1997_step(w: Weights, x: Array, h: Array, c: Array, options: Mapping[str, Any]) -> tuple[Array, ...]:
    a = x @ w["weight_ih"].T + h @ w["weight_hh"].T + w["bias_ih"] + w["bias_hh"]
    i, g, o = np.split(a, 3, -1)
    c = c + 1 / (1 + np.exp(-i)) * (4 / (1 + np.exp(-g)) - 2)
    return 1 / (1 + np.exp(-o)) * (2 / (1 + np.exp(-c)) - 1), c


def gru_step(w: Weights, x: Array, h: Array, options: Mapping[str, Any]) -> tuple[Array, ...]:
    H = h.shape[-1]
    norm = options.get("layer_norm")

    def product(v: Array, side: str, rows: slice, part: int) -> Array:
        out = v @ w[f"weight_{side}"][rows].T
        return normalised(out, w, f"norm_{side}.{part}") if norm else np.asarray(out)

    b_ih, b_hh = w.get("bias_ih", np.zeros(3 * H)), w.get("bias_hh", np.zeros(3 * H))
    rz, last = slice(0, 2 * H), slice(2 * H, 3 * H)
    r, z = np.split(sigmoid(product(x, "ih", rz, 0) + b_ih[rz] + product(h, "hh", rz, 0) + b_hh[rz]), 2, -1)
    if options.get("reset") == "before":
        n = np.tanh(product(x, "ih", last, 1) + b_ih[last] + product(r * h, "hh", last, 1) + b_hh[last])
    else:
        n = np.tanh(product(x, "ih", last, 1) + b_ih[last] + r * (product(h, "hh", last, 1) + b_hh[last]))
    return ((1 - z) * h + z * n,) if options.get("update") == "replace" else ((1 - z) * n + z * h,)


STEPS: dict[type[nn.Cell], Callable[..., tuple[Array, ...]]] = {
    nn.RNNCell: rnn_step,
    nn.LSTMCell: lstm_step,
    nn.LSTM1997Cell: lstm_1997_step,
    nn.GRUCell: gru_step,
}


def sequence(
    kind: str, w: Weights, x: Array, state: tuple[Array, ...], *, reverse: bool = False
) -> tuple[Array, tuple[Array, ...]]:
    """Run one cell along ``x`` [T, ..., F]: the outputs [T, ..., H] and the last state."""
    cell, options = CELLS[kind]
    outputs: dict[int, Array] = {}
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        state = STEPS[cell](w, x[t], *state, options)
        outputs[t] = state[0]
    return np.stack([outputs[t] for t in range(len(x))]), state


def layers(
    kind: str,
    weights: Weights,
    x: Array,
    states: tuple[Array, ...],
    *,
    directions: int,
    lengths: list[int],
) -> tuple[Array, ...]:
    """Run a stack of layers on each sequence alone, cut to its length: outputs [T, B, D·H], then the last states."""
    T, B, _ = x.shape
    rows, H = states[0].shape[0], states[0].shape[-1]
    out = np.zeros((T, B, directions * H), complex)
    lasts = [np.zeros(s.shape, complex) for s in states]
    for b in range(B):
        signal = x[: lengths[b], b]
        for layer in range(rows // directions):
            both = []
            for reverse in range(directions):
                suffix, k = f"_l{layer}{'_reverse' if reverse else ''}", layer * directions + reverse
                w = {name.removesuffix(suffix): value for name, value in weights.items() if name.endswith(suffix)}
                outputs, last = sequence(kind, w, signal, tuple(s[k, b] for s in states), reverse=bool(reverse))
                both.append(outputs)
                for to, value in zip(lasts, last, strict=True):
                    to[k, b] = value
            signal = np.concatenate(both, -1)
        out[: lengths[b], b] = signal
    return (out, *lasts)


def slots(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """The module and attribute of each parameter, in the order of ``named_parameters``."""
    yield from ((module, name) for name, _ in module.own_parameters())
    for _, child in module.children():
        yield from slots(child)


def put(module: nn.Module, tensors: tuple[Tensor, ...]) -> None:
    """Make ``tensors`` the parameters of ``module``: for checks that differentiate with respect to them."""
    for (owner, name), tensor in zip(list(slots(module)), tensors, strict=True):
        object.__setattr__(owner, name, tensor)


def shaken(module: nn.Module, rng: np.random.Generator, scale: float = 1.0) -> None:
    """Draw all parameters anew, so that none is at a special value such as the 1 of a gain."""
    for value in module.parameters():
        value.data = rng.uniform(-scale, scale, value.shape)


def assert_gradients(
    function: Callable[[Mapping[str, Array]], tuple[Array, ...]],
    leaves: Mapping[str, Tensor],
    outputs: tuple[Tensor, ...],
    rng: np.random.Generator,
) -> None:
    """Compare values with ``function``, and gradients with its derivatives along a random direction for each leaf."""
    point = {name: leaf.data for name, leaf in leaves.items()}
    for ours, theirs in zip(outputs, function(point), strict=True):
        np.testing.assert_allclose(ours.data, theirs.real, rtol=0, atol=1e-12)
    cotangents = [rng.uniform(-1, 1, out.shape) for out in outputs]
    loss = sum((out * cotangent).sum() for out, cotangent in zip(outputs, cotangents, strict=True))
    assert isinstance(loss, Tensor)
    loss.backward()
    for name, leaf in leaves.items():
        direction = rng.uniform(-1, 1, leaf.shape)
        moved = function(point | {name: leaf.data + 1j * TINY * direction})
        expected = sum((out.imag / TINY * cotangent).sum() for out, cotangent in zip(moved, cotangents, strict=True))
        assert leaf.grad.shape == leaf.shape
        np.testing.assert_allclose((leaf.grad * direction).sum(), expected, rtol=1e-9, atol=1e-11, err_msg=name)
