"""Make onnx_nodes.npz: the RNN, LSTM and GRU nodes of ONNX, with attributes, inputs and expected outputs.

Made with onnx 1.23.2, NumPy 2.4.6 and Python 3.11.7. Run from the root of the repository, in an environment
with onnx:

    python -m tests.golden.make_onnx

Every backend node test that onnx has for the three operators is here as it is, in float32. None of those
uses linear_before_reset, and the one with peepholes has a single step; so further nodes, with random weights
in float64, are evaluated by onnx's reference evaluator.
"""

import warnings
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.backend.test.loader import load_model_tests
from onnx.helper import get_attribute_value, make_node
from onnx.reference import ReferenceEvaluator

from tests.golden.store import Case, draw, save

T, B, F, H = 5, 3, 4, 6
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}

EVALUATED: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn": ("RNN", {}),
    "lstm": ("LSTM", {}),
    "lstm_peepholes": ("LSTM", {}),
    "gru_reset_before": ("GRU", {"linear_before_reset": 0}),
    "gru_reset_after": ("GRU", {"linear_before_reset": 1}),
}


def attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a node as JSON values."""
    values = {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}
    return {key: value.decode() if isinstance(value, bytes) else value for key, value in values.items()}


def node_case(name: str, origin: str, node: Any, inputs: Any, outputs: Any) -> Case:
    """Pair the values with the names of the node's inputs and outputs that are not left out."""
    arrays: dict[str, NDArray[Any]] = {}
    for names, values in ((node.input, inputs), (node.output, outputs)):
        arrays |= dict(zip((key for key in names if key), values, strict=True))
    return Case(name, {"kind": node.op_type, "origin": origin, "attributes": attributes(node)}, arrays)


def backend_tests() -> list[Case]:
    """Return onnx's own tests of the three operators, sorted by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tests of other operators, which overflow on purpose
        tests = {test.name: test for test in load_model_tests(kind="node")}
    cases = []
    for name in sorted(tests):
        node = tests[name].model.graph.node[0]
        if node.op_type in GATES:
            ((inputs, outputs),) = tests[name].data_sets
            cases.append(node_case(name.removeprefix("test_"), "backend test", node, inputs, outputs))
    return cases


def evaluated(name: str, kind: str, extra: dict[str, Any], random: np.random.Generator) -> Case:
    """Evaluate one forward node with bias and initial states on T steps."""
    rows = GATES[kind] * H
    inputs = {
        "X": draw(random, T, B, F),
        "W": draw(random, 1, rows, F, scale=0.5),
        "R": draw(random, 1, rows, H, scale=0.5),
        "B": draw(random, 1, 2 * rows, scale=0.5),
        "initial_h": draw(random, 1, B, H),
    }
    names = ["X", "W", "R", "B", "", "initial_h"]  # all steps count: no sequence_lens
    outputs = ["Y", "Y_h"]
    if kind == "LSTM":
        inputs["initial_c"] = draw(random, 1, B, H)
        names.append("initial_c")
        outputs.append("Y_c")
    if name == "lstm_peepholes":
        inputs["P"] = draw(random, 1, 3 * H, scale=0.5)
        names.append("P")
    node = make_node(kind, names, outputs, hidden_size=H, **extra)
    results = ReferenceEvaluator(node).run(None, inputs)
    return node_case(name, "reference evaluator", node, inputs.values(), results)


def main() -> None:
    """Collect and evaluate every case and write the file."""
    random = np.random.default_rng(0)
    cases = backend_tests()
    cases += [evaluated(f"eval_{name}", kind, extra, random) for name, (kind, extra) in EVALUATED.items()]
    save("onnx_nodes", cases, [onnx])


if __name__ == "__main__":
    main()
