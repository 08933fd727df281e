from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tinygrad_rnn import Tensor, tanh


def check(answers: Any, out: Tensor, size: int) -> None:
    order = answers.order(out)
    assert order[0] is out
    assert len({id(tensor) for tensor in order}) == len(order) == size
    place = {id(tensor): i for i, tensor in enumerate(order)}
    for tensor in order:
        for x in tensor.node.inputs if tensor.node else ():
            assert not isinstance(x, Tensor) or place[id(x)] > place[id(tensor)]


def test_exercise_1_results_stand_before_their_inputs(answers: Any) -> None:
    a, b = Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    check(answers, a, 1)
    check(answers, (a + a) * 2, 3)
    near = a * b
    far = tanh(near * 3)
    check(answers, near + far, 6)
    check(answers, far + near, 6)
    check(answers, (far * near) - (near * (far + a)), 9)


def test_exercise_1_many_paths_and_long_chains(answers: Any) -> None:
    y = z = Tensor(1.0, requires_grad=True)
    for _ in range(60):
        y = y + y
    check(answers, y, 61)
    for _ in range(10_000):
        z = z * 1.0
    check(answers, z, 10_001)


def test_exercise_1_time_is_not_looked_at(answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = [Tensor(1.0, requires_grad=True)]
    for _ in range(5):
        chain.append(chain[-1] + chain[0])
    for tensor in chain:
        tensor.time = 0
    order = answers.order(chain[-1])
    assert [id(x) for x in order] == [id(x) for x in reversed(chain)]
    assert all(x.node and x.node.inputs[0] is y for x, y in pairwise(order))


@pytest.mark.parametrize("value", [1.0, -0.5, 3.0])
def test_exercise_2_breadth_first_is_fooled(answers: Any, value: float) -> None:
    a = Tensor(value, requires_grad=True)
    y = answers.tangled(a)
    queue, total = [y], {y: 1.0}
    for out in queue:
        if node := out.node:
            values = [x.item() if isinstance(x, Tensor) else x for x in node.inputs]
            for x, rule in zip(node.inputs, node.op.rules, strict=True):
                if isinstance(x, Tensor) and rule:
                    if x not in total:
                        queue.append(x)
                    total[x] = total.get(x, 0.0) + rule(total[out], out.item(), *values)
    y.backward()
    assert total[a] != pytest.approx(float(a.grad))
