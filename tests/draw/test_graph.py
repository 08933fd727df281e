import numpy as np
import pytest
from hypothesis import given

from tests.draw.graphs import recorded
from tests.draw.networks import doubled, lstm
from tinygrad_rnn import Tensor, einsum, linear, no_grad
from tinygrad_rnn.draw.graph import Leaf, Operation, collect


def behind(outputs: list[Tensor]) -> dict[int, Tensor]:
    """Every recorded tensor behind ``outputs``, by the plainest recursion."""
    found: dict[int, Tensor] = {}

    def visit(x: object) -> None:
        if isinstance(x, Tensor) and x.node is not None and id(x) not in found:
            found[id(x)] = x
            for y in x.node.inputs:
                visit(y)

    for out in outputs:
        visit(out)
    return found


@given(recorded())
def test_every_operation_once_and_every_input_an_edge(case: tuple[list[Tensor], list[Tensor]]) -> None:
    outputs, _ = case
    graph = collect(outputs)
    expected = sorted(behind(outputs).values(), key=lambda x: x.time)
    operations = [node for node in graph.nodes if isinstance(node, Operation)]
    assert len(operations) == len(expected)
    tensor_at = dict(zip((i for i, _ in graph.operations()), expected, strict=True))
    for (i, operation), tensor in zip(graph.operations(), expected, strict=True):
        assert tensor.node is not None
        assert (operation.op, operation.scope) == (tensor.node.op.name, tensor.node.scope)
        assert len(operation.inputs) == len(tensor.node.inputs)
        for source, x in zip(operation.inputs, tensor.node.inputs, strict=True):
            assert source < i
            if source in tensor_at:
                assert tensor_at[source] is x
            else:
                assert isinstance(graph.nodes[source], Leaf)
    assert [id(tensor_at[i]) for i in graph.outputs] == [id(out) for out in outputs]


def test_a_leaf_is_one_node_and_constants_are_nodes_of_their_own() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    two = 2.0
    graph = collect([x * two * two + x * np.ones(2) + Tensor([3.0, 4.0], name="y")])
    leaves = [node for node in graph.nodes if isinstance(node, Leaf)]
    assert [(leaf.kind, leaf.name, leaf.shape, leaf.value) for leaf in leaves] == [
        ("parameter", "x", (2,), ""),
        ("constant", "", (), "2"),
        ("constant", "", (), "2"),
        ("constant", "", (2,), ""),
        ("input", "y", (2,), ""),
    ]


def test_inputs_left_out_are_no_edges_and_texts_are_constants() -> None:
    w = Tensor(np.ones((3, 2)), requires_grad=True)
    (_, product), (_, trace) = collect([linear(Tensor(np.ones((4, 2))), w, None), einsum("ij->j", w)]).operations()
    assert (len(product.inputs), len(trace.inputs)) == (2, 2)
    assert [node.value for node in collect([einsum("ij->j", w)]).nodes if isinstance(node, Leaf)] == ["ij->j", ""]


def test_edges_list_an_input_as_often_as_it_is_used() -> None:
    assert collect([doubled()]).edges() == [(0, 1), (0, 1), (1, 2), (1, 2)]


def test_chain_of_100_000_and_60_doublings() -> None:
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        x = x + 1.0
    assert len(collect([x]).operations()) == 100_000
    for _ in range(60):
        y = y + y
    assert len(collect([y]).operations()) == 60  # visiting every path would take 2^60 steps


def test_freed_graphs_say_what_to_do() -> None:
    loss = lstm(2)
    loss.backward(retain_graph=True)
    collect([loss])
    loss.backward()
    with pytest.raises(RuntimeError, match=r"freed by backward\(\); draw before backward\(\), or .* retain_graph=True"):
        collect([loss])


def test_what_was_not_recorded_is_named() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with no_grad():
        y = x * 2.0
    for tensor in (x, y, (x * 2.0).detach()):
        with pytest.raises(ValueError, match=r"draw: no operation was recorded for this tensor of shape \(2, 3\)"):
            collect([tensor])
    with pytest.raises(TypeError, match=r"draw: takes tensors, as in draw\(loss\).* but got a tuple"):
        collect([(x, y)])  # type: ignore[list-item]
