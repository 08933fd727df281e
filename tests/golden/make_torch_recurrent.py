"""Make torch_recurrent.npz: outputs and gradients of PyTorch's recurrent layers and cells in float64.

Made with PyTorch 2.13.0+cpu, NumPy 2.4.6 and Python 3.11.7. Run from the root of the repository, in an
environment with PyTorch:

    python -m tests.golden.make_torch_recurrent

All sizes differ: 5 steps (T), batch 3 (B), 4 features (F), 6 hidden units (H), projection to 2 (P).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.golden.store import Case, draw, save

T, B, F, H, P = 5, 3, 4, 6, 2
SHORT = [3, 5, 1]  # lengths, not sorted, the longest fills all steps
SHORTER = [2, 1, 4]  # no sequence reaches the last step

KINDS: dict[str, dict[str, Any]] = {
    "rnn-tanh": {"kind": "RNN", "nonlinearity": "tanh"},
    "rnn-relu": {"kind": "RNN", "nonlinearity": "relu"},
    "lstm": {"kind": "LSTM"},
    "gru": {"kind": "GRU"},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "1layer": {},
    "1layer-initial": {"has_initial": True},
    "1layer-no-bias": {"bias": False, "has_initial": True},
    "1layer-lengths": {"lengths": SHORT},
    "1layer-bi-lengths-initial": {"bidirectional": True, "lengths": SHORTER, "has_initial": True},
    "2layer": {"num_layers": 2},
    "2layer-bi": {"num_layers": 2, "bidirectional": True},
    "2layer-bi-lengths-initial": {
        "num_layers": 2, "bidirectional": True, "lengths": SHORT, "has_initial": True,
    },
    "2layer-bi-batch-first-initial": {
        "num_layers": 2, "bidirectional": True, "batch_first": True, "has_initial": True,
    },
    "3layer-initial": {"num_layers": 3, "has_initial": True},
    "3layer-bi": {"num_layers": 3, "bidirectional": True},
}  # fmt: skip
PROJECTED: dict[str, dict[str, Any]] = {
    "1layer-proj": {"proj_size": P},
    "2layer-bi-proj-initial": {"num_layers": 2, "bidirectional": True, "proj_size": P, "has_initial": True},
    "2layer-bi-proj-lengths-initial": {
        "num_layers": 2, "bidirectional": True, "proj_size": P, "lengths": SHORT, "has_initial": True,
    },
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "input_size": F,
    "hidden_size": H,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "bidirectional": False,
    "proj_size": 0,
    "nonlinearity": None,
    "has_initial": False,
    "lengths": None,
}


def leaf(array: NDArray[np.float64]) -> torch.Tensor:
    """Return a tensor that will hold the gradient of the loss with respect to it."""
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def set_parameters(module: torch.nn.Module, random: np.random.Generator) -> dict[str, torch.Tensor]:
    """Fill the parameters of `module` from `random` and return them under `param/NAME`."""
    for parameter in module.parameters():
        parameter.data = torch.tensor(draw(random, *parameter.shape, scale=0.5))
    return {f"param/{name}": parameter for name, parameter in module.named_parameters()}


def finish(
    inputs: dict[str, torch.Tensor],
    outputs: dict[str, torch.Tensor],
    random: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    """Draw a cotangent for each output, pull them back, and return every value, cotangent and gradient.

    The gradient of `param/NAME` is stored under `grad/NAME`, that of any other input X under `grad/X`.
    """
    cotangents = {f"cot_{name}": draw(random, *value.shape) for name, value in outputs.items()}
    terms = zip(outputs.values(), cotangents.values(), strict=True)
    loss = sum((value * torch.tensor(cotangent)).sum() for value, cotangent in terms)
    loss.backward()
    arrays = {name: value.detach().numpy() for name, value in (inputs | outputs).items()} | cotangents
    for name, value in inputs.items():
        arrays[f"grad/{name.removeprefix('param/')}"] = value.grad.numpy()
    return arrays


def layer_case(name: str, options: dict[str, Any], random: np.random.Generator) -> Case:
    """Run one layer of torch.nn forward and backward."""
    sizes = {key: options[key] for key in ("input_size", "hidden_size", "num_layers")}
    flags = {key: options[key] for key in ("bias", "batch_first", "bidirectional")}
    special = {key: options[key] for key in ("nonlinearity", "proj_size") if options[key]}
    layer = getattr(torch.nn, options["kind"])(**sizes, **flags, **special, dtype=torch.float64)
    inputs = set_parameters(layer, random)
    inputs["input"] = leaf(draw(random, *((B, T) if options["batch_first"] else (T, B)), F))
    rows = options["num_layers"] * (2 if options["bidirectional"] else 1)
    state = None
    if options["has_initial"]:
        inputs["h0"] = state = leaf(draw(random, rows, B, options["proj_size"] or H))
        if options["kind"] == "LSTM":
            inputs["c0"] = leaf(draw(random, rows, B, H))
            state = (inputs["h0"], inputs["c0"])
    x = inputs["input"]
    if options["lengths"] is None:
        output, final = layer(x, state)
    else:
        lengths = torch.tensor(options["lengths"])
        packed = pack_padded_sequence(x, lengths, options["batch_first"], enforce_sorted=False)
        packed_output, final = layer(packed, state)
        output, _ = pad_packed_sequence(packed_output, options["batch_first"], total_length=T)
    finals = dict(zip(("hn", "cn"), final, strict=True)) if options["kind"] == "LSTM" else {"hn": final}
    return Case(name, options, finish(inputs, {"output": output} | finals, random))


def cell_case(name: str, options: dict[str, Any], random: np.random.Generator) -> Case:
    """Run one step of one cell of torch.nn forward and backward."""
    keys = ("input_size", "hidden_size", "bias", "nonlinearity")
    settings = {key: options[key] for key in keys if options[key] is not None}
    cell = getattr(torch.nn, options["kind"])(**settings, dtype=torch.float64)
    inputs = set_parameters(cell, random)
    inputs["input"] = leaf(draw(random, B, F))
    inputs["h0"] = leaf(draw(random, B, H))
    if options["kind"] == "LSTMCell":
        inputs["c0"] = leaf(draw(random, B, H))
        outputs = dict(zip(("hn", "cn"), cell(inputs["input"], (inputs["h0"], inputs["c0"])), strict=True))
    else:
        outputs = {"hn": cell(inputs["input"], inputs["h0"])}
    return Case(name, options, finish(inputs, outputs, random))


def main() -> None:
    """Make every case from one random generator and write the file."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    cases = []
    for kind, base in KINDS.items():
        variants = VARIANTS | (PROJECTED if kind == "lstm" else {})
        for variant, options in variants.items():
            cases.append(layer_case(f"{kind}-{variant}", DEFAULTS | base | options, random))
    for kind, base in KINDS.items():
        shared = {key: DEFAULTS[key] for key in ("input_size", "hidden_size", "nonlinearity")} | base
        for variant, bias in (("cell", True), ("cell-no-bias", False)):
            options = shared | {"kind": f"{base['kind']}Cell", "bias": bias}
            cases.append(cell_case(f"{kind}-{variant}", options, random))
    save("torch_recurrent", cases, [torch])


if __name__ == "__main__":
    main()
