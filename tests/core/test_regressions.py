"""What brought other engines down, one test each."""

from __future__ import annotations

import gc
import re
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, contributions, gradients
from tinygrad_rnn.scope import scope

CHAIN = 100_000


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without the cyclic collector: what is freed was freed by reference counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def chain(n: int) -> tuple[Tensor, Tensor, weakref.ref[Tensor]]:
    """A leaf, the end of a chain of ``n`` operations on it, and a weak reference to the first of them."""
    x = Tensor(1.0, requires_grad=True)
    y = x * 1.0
    first = weakref.ref(y)
    for _ in range(n - 1):
        y = y + 1.0
    return x, y, first


@pytest.mark.usefixtures("no_collector")
def test_a_chain_of_100_000_goes_back_and_is_freed_without_recursion() -> None:
    x, y, first = chain(CHAIN)
    y.backward()
    assert float(x.grad) == 1
    assert first() is None  # y itself is still there


@pytest.mark.usefixtures("no_collector")
def test_a_chain_of_100_000_is_freed_without_backward() -> None:
    _, y, first = chain(CHAIN)
    assert first() is not None
    del y
    assert first() is None


@pytest.mark.usefixtures("no_collector")
def test_a_retained_chain_of_100_000_is_freed_with_its_result() -> None:
    x, y, first = chain(CHAIN)
    (slope,) = gradients(y, [x], retain_graph=True)
    assert float(slope) == 1
    del y
    assert first() is None


def test_sixty_doublings_have_a_gradient_of_two_to_the_sixtieth() -> None:
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y
    assert float(y) == 2.0**60
    y.backward()
    assert float(x.grad) == 2.0**60


def elements_touched(loop: Callable[[Tensor], Tensor], x: Tensor, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many elements backward allocates in zeros and joins, and adds in place."""
    touched = 0

    def counting(function: Callable[..., Any], size: Callable[..., int]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal touched
            out = function(*args, **kwargs)
            touched += size(out, *args)
            return out

        return counted

    loss = loop(x)
    for name in ("zeros", "zeros_like", "concatenate", "array"):
        monkeypatch.setattr(np, name, counting(getattr(np, name), lambda out, *_: np.size(out)))
    monkeypatch.setattr(contributions, "add_at", counting(contributions.add_at, lambda _, __, value, *___: value.size))
    loss.backward()
    monkeypatch.undo()
    return touched


@pytest.mark.parametrize("large", [0, 10**9])  # from which size on slices are joined rather than added
@pytest.mark.parametrize(
    "loop",
    [
        lambda x: sum((x[t] * t for t in range(len(x))), Tensor(0.0)),
        lambda x: sum((x[-1 - t] * t for t in range(len(x))), Tensor(0.0)),
        lambda x: sum((x[t : t + 3].sum(0) * t for t in range(len(x))), Tensor(0.0)),
        lambda x: sum((part * 2 for part in tg.split(x, len(x))), Tensor(0.0)),
        lambda x: sum((row * 2 for row in tg.unstack(x)), Tensor(0.0)),
        lambda x: sum((x[np.array([t, 0])].sum(0) * t for t in range(len(x))), Tensor(0.0)),
        lambda x: sum((tg.take(x, np.array([t])) * t for t in range(len(x))), Tensor(0.0)),
    ],
    ids=["x[t]", "x[-t]", "windows", "split", "unstack", "gather", "take"],
)
def test_slicing_in_a_loop_costs_the_size_of_the_whole(
    loop: Callable[[Tensor], Tensor], large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    for length in (100, 400):
        x = Tensor(np.ones((length, 8)), requires_grad=True)
        monkeypatch.setattr(contributions, "LARGE", large)
        costs.append(elements_touched(lambda x: loop(x).sum(), x, monkeypatch))
        assert costs[-1] <= 8 * x.size  # made dense, each slice alone would cost x.size
    assert costs[1] <= 4.5 * costs[0]


@pytest.mark.parametrize(
    "index",
    [
        lambda t: t,
        lambda t: slice(t, t + 2),
        lambda t: (slice(None, None, 2), t % 8),
        lambda t: [t, 0],
        lambda t: np.arange(200) == t,
    ],
    ids=["x[t]", "windows", "columns", "gathers", "masks"],
)
def test_slicing_in_a_loop_stays_linear_for_derivatives_of_derivatives(
    index: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    length = 200
    x = Tensor(np.ones((length, 8)), requires_grad=True)
    size = sum(x.data[index(t)].size for t in range(length)) + x.size

    def loop(x: Tensor) -> Tensor:
        (slope,) = gradients(sum((x[index(t)].sum() ** 2 for t in range(length)), Tensor(0.0)), [x], create_graph=True)
        return tg.sum(slope * slope)

    allocated = 0
    zeros = np.zeros

    def counted(shape: Any, *args: Any) -> Any:
        nonlocal allocated
        out = zeros(shape, *args)
        allocated += out.size
        return out

    monkeypatch.setattr(np, "zeros", counted)
    loop(x).backward()
    monkeypatch.undo()
    assert x.grad.any()
    assert 0 < allocated <= 4 * size  # made dense, each slice alone would cost x.size


def test_leaf_gradients_can_be_clipped_in_place() -> None:
    a, b = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    (a + b).sum().backward()
    for leaf in (a, b):
        np.clip(leaf.grad, -0.5, 0.5, out=leaf.grad)
        leaf.grad *= 0.5
    assert a.grad.tolist() == b.grad.tolist() == [0.25] * 3
    assert not np.shares_memory(a.grad, b.grad)


def test_a_shape_error_names_operation_shapes_layer_and_step() -> None:
    w, h = Tensor(np.ones((4, 3)), requires_grad=True), Tensor(np.ones((2, 5)))
    text = re.escape("matmul((2, 5), (4, 3)): ") + ".*" + re.escape("[in decoder.lstm.layer1 / t=7]")
    with scope("decoder"), scope("lstm"), scope("layer1"), scope(7), pytest.raises(ValueError, match=text):
        _ = h @ w


def test_backward_twice_says_what_to_do() -> None:
    loss = (Tensor(np.ones(3), requires_grad=True) * 2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"retain_graph=True.*detach\(\) it between windows"):
        loss.backward()


def train(w: Tensor, u: Tensor, steps: int) -> bytes:
    """A recurrent network of three steps, trained with plain gradient descent; its final weights."""
    random = np.random.default_rng(3)
    for _ in range(steps):
        xs, targets = random.standard_normal((3, 4, 2)), random.integers(0, 5, 4)
        h = Tensor(np.zeros((4, 5)))
        for t, x in enumerate(xs):
            with scope(t):
                h = tg.tanh(tg.linear(Tensor(x), w) + h @ u)
        loss = tg.cross_entropy(h, targets)
        loss.backward()
        for p in (w, u):
            p.data = p.data - 0.1 * p.grad
            p.grad = None
    return w.data.tobytes() + u.data.tobytes()


def parameters(seed: int) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(seed)
    return tuple(Tensor(random.standard_normal(s), requires_grad=True) for s in [(5, 2), (5, 5)])  # type: ignore[return-value]


@pytest.mark.usefixtures("no_collector")
def test_a_thousand_training_steps_do_not_grow() -> None:
    w, u = parameters(0)
    tracemalloc.start()
    train(w, u, 20)
    before, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
    train(w, u, 1000)
    after, grown = tracemalloc.get_traced_memory()[0], len(gc.get_objects()) - objects
    tracemalloc.stop()
    assert grown < 20
    assert after - before < 150_000  # 150 bytes a step; Python itself keeps up to 2000 freed tuples of one length


def test_threads_build_and_differentiate_at_once_as_if_alone() -> None:
    alone = [train(*parameters(seed), 100) for seed in range(2)]
    results: dict[int, bytes] = {}
    start = threading.Barrier(2)

    def work(seed: int) -> None:
        start.wait(5)
        results[seed] = train(*parameters(seed), 100)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert [results[0], results[1]] == alone


def test_threads_share_a_leaf_without_mixing_up_their_graphs() -> None:
    shared, slopes = Tensor(3.0, requires_grad=True), []

    def work(power: int) -> None:
        for _ in range(200):
            y = shared
            for _ in range(power - 1):
                y = y * shared
            slopes.append((power, float(gradients(y, [shared])[0])))

    threads = [threading.Thread(target=work, args=(power,)) for power in (2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(slopes) == {(2, 6), (3, 27), (4, 108)}
    assert len(slopes) == 600


@pytest.mark.usefixtures("no_collector")
def test_graphs_hold_no_cycles() -> None:
    x = Tensor(np.ones((2, 2)), requires_grad=True)
    with scope("a"), scope(1):
        y = tg.tanh(x @ x)
        z = tg.concatenate(y, x[0:1]).sum()
    (first,) = gradients(z, [x], create_graph=True)
    references = [weakref.ref(t) for t in (x, y, z, first)]
    (slope,) = gradients(first.sum(), [x], retain_graph=True)
    assert slope.shape == (2, 2)
    del x, y, z, first
    assert [r() for r in references] == [None] * 4


@pytest.mark.usefixtures("no_collector")
def test_an_error_in_backward_keeps_no_graph_alive() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = tg.where(x, 1.0, x)
    reference = weakref.ref(y)
    with pytest.raises(TypeError, match="no derivative"):
        y.sum().backward()
    del y
    gc.collect()  # a traceback and its frames are a cycle of Python's own
    assert reference() is None


def test_mutation_between_forward_and_backward_is_refused() -> None:
    captured = np.array([1.0, 2.0])
    x = Tensor([1.0, 1.0], requires_grad=True)
    y = (x * x * captured).sum()
    captured[:] = 100  # a snapshot was taken
    with pytest.raises(ValueError, match="read-only"):
        x.data[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        x.data += 1
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [2, 4]
    x.data = [5.0, 5.0]
    with pytest.raises(RuntimeError, match="was changed after it was used"):
        y.backward()


def test_deep_graphs_go_to_higher_order_without_recursion() -> None:
    x, y, _ = chain(3000)
    (first,) = gradients(y * y, [x], create_graph=True)
    (second,) = gradients(first, [x])
    assert [float(first), float(second)] == [2 * 3000, 2]
