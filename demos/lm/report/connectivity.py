"""How far back a model looks: derivatives by what it read, and how states and their gradients go along time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from demos.lm.files import tensors_of
from demos.lm.model import CharLM
from demos.lm.report.chart import Series, chart
from demos.lm.report.page import Section, packed
from demos.lm.report.signs import signs
from tinygrad_rnn import cross_entropy, gradients, no_grad
from tinygrad_rnn.tensor import Array, Tensor
from tinygrad_rnn.text.vocabulary import Ids

BEFORE = 300  # characters that are read before the passage, so that the state is one of the middle of a text
PASSAGE = 120  # characters whose connections are shown
COPIES = 16  # of the passage at once: with more, memory grows, and time hardly falls


def connectivity(model: CharLM, ids: Ids, state: Any = None) -> Array:
    """How strongly each prediction hangs on each character before it: norms [T, T], of ids [T + 1].

    Row t has, at each s <= t, the norm of d logit(t) / d input(s): of the logit that belongs to the character that did
    come next, ids[t + 1], by the vector [E] that the embedding gives for ids[s]. What comes after t is 0. ``state`` is
    that of one text.

    One copy of the text for each of some t, side by side as a batch, has these rows come of one pass back through time.
    """
    T = len(ids) - 1
    norms = np.zeros((T, T), model.embedding.weight.dtype)
    for first in range(0, T, COPIES):
        some = np.arange(first, min(first + COPIES, T))
        norms[some, : some[-1] + 1] = rows(model, ids, model.zero_state() if state is None else state, some)
    return norms


def rows(model: CharLM, ids: Ids, state: Any, some: Ids) -> Array:
    """Rows ``some`` [R], in ascending order, of ``connectivity`` but the zeros that all end with: [R, some[-1] + 1]."""
    copies = [Tensor(np.repeat(tensor.data, len(some), axis=1)) for tensor in tensors_of(state)]
    vectors = model.embedding.weight.data[ids[: some[-1] + 1]]
    inputs = Tensor(np.repeat(vectors[:, None], len(some), axis=1), requires_grad=True)  # [T, R, E]
    outputs, _ = model.recurrent(inputs, tuple(copies) if len(copies) > 1 else copies[0])
    each = np.arange(len(some))
    logits = model.head(model.dropout(outputs[some, each]))  # [R, V]: of each copy those at its step
    (found,) = gradients(logits[each, ids[some + 1]].sum(), [inputs])
    norms: Array = np.linalg.norm(found, axis=-1).T
    return norms


class Norms(NamedTuple):
    """Norms [T, L] of each layer's part of the state after each character, by its name: h, and c of an LSTM."""

    states: dict[str, Array]
    gradients: dict[str, Array]  # of the loss at the end by these


def along_time(model: CharLM, ids: Ids, state: Any = None) -> Norms:
    """The norms while ``ids`` [T + 2] are read: of the states after the first T, and of the gradients of the loss.

    That is the loss, in nats, of the last of ``ids``, when all before it have been read.
    """
    reached = []
    for index in ids[:-2]:
        _, state = model(np.array([[index]]), state)
        reached.append(tensors_of(state))
    logits, _ = model(ids[-2:-1, None], state)
    names = ("h", "c")[: len(reached[0])]
    wanted = [tensor for tensors in reached for tensor in tensors]
    found = gradients(cross_entropy(logits, ids[-1:, None]), wanted)

    def norms(arrays: list[Array]) -> dict[str, Array]:
        return {
            n: np.array([np.linalg.norm(a[:, 0], axis=-1) for a in arrays[k :: len(names)]])
            for k, n in enumerate(names)
        }

    return Norms(norms([tensor.data for tensor in wanted]), norms(found))


@contextlib.contextmanager
def unrolled(model: CharLM) -> Iterator[None]:
    """Have the layers record each operation: with steps run one by one, a plan for each would fill the memory."""
    before, model.recurrent.unroll = model.recurrent.unroll, True
    try:
        yield
    finally:
        model.recurrent.unroll = before


def section(model: CharLM, ids: Ids) -> Section:
    """Both, for a passage of a text."""
    before = min(BEFORE, max(len(ids) - PASSAGE - 1, 0))
    passage, state = ids[before : before + PASSAGE + 1], None
    if before:
        with no_grad():
            _, state = model(ids[:before, None])
    with unrolled(model):
        found, norms = connectivity(model, passage, state), along_time(model, passage, state)
    T = len(found)
    lags = [float(np.mean(np.diagonal(found, -lag))) for lag in range(T - T // 6)]  # each of enough predictions
    body = (
        "<p>The norm of d logit(t) / d input(s): how much the logit of the character that came next hangs on the "
        "vector of each character read before.</p>"
    )
    body += chart(
        [Series("mean over the passage", list(enumerate(lags)))], x="characters back, t − s", y="norm", log=True
    )
    body += (
        "<p>Point at a character, or move with <kbd>←</kbd> <kbd>→</kbd>: what the prediction of it hung on is "
        "coloured, the strongest most.</p>"
        '<div class="text" id="passage" tabindex="0" role="group" aria-label="Passage"></div>'
        '<p id="lags" class="note" role="status"></p>'
    )
    body += "<h3>States along the passage</h3>" + chart(
        layers(norms.states), x="character", y="norm of the state", log=True
    )
    body += "<h3>Gradients of the last character's loss</h3>"
    body += chart(layers(norms.gradients), x="character", y="norm of d loss / d state", log=True)
    shown = signs(model.vocabulary)
    data = {"norms": packed(found.astype(np.float32)), "signs": [shown[i] for i in passage]}
    return Section("Connectivity", body, "connectivity.js", data)


def layers(norms: dict[str, Array]) -> list[Series]:
    """A curve for each layer and part of the state."""
    return [
        Series(f"{name} of layer {k}", list(enumerate(column.tolist())))
        for name, table in norms.items()
        for k, column in enumerate(table.T)
    ]
