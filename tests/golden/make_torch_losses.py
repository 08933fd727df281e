"""Make torch_losses.npz: losses, softmax and its relatives, layer norm, embedding of PyTorch, with gradients.

Made with PyTorch 2.13.0+cpu, NumPy 2.4.6 and Python 3.11.7. Run from the root of the repository, in an
environment with PyTorch:

    python -m tests.golden.make_torch_losses

Inputs are `ordinary` (within ±4), `extreme` (up to ±1e4, with constant rows) or, where a function is defined
there, `infinite`. Softplus is computed as -logsigmoid(-x), because torch's own returns x above a threshold.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tests.golden.store import Case, draw, save

N, V = 7, 5  # rows, classes
Inputs = dict[str, torch.Tensor]
Options = dict[str, Any]


def cross_entropy(x: Inputs, options: Options) -> torch.Tensor:
    """Labels and class weights are options: nothing is differentiated with respect to them."""
    weight = options["weight"] and torch.tensor(options["weight"], dtype=torch.float64)
    keys = ("ignore_index", "reduction")
    labels = torch.tensor(options["labels"])
    return functional.cross_entropy(x["input"], labels, weight, **{key: options[key] for key in keys})


FUNCTIONS: dict[str, Callable[[Inputs, Options], torch.Tensor]] = {
    "cross_entropy": cross_entropy,
    "mse_loss": lambda x, o: functional.mse_loss(x["input"], x["target"], reduction=o["reduction"]),
    "log_softmax": lambda x, o: torch.log_softmax(x["input"], o["dim"]),
    "softmax": lambda x, o: torch.softmax(x["input"], o["dim"]),
    "logsumexp": lambda x, o: torch.logsumexp(x["input"], o["dim"]),
    "softplus": lambda x, _: -functional.logsigmoid(-x["input"]),
    "layer_norm": lambda x, o: functional.layer_norm(x["input"], x["weight"].shape, x["weight"], x["bias"], o["eps"]),
    "embedding": lambda x, o: functional.embedding(torch.tensor(o["indices"]), x["weight"]),
}


def values(kind: str, random: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    """Draw an input of at least two axes, of the `kind` that the module's docstring describes."""
    x = draw(random, *shape, scale=4.0)
    if kind == "extreme":
        x *= 2500.0
        x[0], x[1], x[-1, ..., 0], x[-1, ..., 1] = 1e4, -1e4, 1e4, -1e4
    elif kind == "infinite":
        x[0, 0] = x[0, 3] = x[1, 1] = -np.inf
    return x


def case(name: str, options: Options, inputs: dict[str, NDArray[np.float64]], random: np.random.Generator) -> Case:
    """Evaluate the function named by `kind`, pull a random cotangent back, and store all of it."""
    leaves = {key: torch.tensor(value, requires_grad=True) for key, value in inputs.items()}
    output = FUNCTIONS[options["kind"]](leaves, options)
    cotangent = draw(random, *output.shape)
    output.backward(torch.tensor(cotangent))
    arrays = inputs | {"output": output.detach().numpy(), "cot_output": cotangent}
    arrays |= {f"grad/{key}": value.grad.numpy() for key, value in leaves.items()}
    return Case(name, options, arrays)


def reduced(random: np.random.Generator) -> list[Case]:
    """Return cross_entropy and mse_loss with every reduction."""
    labels, ignored, weight = [1, 4, 0, 2, 2, 3, 1], [1, -100, 0, 2, -100, 3, 1], [0.5, 2.0, 1.25, 0.75, 3.0]
    variants: dict[str, Options] = {
        "": {"labels": labels, "weight": None, "ignore_index": -100},
        "-ignore": {"labels": ignored, "weight": None, "ignore_index": -100},
        "-weight": {"labels": labels, "weight": weight, "ignore_index": -100},
        "-ignore-weight": {"labels": labels, "weight": weight, "ignore_index": 2},
    }
    cases = []
    for kind in ("ordinary", "extreme"):
        for reduction in ("mean", "sum", "none"):
            common = {"reduction": reduction, "values": kind}
            for suffix, variant in variants.items():
                options = {"kind": "cross_entropy"} | variant | common
                inputs = {"input": values(kind, random, N, V)}
                cases.append(case(f"cross_entropy{suffix}-{reduction}-{kind}", options, inputs, random))
            options = {"kind": "mse_loss"} | common
            inputs = {key: values(kind, random, N, V) for key in ("input", "target")}
            cases.append(case(f"mse_loss-{reduction}-{kind}", options, inputs, random))
    return cases


def pointwise(random: np.random.Generator) -> list[Case]:
    """Return softmax and its relatives along either axis, and softplus."""
    cases = []
    for kind in ("ordinary", "extreme", "infinite"):
        for function in ("log_softmax", "softmax", "logsumexp"):
            for dim in (-1, 0):
                options = {"kind": function, "dim": dim, "values": kind}
                inputs = {"input": values(kind, random, N, V)}
                cases.append(case(f"{function}-dim{dim}-{kind}", options, inputs, random))
        x = values(kind, random, N, V)
        if kind == "infinite":
            x[2, 2] = np.inf
        options = {"kind": "softplus", "values": kind}
        cases.append(case(f"softplus-{kind}", options, {"input": x}, random))
    return cases


def layers(random: np.random.Generator) -> list[Case]:
    """Return layer_norm over the last axis and over the last two, and embedding with repeated indices."""
    cases = []
    for kind in ("ordinary", "extreme"):
        for normalized in ((6,), (3, 6)):
            options: Options = {"kind": "layer_norm", "eps": 1e-5, "values": kind}
            inputs = {"input": values(kind, random, 4, 3, 6)}
            inputs |= {"weight": draw(random, *normalized), "bias": draw(random, *normalized)}
            cases.append(case(f"layer_norm-{len(normalized)}d-{kind}", options, inputs, random))
    options = {"kind": "embedding", "indices": [[0, 2, 2, 5, 1], [5, 5, 0, 2, 3]], "values": "ordinary"}
    cases.append(case("embedding-ordinary", options, {"weight": values("ordinary", random, 6, 3)}, random))
    return cases


def main() -> None:
    """Make every case from one random generator and write the file."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    save("torch_losses", [*reduced(random), *pointwise(random), *layers(random)], [torch])


if __name__ == "__main__":
    main()
