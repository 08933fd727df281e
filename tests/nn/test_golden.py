"""Layers and cells against PyTorch, and against ONNX's own tests of the operators."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.golden.store import Case, load
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.nn.cells import parts, whole
from tinygrad_rnn.tensor import Array

TORCH = load("torch_recurrent")
ONNX = load("onnx_nodes")
SETTINGS = {"num_layers", "bias", "batch_first", "bidirectional", "proj_size", "nonlinearity"}
BLOCKS = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}  # ours: h; i f g o; r z n — ONNX's: h; i o f c; z r h


def leaf(array: Array) -> Tensor:
    return Tensor(array, requires_grad=True)


def make(case: Case) -> Any:
    options = {key: case.options[key] for key in SETTINGS & case.options.keys() if case.options[key] is not None}
    if case.options["kind"] != "LSTM":
        options.pop("proj_size", None)
    made = getattr(nn, case.options["kind"])
    return made(case.options["input_size"], case.options["hidden_size"], dtype=np.float64, **options)


def test_all_cases_are_run() -> None:
    assert len(TORCH) == 55
    assert len(ONNX) == 23


@pytest.mark.parametrize("case", TORCH, ids=str)
def test_values_and_gradients_are_those_of_pytorch(case: Case) -> None:
    model, arrays = make(case), case.arrays
    assert list(model.state_dict()) == list(case.group("param"))
    model.load_state_dict(case.group("param"))
    inputs = {name: leaf(arrays[name]) for name in ("input", "h0", "c0") if name in arrays}
    state = whole([inputs[name] for name in ("h0", "c0") if name in inputs]) if "h0" in inputs else None
    if "output" in arrays:
        output, last = model(inputs["input"], state, lengths=case.options["lengths"])
        outputs = {"output": output}
    else:
        last, outputs = model(inputs["input"], state), {}
    outputs |= dict(zip(("hn", "cn"), parts(last), strict=False))
    for name, value in outputs.items():
        assert_allclose(value.data, arrays[name], rtol=0, atol=1e-10, err_msg=name)
    loss = sum((value * arrays[f"cot_{name}"]).sum() for name, value in outputs.items())
    assert isinstance(loss, Tensor)
    loss.backward()
    leaves = dict(model.named_parameters()) | inputs
    assert leaves.keys() == case.group("grad").keys()
    for name, expected in case.group("grad").items():
        assert_allclose(leaves[name].grad, expected, rtol=0, atol=1e-10, err_msg=name)


def reordered(array: Array, kind: str) -> Array:
    """Rows of ONNX's gate order in ours."""
    return np.concatenate([np.split(array, len(BLOCKS[kind]))[k] for k in BLOCKS[kind]])


def onnx_layer(case: Case) -> Any:
    """Our layer with the weights of the node; a reverse node is the second of two directions."""
    kind, arrays, attributes = case.options["kind"], case.arrays, case.options["attributes"]
    options: dict[str, Any] = {"peephole": True} if "P" in arrays else {}
    if kind == "GRU" and not attributes.get("linear_before_reset", 0):
        options["reset"] = "before"
    layer = getattr(nn, kind)(
        arrays["W"].shape[-1],
        attributes["hidden_size"],
        bidirectional=attributes.get("direction", "forward") != "forward",
        batch_first=attributes.get("layout", 0) == 1,
        dtype=arrays["X"].dtype,
        rng=0,
        **options,
    )
    first = 1 if attributes.get("direction") == "reverse" else 0
    for cell, k in zip(layer.cells[first:], range(len(arrays["W"])), strict=True):
        zero = np.zeros(2 * len(arrays["W"][k]))
        bias_ih, bias_hh = np.split(arrays["B"][k] if "B" in arrays else zero, 2)
        state = {"weight_ih": arrays["W"][k], "weight_hh": arrays["R"][k], "bias_ih": bias_ih, "bias_hh": bias_hh}
        state = {name: reordered(value, kind) for name, value in state.items()}
        if "P" in arrays:
            i, o, f = np.split(arrays["P"][k], 3)
            state["weight_peephole"] = np.stack([i, f, o])
        cell.load_state_dict(state)
    return layer


@pytest.mark.parametrize("case", ONNX, ids=str)
def test_nodes_are_those_of_onnx(case: Case) -> None:
    arrays, H = case.arrays, case.options["attributes"]["hidden_size"]
    direction, batch_first = (
        case.options["attributes"].get("direction", "forward"),
        "layout" in case.options["attributes"],
    )
    layer = onnx_layer(case)
    state = whole([Tensor(arrays[name]) for name in ("initial_h", "initial_c") if name in arrays] or [Tensor(0.0)])
    output, last = layer(arrays["X"], state if "initial_h" in arrays else None, lengths=arrays.get("sequence_lens"))
    directions = output.data.reshape(*output.shape[:2], -1, H)  # [T, B, D, H] or [B, T, D, H]
    if not batch_first:
        directions = directions.swapaxes(1, 2)
    lasts = {name: value.data for name, value in zip(("Y_h", "Y_c"), parts(last), strict=False)}
    if direction == "reverse":
        directions, lasts = directions[:, 1:], {name: value[1:] for name, value in lasts.items()}
    if batch_first:
        lasts = {name: value.swapaxes(0, 1) for name, value in lasts.items()}
    rtol, atol = (1e-3, 1e-7) if arrays["X"].dtype == np.float32 else (0, 1e-12)
    compared = 0
    for name, value in {"Y": directions, **lasts}.items():
        if name in arrays:
            assert value.dtype == arrays["X"].dtype
            assert value.shape == arrays[name].shape, name
            assert_allclose(value, arrays[name], rtol=rtol, atol=atol, err_msg=name)
            compared += 1
    assert compared == len({"Y", "Y_h", "Y_c"} & arrays.keys())
