"""What each unit of a model does while the model reads a text, and what it is like.

An idea of Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks" (2015): a text coloured by
one unit, with what the model expected next below it. A unit's state is c of an LSTM, else h. Colours tell how far it is
from its own mean over the text around: c of a unit that counts can be 50 or more, where tanh(c) would be 1 all along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from demos import console
from demos.lm.files import tensors_of
from demos.lm.model import CharLM
from demos.lm.report.page import Section, asset, escaped, packed
from demos.lm.report.signs import signs
from tinygrad_rnn.scan import Stepper
from tinygrad_rnn.tensor import Array, Tensor
from tinygrad_rnn.text.sampling import distribution
from tinygrad_rnn.text.vocabulary import Ids

GUESSES = 5
LEVELS = 127  # of colour on each side of the mean; a page has them as bytes
SPREAD = 2.5  # standard deviations from the mean to the strongest colour
RANKED = 8  # units named for each property of the text
AROUND = 250  # characters on each side, over which a state is averaged to take slow changes away
OPENING, CLOSING = "“«", "”»"


@dataclass(frozen=True)
class Reading:
    """What happened at each character of ``ids`` [N], once it had been read."""

    ids: Ids
    states: Array  # [L, H, N] of each unit
    guesses: npt.NDArray[np.uint16]  # [N, 5] the likeliest next characters, the first one most
    chances: npt.NDArray[np.uint8]  # [N, 5] their probabilities, times 255


def read(model: CharLM, ids: Ids) -> Reading:
    """Have ``model`` read ``ids`` [N] from a fresh start, and note what it does."""

    def step(state: Any, index: Tensor) -> tuple[Any, Tensor]:
        logits, state = model(index, state)
        return state, logits

    stepper = Stepper(step, model.zero_state(), np.zeros((1, 1), int))
    cells, most = model.recurrent.cells, min(GUESSES, len(model.vocabulary))
    states = np.empty((len(ids), len(cells), cells[0].state_sizes[-1]), model.embedding.weight.dtype)
    guesses, chances = np.zeros((len(ids), most), np.uint16), np.zeros((len(ids), most), np.uint8)
    for k, index in enumerate(console.progress(ids, "neurons")):
        chance = distribution(stepper(np.array([[index]]))[0, 0])
        guesses[k] = np.argsort(-chance, kind="stable")[:most]
        chances[k] = np.rint(255 * chance[guesses[k]])
        states[k] = tensors_of(stepper.state)[-1].data[:, 0]
    return Reading(ids, np.ascontiguousarray(states.transpose(1, 2, 0)), guesses, chances)


def steady(states: Array, around: int = AROUND) -> Array:
    """``states`` [.., N] less their mean over the characters that are at most ``around`` away.

    A cell that counts on and on differs most between the beginning and the end of a text; with that taken away, what
    it does from word to word is seen.

    >>> steady(np.array([1.0, 2.0, 3.0, 5.0]), around=1)
    array([-0.5       ,  0.        , -0.33333333,  1.        ])
    """
    N = states.shape[-1]
    sums = np.cumsum(np.insert(states, 0, 0, axis=-1), axis=-1, dtype=np.float64)
    first, after = np.maximum(np.arange(N) - around, 0), np.minimum(np.arange(N) + around + 1, N)
    quick: Array = states - (sums[..., after] - sums[..., first]) / (after - first)
    return quick.astype(states.dtype)


@dataclass(frozen=True)
class Colours:
    """Steady states as levels -127 .. 127 of colour: ``reach`` * level / 127, but for those that are farther."""

    levels: npt.NDArray[np.int8]  # [L, H, N]
    reach: Array  # [L, H]


def coloured(quick: Array) -> Colours:
    """The colours of ``quick`` [L, H, N], which ``steady`` gave, each unit by itself."""
    reach = SPREAD * quick.std(-1, dtype=np.float64)
    reach[reach == 0] = 1
    levels = np.empty(quick.shape, np.int8)
    for unit in np.ndindex(reach.shape):
        levels[unit] = np.rint(LEVELS * np.clip(quick[unit] / reach[unit], -1, 1))
    return Colours(levels, reach)


def properties(characters: str) -> dict[str, npt.NDArray[np.float64]]:
    """What is so once each of N characters has been read, as numbers [N] by name.

    A quotation ends with its mark, or, when that was forgotten, at an empty line. The mark that opens is in it, the
    one that closes is not.

    >>> {name: values.tolist() for name, values in properties('"A" b').items()}["inside quotes"]
    [1.0, 1.0, 0.0, 0.0, 0.0]
    """
    found: dict[str, list[float]] = {"inside quotes": [], "position in the line": [], "after a capital": []}
    inside, column, before = False, 0, ""
    for character in characters:
        if character == '"':
            inside = not inside
        elif character in OPENING + CLOSING:
            inside = character in OPENING
        elif character == before == "\n":
            inside = False
        column = 0 if character == "\n" else column + 1
        for values, value in zip(found.values(), (inside, column, character.isupper()), strict=True):
            values.append(float(value))
        before = character
    return {name: np.array(values) for name, values in found.items()}


def correlations(states: Array, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Pearson's r [L, H] of each unit, states [L, H, N], with ``values`` [N]; 0 where one of both never changes."""
    centred = values - values.mean()
    found = np.zeros(states.shape[:2])
    for unit in np.ndindex(found.shape):
        own = states[unit] - states[unit].mean(dtype=np.float64)
        scale = np.sqrt((own @ own) * (centred @ centred))
        found[unit] = own @ centred / scale if scale > 0 else 0.0
    return found


def section(model: CharLM, ids: Ids, name: str) -> Section:
    """A text to look through, and the units that are most like its properties. ``name`` says which text it is."""
    reading, vocabulary = read(model, ids), model.vocabulary
    quick = np.stack([steady(rows) for rows in reading.states])
    colours = coloured(quick)
    lists: list[str] = []
    first = (0, 0)
    for what, values in properties(vocabulary.decode(ids)).items():
        r = correlations(quick, values)
        order = np.argsort(-np.abs(r), axis=None, kind="stable")[:RANKED]
        places = [divmod(int(k), r.shape[1]) for k in order]
        first = first if lists else places[0]
        items = "".join(
            f'<li><button data-unit="{layer},{unit}">layer {layer}, unit {unit}</button> {r[layer, unit]:+.3f}</li>'
            for layer, unit in places
        )
        lists.append(f"<div><h3>{escaped(what)}</h3><ol>{items}</ol></div>")
    L, H, N = reading.states.shape
    parts = {
        "characters": f"{N:,}",
        "name": escaped(name),
        "ranks": "".join(lists),
        "around": AROUND,
        "layers": L - 1,
        "units": H - 1,
    }
    body = asset("neurons.html").format(**parts)
    data = {
        "levels": [[packed(row) for row in rows] for rows in colours.levels],
        "reach": colours.reach.tolist(),
        "ids": packed(reading.ids.astype(np.uint16)),
        "guesses": packed(reading.guesses),
        "chances": packed(reading.chances),
        "signs": signs(vocabulary),
        "names": [ascii(c) if c in "\n\t\r" or not c.isprintable() else f"'{c}'" for c in vocabulary.characters],
        "end": vocabulary.characters.find("\n"),
        "first": first,
    }
    return Section("Neurons", body, "neurons.js", data)
