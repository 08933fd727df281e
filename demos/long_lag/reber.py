"""The embedded Reber grammar: which symbols may come next, when the second one decides about the last but one.

    python demos/long_lag/reber.py
    python demos/long_lag/reber.py --cells LSTM GRU RNN

Hochreiter and Schmidhuber 1997, experiment 1, after Smith and Zipser 1989 and Fahlman 1991. A string is B, then T or P,
then a string of the Reber grammar, then the same T or P, then E; where two symbols may follow, each does with a
probability of 1/2. Learned from 256 strings, picked at random, and judged on them and on 256 others: at each step of
each string every symbol that may follow is to be more active than all that may not. Published are 8,440 to 39,740
sequences, with 97 to 100 of 100 trials successful, by size and learning rate. Lags are short here, and given time, a
tanh RNN learns it now and then.

The strings are the same whatever the seed. Short ones come often: there are 96 distinct strings to learn from, and 185
distinct others.
"""

from __future__ import annotations

from demos import console  # isort: split

import numpy as np

from demos.long_lag import report
from demos.long_lag.task import Sequences, Task

SYMBOLS = "BTPSXVE"
STRINGS = 256  # to learn from, and as many others
REBER: tuple[dict[str, int], ...] = (  # in each state the symbols that may come, and the states that they lead to
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
)


def embedded() -> list[dict[str, int]]:
    """The states of the embedded grammar: a start, two copies of the Reber grammar with what follows them, the end."""
    size = len(REBER) + 2  # of a copy: its own states, the T or P after it, the E
    states = [{"B": 1}, {"T": 2, "P": 2 + size}]
    for again in "TP":
        start = len(states)
        states += [{symbol: start + to for symbol, to in state.items()} for state in REBER]
        states += [{again: start + size - 1}, {"E": 2 + 2 * size}]
    return states


GRAMMAR = embedded()


def string(rng: np.random.Generator) -> str:
    """One string."""
    symbols, state = "", 0
    while state < len(GRAMMAR):
        choices = list(GRAMMAR[state])
        symbols += choices[rng.integers(len(choices))]
        state = GRAMMAR[state][symbols[-1]]
    return symbols


def successors(symbols: str) -> list[list[str]]:
    """The symbols that may follow each symbol of a string but its last."""
    state, found = 0, []
    for symbol in symbols[:-1]:
        state = GRAMMAR[state][symbol]
        found.append(list(GRAMMAR[state]))
    return found


def sequences(strings: list[str]) -> Sequences:
    """Strings, what follows each of their symbols, and what else might have."""
    inputs = np.zeros((max(map(len, strings)) - 1, len(strings)), int)
    times: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    legal: list[list[bool]] = []
    for column, symbols in enumerate(strings):
        ids = [SYMBOLS.index(symbol) for symbol in symbols]
        inputs[: len(ids) - 1, column] = ids[:-1]
        times += range(len(ids) - 1)
        columns += [column] * (len(ids) - 1)
        targets += ids[1:]
        legal += [[symbol in may for symbol in SYMBOLS] for may in successors(symbols)]
    return Sequences(inputs, *map(np.array, (times, columns, targets, legal)))


def task() -> Task:
    """The embedded grammar, with the same strings each time."""
    rng = np.random.default_rng(0)
    known = [string(rng) for _ in range(STRINGS)]
    others: list[str] = []
    while len(others) < STRINGS:
        others += [new for new in [string(rng)] if new not in known]
    judged_on = sequences(known + others)
    return Task(
        name="embedded Reber grammar",
        draw=lambda rng, B: sequences([known[k] for k in rng.integers(STRINGS, size=B)]),
        inputs=len(SYMBOLS),
        outputs=len(SYMBOLS),
        symbols=True,
        lag=10,
        rule=f"what may follow is ahead of what may not, in all of {2 * STRINGS} strings",
        met=lambda errors: bool(errors.max() == 0),
        window=2 * STRINGS,
        exam=lambda _: judged_on,
        blind=1.0,
        weights=276,
        count=8440,
        units=32,
        rate=0.01,
    )


def main(arguments: list[str] | None = None) -> None:
    """Train each cell until it makes no mistake, and count."""
    report.main(__doc__, task, arguments)


if __name__ == "__main__":
    console.run(main)
