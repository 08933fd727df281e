"""Any other cell: its step, recorded once, as the body of ONNX's loop along time, ``Scan``.

What the plan of a scan begins with serves here as well: the step as a tape of operations. Each becomes a node or a few;
the parameters, and what is made of them alone, become constants. A batch of one is recorded, so that what is constant
broadcasts to any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import nn
from tinygrad_rnn.nn.cells import parts, whole
from tinygrad_rnn.onnx.graph import Axis, ExportError, Graph, Name
from tinygrad_rnn.onnx.operations import translated
from tinygrad_rnn.op import no_grad
from tinygrad_rnn.scan.tape import CannotPlan, Outside, Ref, Tape
from tinygrad_rnn.scan.trace import record
from tinygrad_rnn.tensor import Tensor, plain


def as_loops(
    graph: Graph, cells: Sequence[nn.Cell], *, x: Name, state: Sequence[Name], name: str
) -> tuple[Name, list[Name]]:
    """From ``x`` [T, B, F] and ``state`` [D, B, H] the outputs [T, B, D·H] and the last state: a loop a direction.

    Raises ExportError for a cell whose step can't be recorded, or has an operation without counterpart.
    """
    starts = [graph.split(tensor, len(cells)) for tensor in state]
    outputs, lasts = [], []
    for d, cell in enumerate(cells):
        start = [graph.node("Squeeze", tensors[d], graph.numbers(0)) for tensors in starts]
        body = body_of(cell, name + "_reverse" * d)
        way = {"scan_input_directions": [d], "scan_output_directions": [d]}
        *last, out = graph.nodes_of("Scan", *start, x, results=len(start) + 1, num_scan_inputs=1, body=body, **way)
        outputs.append(out)
        lasts.append([graph.node("Unsqueeze", tensor, graph.numbers(0)) for tensor in last])
    return graph.join(outputs, axis=2), [graph.join(tensors) for tensors in zip(*lasts, strict=True)]


def body_of(cell: nn.Cell, name: str) -> Any:
    """One step of ``cell`` as a graph inside another: from the state and an input to the next state and the output."""
    try:
        tape, outside = recorded(cell)
        return written(tape, outside, name)
    except (CannotPlan, ExportError) as error:
        raise ExportError(f"{name}, {type(cell).__name__}: {error}") from error


def recorded(cell: nn.Cell) -> tuple[Tape, Outside]:
    """The tape of one step as it is in evaluation, from the state and an input [1, F]."""
    weights, training = dict(cell.named_parameters()), cell.training
    if "weight_ih" not in weights:
        raise ExportError("it has no weight_ih [.., F] that says how many features its input has")
    F, dtype = weights["weight_ih"].shape[1], weights["weight_ih"].dtype

    def step(state: Any, x: Tensor) -> tuple[Any, Tensor]:
        new = cell(x, state)
        return new, parts(new)[0]

    try:
        cell.eval()
        return record(step, parts(cell.zero_state((1,), dtype)), [Tensor(np.zeros((1, 1, F), dtype))], (), whole)
    finally:
        cell.train(training)


def written(tape: Tape, outside: Outside, name: str) -> Any:
    """A tape, and what it reads from outside, as an ``onnx.GraphProto``."""
    graph, own = Graph(f"{name}."), tape.inputs[: tape.states + tape.xs]
    dtype = own[0].dtype
    shapes: list[list[Axis]] = [["B", *form.shape[1:]] for form in own]
    values = [graph.input(f"{name}.in{k}", dtype, shape) for k, shape in enumerate(shapes)]
    with no_grad():
        values += [graph.constant("fixed", plain(value)) for value in outside.invariants(())]
    for op, operands, params in tape.calls:
        given = [x for x in operands if x is not None]
        inputs = [values[x] if type(x) is Ref else graph.constant("number", dtype.type(x)) for x in given]
        values.append(translated(graph, op.name, inputs, params))
    for k, number in enumerate(tape.outputs):
        graph.output(f"{name}.out{k}", values[number], dtype, shapes[k if k < tape.states else 0])
    return graph.plain(name)
