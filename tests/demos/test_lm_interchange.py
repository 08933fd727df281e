"""The char-LM in other programs: in onnxruntime, and in PyTorch and back."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from demos import char_lm
from demos.lm.files import restore, tensors_of
from demos.lm.interchange import as_graph, take
from demos.lm.model import CELLS, CharLM
from demos.lm.sampling import continuation
from tests.benchmarks.interchange import in_onnxruntime, in_torch
from tests.demos.char_lm_runs import LINE, refused, train
from tinygrad_rnn import Tensor, no_grad
from tinygrad_rnn import text as texts
from tinygrad_rnn.checkpoint import CheckpointError
from tinygrad_rnn.nn.cells import whole
from tinygrad_rnn.tensor import Array

WORDS = texts.Vocabulary.from_text("Она молчала, а князь Андрей — нет.")
NO_ONNX = "the extra onnx is not installed: pip install -e '.[onnx]'"


def made(cell: str, layers: int, units: int, dtype: Any = np.float32) -> CharLM:
    return CharLM(WORDS, cell, layers, units, dropout=0.5, dtype=dtype, rng=0).eval()


def session(path: Path | bytes) -> Any:
    """A file in onnxruntime."""
    pytest.importorskip("onnx", reason=NO_ONNX)
    return pytest.importorskip("onnxruntime", reason=NO_ONNX).InferenceSession(path)


def window(model: CharLM, steps: int, batch: int) -> tuple[Array, list[Array]]:
    """Ids [T, B], and a state of arrays, at random."""
    rng = np.random.default_rng(steps)
    zeros = tensors_of(model.zero_state(batch))
    return rng.integers(len(WORDS), size=(steps, batch)), [rng.normal(size=z.shape).astype(z.dtype) for z in zeros]


def assert_equal(ours: Any, theirs: list[Any], atol: float) -> None:
    """Check logits and state."""
    logits, state = ours
    for one, other in zip([logits, *tensors_of(state)], theirs, strict=True):
        np.testing.assert_allclose(np.asarray(other), one.data, rtol=0, atol=atol, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("cell", "layers"), list(itertools.product(CELLS, (1, 3))))
def test_onnx_gives_the_logits_and_the_state(cell: str, layers: int, dtype: Any) -> None:
    pytest.importorskip("onnx", reason=NO_ONNX)
    model = made(cell, layers, 5, dtype)
    other = session(as_graph(model).model().SerializeToString())
    for steps, batch in [(7, 3), (1, 1)]:
        ids, state = window(model, steps, batch)
        with no_grad():
            ours = model(ids, whole([Tensor(tensor) for tensor in state]))
        given = {f"{name}_0": tensor for name, tensor in zip("hc", state, strict=False)}
        assert_equal(ours, other.run(None, {"ids": ids, **given}), 2e-6 if dtype == np.float32 else 1e-13)


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> CharLM:
    """An LSTM that has learned a little, so that it is sure of some characters."""
    folder = tmp_path_factory.mktemp("trained")
    train(text, folder, "--units", "32", "--lr", "0.03", "--report", iterations=100)
    return restore(str(folder))[0]


@pytest.mark.parametrize("package", ["torch", "onnxruntime"])
def test_what_was_trained_is_the_same_elsewhere(trained: CharLM, package: str) -> None:
    pytest.importorskip("onnx" if package == "onnxruntime" else package, reason=f"{package} is not installed")
    pytest.importorskip(package, reason=f"{package} is not installed")
    ids = trained.vocabulary.encode(LINE * 4)[:, None]
    with no_grad():
        ours = trained(ids)[0].data
    theirs = in_torch(trained, "lstm", ids) if package == "torch" else in_onnxruntime(trained, ids)
    largest = np.abs(ours).max()
    assert largest > 5
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-6 * largest, strict=True)


def test_onnx_writes_the_same_text(text: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason=NO_ONNX)
    train(text, model, "--cell", "gru")
    capsys.readouterr()
    assert char_lm.main(["export", "--checkpoint", str(model), "--format", "onnx"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["written", str(model / "model.onnx")]

    other, (ours, trained) = session(model / "model.onnx"), restore(str(model))
    about = {name: json.loads(value) for name, value in other.get_modelmeta().custom_metadata_map.items()}
    assert about["vocabulary"] == ours.vocabulary.characters
    assert about["options"]["units"] == trained.units
    characters, index, h = [], about["vocabulary"].index("\n"), np.zeros((2, 1, 12), np.float32)
    for _ in range(60):
        logits, h = other.run(None, {"ids": np.array([[index]]), "h_0": h})
        index = int(logits.argmax())
        characters.append(about["vocabulary"][index])
    assert "".join(characters) == "".join(continuation(ours, length=60, temperature=0, rng=np.random.default_rng()))


def test_safetensors_are_a_checkpoint_without_its_training(
    text: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(text, model)
    path, capsys_out = tmp_path / "deep" / "er.safetensors", capsys.readouterr
    assert char_lm.main(["export", "--checkpoint", str(model), "--output", str(path)]) == 0
    assert safetensors.numpy.load_file(path).keys() == restore(str(model))[0].state_dict().keys()
    written = []
    for source in (model, path):
        capsys_out()
        assert char_lm.main(["sample", "--checkpoint", str(source), "--seed", "3"]) == 0
        assert char_lm.main(["evaluate", "--checkpoint", str(source)]) == 0
        written.append(capsys_out().out)
    assert written[0] == written[1]


def test_weights_come_back(text: Path, model: Path, tmp_path: Path) -> None:
    train(text, model)
    tuned = {name: -value for name, value in restore(str(model))[0].state_dict().items()}
    safetensors.numpy.save_file(tuned, tmp_path / "tuned.safetensors")
    arguments = ["--checkpoint", str(model), "--weights", str(tmp_path / "tuned.safetensors")]
    assert char_lm.main(["export", *arguments, "--output", str(tmp_path / "new.safetensors")]) == 0
    new = restore(str(tmp_path / "new.safetensors"))[0].state_dict()
    assert all(np.array_equal(value, tuned[name]) for name, value in new.items())


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path, model = tmp_path / "other.safetensors", made("lstm", 1, 4)
    for cell, units, reason in [
        ("lstm", 5, r"other\.safetensors: not the weights of this model: .*embedding\.weight' has shape \(21, 4\)"),
        ("gru", 4, r"not the weights of this model: .* 'recurrent.weight_ih_l0' has shape \(16, 4\)"),
    ]:
        safetensors.numpy.save_file(made(cell, 1, units).state_dict(), path)
        with pytest.raises(CheckpointError, match=reason):
            take(model, str(path))
    safetensors.numpy.save_file(made("lstm", 2, 4).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"there is no parameter 'recurrent\..*_l1'"):
        take(model, str(path))
    path.write_bytes(b"weights")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        take(model, str(path))


def test_what_was_read_and_what_a_run_needs_is_not_written_over(
    text: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(text, model)
    capsys.readouterr()
    best, before = model / "best.safetensors", [file.read_bytes() for file in sorted(model.iterdir())]
    for command in ("export", "neurons", "report"):
        at = [command, "--run" if command == "report" else "--checkpoint", model]
        said = refused(capsys, *at, "--output", model / ".." / model.name / best.name)
        assert (
            said
            == f"output: {model}/../run/{best.name} is there already, as {best}, which would be lost; take another name"
        )
    tuned = model.parent / "tuned.safetensors"
    tuned.write_bytes(best.read_bytes())
    assert f"output: {tuned} is there already" in refused(
        capsys, "export", "--checkpoint", model, "--weights", tuned, "--output", tuned
    )
    assert [file.read_bytes() for file in sorted(model.iterdir())] == before


# ------------------------------------------------------------------------------------------------------------- PyTorch


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_weights_load_in_pytorch_and_come_back(cell: str, layers: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; tests/golden has what it wrote")
    from safetensors.torch import load_file, save_file

    class Theirs(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, V: int, units: int) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(V, units)
            self.recurrent = getattr(torch.nn, cell.upper())(units, units, layers)
            self.head = torch.nn.Linear(units, V)

        def forward(self, ids: Any, state: Any) -> Any:
            outputs, state = self.recurrent(self.embedding(ids), state)
            return self.head(outputs), state

    def assert_same(ours: CharLM, theirs: Any) -> None:
        ids, state = window(ours, 7, 3)
        with no_grad():
            expected = ours(ids, whole([Tensor(tensor) for tensor in state]))
        given = tuple(map(torch.from_numpy, state))
        with torch.no_grad():
            logits, last = theirs(torch.from_numpy(ids), given if len(given) > 1 else given[0])
        assert_equal(expected, [logits, *(last if isinstance(last, tuple) else (last,))], 2e-6)

    ours, theirs = made(cell, layers, 5), Theirs(len(WORDS), 5)
    safetensors.numpy.save_file(ours.state_dict(), tmp_path / "ours.safetensors")
    theirs.load_state_dict(load_file(tmp_path / "ours.safetensors"))
    assert_same(ours, theirs)

    torch.manual_seed(0)
    theirs = Theirs(len(WORDS), 5)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    take(ours, str(tmp_path / "theirs.safetensors"))
    assert_same(ours, theirs)
