"""Make torch_optim.npz: PyTorch's optimizers, gradient clipping and learning-rate schedules in float64.

Made with PyTorch 2.13.0+cpu, NumPy 2.4.6 and Python 3.11.7. Run from the root of the repository, in an
environment with PyTorch:

    python -m tests.golden.make_torch_optim
"""

from typing import Any

import numpy as np
import torch

from tests.golden.store import Case, draw, save

STEPS = 25
SHAPES: dict[str, tuple[int, ...]] = {"a": (3, 4), "b": (5,)}

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"kind": "SGD", "lr": 0.1},
    "sgd-momentum": {"kind": "SGD", "lr": 0.1, "momentum": 0.9},
    "sgd-dampening": {"kind": "SGD", "lr": 0.1, "momentum": 0.9, "dampening": 0.3},
    "sgd-nesterov": {"kind": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True},
    "sgd-weight-decay": {"kind": "SGD", "lr": 0.1, "weight_decay": 0.05},
    "sgd-nesterov-weight-decay": {
        "kind": "SGD", "lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05,
    },
    "rmsprop": {"kind": "RMSprop", "lr": 0.01},
    "rmsprop-alpha": {"kind": "RMSprop", "lr": 0.002, "alpha": 0.95, "eps": 1e-6},
    "rmsprop-momentum": {"kind": "RMSprop", "lr": 0.01, "momentum": 0.9},
    "rmsprop-centered": {"kind": "RMSprop", "lr": 0.01, "centered": True},
    "rmsprop-centered-momentum-weight-decay": {
        "kind": "RMSprop", "lr": 0.01, "centered": True, "momentum": 0.7, "weight_decay": 0.05,
    },
    "adagrad": {"kind": "Adagrad", "lr": 0.1},
    "adagrad-lr-decay": {"kind": "Adagrad", "lr": 0.1, "lr_decay": 0.05},
    "adagrad-eps": {"kind": "Adagrad", "lr": 0.1, "eps": 1e-8, "initial_accumulator_value": 0.25},
    "adagrad-weight-decay": {"kind": "Adagrad", "lr": 0.1, "weight_decay": 0.05},
    "adam": {"kind": "Adam", "lr": 0.01},
    "adam-betas": {"kind": "Adam", "lr": 0.002, "betas": [0.8, 0.95], "eps": 1e-5},
    "adam-weight-decay": {"kind": "Adam", "lr": 0.01, "weight_decay": 0.05},
    "adamw": {"kind": "AdamW", "lr": 0.01},
    "adamw-weight-decay": {"kind": "AdamW", "lr": 0.01, "betas": [0.8, 0.95], "weight_decay": 0.2},
}  # fmt: skip
CLIPPING: dict[str, dict[str, Any]] = {
    "clip-norm": {"kind": "clip_grad_norm_", "max_norm": 1.5},
    "clip-norm-below": {"kind": "clip_grad_norm_", "max_norm": 50.0},
    "clip-norm-1": {"kind": "clip_grad_norm_", "max_norm": 1.5, "norm_type": 1.0},
    "clip-norm-inf": {"kind": "clip_grad_norm_", "max_norm": 0.5, "norm_type": "inf"},
    "clip-value": {"kind": "clip_grad_value_", "clip_value": 0.5},
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "step-lr": {"kind": "StepLR", "lr": 0.1, "step_size": 7, "gamma": 0.3},
    "exponential-lr": {"kind": "ExponentialLR", "lr": 0.1, "gamma": 0.9},
    "cosine-lr": {"kind": "CosineAnnealingLR", "lr": 0.1, "T_max": STEPS - 1, "eta_min": 0.002},
    "linear-warm-up": {"kind": "LinearLR", "lr": 0.1, "start_factor": 0.05, "total_iters": 8},
}


def parameters(random: np.random.Generator) -> dict[str, torch.nn.Parameter]:
    """Draw the two parameters that every case moves."""
    return {name: torch.nn.Parameter(torch.tensor(draw(random, *shape))) for name, shape in SHAPES.items()}


def settings(options: dict[str, Any]) -> dict[str, Any]:
    """Return what goes to the constructor or function named by `kind`."""
    return {key: value for key, value in options.items() if key != "kind"}


def optimizer_case(name: str, options: dict[str, Any], random: np.random.Generator) -> Case:
    """Run one optimizer; gradients do not depend on the parameters, and those of step 3 are zero."""
    params = parameters(random)
    arrays = {f"start/{key}": value.detach().numpy().copy() for key, value in params.items()}
    for key, shape in SHAPES.items():
        arrays[f"grad/{key}"] = draw(random, STEPS, *shape, scale=2.0)
        arrays[f"grad/{key}"][3] = 0
        arrays[f"after/{key}"] = np.empty((STEPS, *shape))
    optimizer = getattr(torch.optim, options["kind"])(params.values(), **settings(options))
    for step in range(STEPS):
        for key, value in params.items():
            value.grad = torch.tensor(arrays[f"grad/{key}"][step])
        optimizer.step()
        for key, value in params.items():
            arrays[f"after/{key}"][step] = value.detach().numpy()
    return Case(name, options, arrays)


def clipping_case(name: str, options: dict[str, Any], random: np.random.Generator) -> Case:
    """Clip the gradients of two parameters together."""
    params = parameters(random)
    for key, value in params.items():
        value.grad = torch.tensor(draw(random, *SHAPES[key], scale=2.0))
    arrays = {f"grad/{key}": value.grad.numpy().copy() for key, value in params.items()}
    total = getattr(torch.nn.utils, options["kind"])(params.values(), **settings(options))
    arrays |= {f"clipped/{key}": value.grad.numpy() for key, value in params.items()}
    if total is not None:
        arrays["total_norm"] = total.numpy()
    return Case(name, options, arrays)


def schedule_case(name: str, options: dict[str, Any]) -> Case:
    """Record the learning rate that each step uses, the first at index 0."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], options["lr"])
    own = {key: value for key, value in settings(options).items() if key != "lr"}
    schedule = getattr(torch.optim.lr_scheduler, options["kind"])(optimizer, **own)
    rates = np.empty(STEPS)
    for step in range(STEPS):
        rates[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()
    return Case(name, options, {"lr": rates})


def main() -> None:
    """Make every case from one random generator and write the file."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    cases = [optimizer_case(name, options, random) for name, options in OPTIMIZERS.items()]
    cases += [clipping_case(name, options, random) for name, options in CLIPPING.items()]
    cases += [schedule_case(name, options) for name, options in SCHEDULES.items()]
    save("torch_optim", cases, [torch])


if __name__ == "__main__":
    main()
