"""Every cell, with every option, gives in onnxruntime what it gives here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx.running import assert_equal_at, exported
from tinygrad_rnn import cumsum, linear, nn, onnx, sigmoid, softmax, split, tanh
from tinygrad_rnn.tensor import Tensor

F, H = 4, 5
ARRANGEMENTS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 3, "batch_first": True, "dropout": 0.5},
]
NODES: list[tuple[Any, dict[str, Any]]] = [
    (nn.RNN, {}),
    (nn.RNN, {"nonlinearity": "relu", "identity_init": 0.5}),
    (nn.RNN, {"bias": False}),
    (nn.LSTM, {}),
    (nn.LSTM, {"forget_bias": 1.0}),
    (nn.LSTM, {"peephole": True}),
    (nn.LSTM, {"coupled": True}),
    (nn.LSTM, {"coupled": True, "peephole": True, "bias": False}),
    (nn.GRU, {}),
    (nn.GRU, {"reset": "before"}),
    (nn.GRU, {"update": "replace"}),
    (nn.GRU, {"reset": "before", "update": "replace"}),
    (nn.GRU, {"bias": False}),
]
LOOPS: list[tuple[Any, dict[str, Any]]] = [
    (nn.RNN, {"layer_norm": True}),
    (nn.RNN, {"zoneout": 0.2}),
    (nn.LSTM, {"proj_size": 3}),
    (nn.LSTM, {"layer_norm": True, "peephole": True, "coupled": True}),
    (nn.LSTM, {"zoneout": (0.1, 0.3)}),
    (nn.GRU, {"layer_norm": True}),
    (nn.GRU, {"layer_norm": True, "reset": "before"}),
]


def kinds(model: Any) -> list[str]:
    """The nodes of a model that go along time."""
    return [node.op_type for node in model.graph.node if node.op_type in {"RNN", "LSTM", "GRU", "Scan"}]


def assert_equal(layer: nn.Recurrent, model: Any, atol: float) -> None:
    layer.eval()
    for steps, batch in [(7, 3), (1, 1), (4, 2)]:
        assert_equal_at(layer, F, model, steps=steps, batch=batch, atol=atol)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=str)
@pytest.mark.parametrize(("kind", "options"), NODES, ids=str)
def test_a_layer_is_one_node_where_onnx_has_one(
    kind: Any, options: dict[str, Any], arrangement: dict[str, Any]
) -> None:
    layer: nn.Recurrent = kind(F, H, rng=0, **options, **arrangement)
    model = exported(layer, F)
    assert kinds(model) == [kind.__name__] * arrangement.get("num_layers", 1)
    assert_equal(layer, model, atol=2e-6)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=str)
@pytest.mark.parametrize(("kind", "options"), [*LOOPS, *NODES], ids=str)
def test_a_layer_is_a_loop_otherwise(kind: Any, options: dict[str, Any], arrangement: dict[str, Any]) -> None:
    layer: nn.Recurrent = kind(F, H, rng=0, dtype=np.float64, **options, **arrangement)
    model = exported(layer, F)
    assert set(kinds(model)) == {"Scan"}
    assert_equal(layer, model, atol=1e-13)


@pytest.mark.parametrize(("kind", "options"), LOOPS, ids=str)
def test_a_loop_in_float32(kind: Any, options: dict[str, Any]) -> None:
    layer: nn.Recurrent = kind(F, H, rng=0, **options)
    assert_equal(layer, exported(layer, F), atol=5e-6)


class Own(nn.Cell):
    """Operations that the library's cells don't use."""

    gates = 2

    def step(self, h: Tensor, a: Tensor) -> Tensor:
        f, n = split(a, 2, axis=-1)
        weight_f, weight_n = split(self.weight_hh, 2)
        f = sigmoid(linear(h, weight_f, f)).maximum(0.1).minimum(0.9)
        total = (h * h).sum(axis=-1, keepdims=True)
        shifted = h[..., 1:].exp().log().concatenate(abs(h[:, :1]), axis=1) - (total + 1).sqrt() ** 2
        return -h + f * (tanh(f * h @ weight_n.T + n) - (h > 0).where(shifted, 0.5 * h).softplus())


def test_a_cell_of_ones_own() -> None:
    layer = nn.Recurrent([Own(F, H, rng=k) for k in range(2)], bidirectional=True)
    assert_equal(layer, exported(layer, F), atol=5e-6)


def test_the_cell_of_1997() -> None:
    layer = nn.Recurrent([nn.LSTM1997Cell(F, H, rng=0)])
    assert_equal(layer, exported(layer, F), atol=2e-6)


def test_cells_of_different_kinds() -> None:
    cells = [nn.GRUCell(F, H, rng=0), nn.GRUCell(F, H, reset="before", rng=1), nn.RNNCell(2 * H, H, rng=2)]
    layer = nn.Recurrent([*cells, nn.RNNCell(2 * H, H, bias=False, rng=3)], bidirectional=True)
    model = exported(layer, F)
    assert kinds(model) == ["Scan"] * 4
    assert_equal(layer, model, atol=2e-6)


def test_exporting_leaves_the_mode_alone() -> None:
    layer = nn.LSTM(F, H, zoneout=0.2, rng=0)
    exported(layer, F)
    assert all(cell.training for cell in layer.cells)
    layer.eval()
    exported(layer, F)
    assert not any(cell.training for cell in layer.cells)


class Refused(nn.Cell):
    """A cell whose step is the function that it is given."""

    def __init__(self, function: Any) -> None:
        super().__init__(F, H, rng=0)
        self.function = function

    def step(self, h: Tensor, a: Tensor) -> Tensor:
        out: Tensor = self.function(h + a)
        return out


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda h: cumsum(h, axis=-1), r"the operation cumsum is not among those that can go into ONNX: abs, add, con"),
        (lambda h: softmax(h, axis=-1), r"the operation softmax is not among"),
        (lambda h: h - h.mean(), r"axis=None is that of the batch, which a file leaves open"),
        (lambda h: h - h.sum(axis=0), r"axis=0 is that of the batch"),
        (lambda h: h - h.var(axis=1, ddof=1, keepdims=True), r"a variance with ddof=1 has no counterpart"),
        (lambda h: h + h[0], r"an index \(0,\) is not one of slices of the axes behind the batch"),
        (lambda h: h[:, ::-1], r"an index \(slice.*\) is not one of slices"),
        (lambda h: h * float(h.sum()), r"the step asks for the value of a tensor"),
        (lambda h: h * np.random.default_rng().random(H, np.float32), r"it draws random numbers"),
    ],
)
def test_what_onnx_cannot_express_is_named(function: Any, reason: str) -> None:
    with pytest.raises(onnx.ExportError, match=rf"^recurrent\.l0, Refused: .*{reason}"):
        exported(nn.Recurrent([Refused(function)]), F)


def test_a_cell_that_does_not_tell_its_width() -> None:
    class Nameless(nn.Cell):
        def __init__(self) -> None:
            self.hidden_size = H
            self.weight = Tensor(np.ones((H, F), np.float32), requires_grad=True)

    with pytest.raises(onnx.ExportError, match="has no weight_ih"):
        exported(nn.Recurrent([Nameless()]), F)


@pytest.mark.parametrize(
    ("kind", "state", "message"),
    [
        (nn.LSTM, ["h"], r"LSTM starts from \[2, B, 5\] and \[2, B, 5\], so state is a list of 2, .*, not \['h'\]$"),
        (
            nn.GRU,
            ["h", "c"],
            r"GRU starts from \[2, B, 5\], so state is a list of 1, the name of each, not \['h', 'c'\]$",
        ),
        (nn.GRU, "h", r"GRU starts from \[2, B, 5\], so state is a list of 1, the name of each, not 'h'$"),
    ],
)
def test_a_state_of_another_number_of_tensors(kind: Any, state: Any, message: str) -> None:
    graph = onnx.Graph()
    x = graph.input("x", np.float32, ("T", "B", F))
    with pytest.raises(ValueError, match=rf"^onnx\.recurrent: {message}"):
        onnx.recurrent(graph, kind(F, H, 2, rng=0), x, state)
