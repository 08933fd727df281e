"""How exactly PyTorch and onnxruntime compute what a trained character model does, for the figures of the README.

From the root of the repository, with a run that `train` has left:

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python tests/benchmarks/interchange.py runs/char_lm

Prints the largest logit, in size, over the first 1,000 characters of the validation part, from a fresh start, and the
largest difference from it in each program, as a share of that logit.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file can be run from anywhere

from demos.lm.files import learned, model_in, read_checkpoint, tensors_of
from demos.lm.folder import find
from demos.lm.interchange import as_graph
from demos.lm.model import CharLM
from tinygrad_rnn import no_grad
from tinygrad_rnn.tensor import Array
from tinygrad_rnn.text.vocabulary import Ids

CHARACTERS = 1000


def in_torch(model: CharLM, cell: str, ids: Ids) -> Array:
    """The logits [T, 1, V] of ``ids`` [T, 1] in PyTorch."""
    import torch

    V, (layers, _, H) = len(model.vocabulary), tensors_of(model.zero_state())[0].shape
    recurrent = getattr(torch.nn, cell.upper())(H, H, layers)
    modules = {"embedding": torch.nn.Embedding(V, H), "recurrent": recurrent, "head": torch.nn.Linear(H, V)}
    theirs = torch.nn.ModuleDict(modules)
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in model.state_dict().items()})
    with torch.no_grad():
        outputs, _ = recurrent(theirs["embedding"](torch.from_numpy(ids)))
        logits: Array = theirs["head"](outputs).numpy()
    return logits


def in_onnxruntime(model: CharLM, ids: Ids) -> Array:
    """The same in onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(as_graph(model).model().SerializeToString())
    state: dict[str, Any] = {f"{n}_0": zero.data for n, zero in zip("hc", tensors_of(model.zero_state()), strict=False)}
    return np.asarray(session.run(["logits"], {"ids": ids, **state})[0])


def main() -> None:
    """Print the table."""
    file = read_checkpoint(find(sys.argv[1], best=True))
    model, ids = model_in(file), learned(file, file.options).validation[:CHARACTERS, None]
    with no_grad():
        ours = model(ids)[0].data
    largest = np.abs(ours).max()
    print(f"{file.options.cell.upper()}, {file.options.layers} x {file.options.units}: largest logit {largest:.1f}")
    others = {"PyTorch": in_torch(model, file.options.cell, ids), "onnxruntime": in_onnxruntime(model, ids)}
    for name, theirs in others.items():
        print(f"{name:<12} {np.abs(theirs - ours).max() / largest:.1e}")


if __name__ == "__main__":
    main()
