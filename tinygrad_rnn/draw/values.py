"""What stands on marks besides their labels: values, gradients and their norms, as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from tinygrad_rnn.draw.flow import Flow, norm, tracks
from tinygrad_rnn.draw.graph import Leaf
from tinygrad_rnn.tensor import Array

MOST_NUMBERS = 16  # of an array that is shown
MOST_IN_PARAMETER = 4  # which is drawn again at each use
MOST_IN_ROW = 8
MOST_NORMS = 3  # of one mark, before the least and the greatest stand for all


class Notes:
    """The lines for a mark that stands for some positions of a graph, beyond its label.

    ``show`` may ask for ``"value"`` and ``"grad"``: the numbers of arrays that have few, gradients behind ∂. With
    ``heat`` the norm of the gradient stands below. Of several positions, states and what is read elsewhere count.
    """

    def __init__(self, flow: Flow, show: Sequence[str], *, heat: bool) -> None:
        self.flow, self.graph, self.show, self.heat = flow, flow.graph, show, heat
        self.readers: dict[int, list[int]] = {}
        for source, i in self.graph.edges():
            self.readers.setdefault(source, []).append(i)
        self.names: dict[int, str] = {}
        with suppress(ValueError):  # without time steps
            self.names = {i: track.name for track in tracks(self.graph) for i in track.positions.values()}

    def __call__(self, positions: Sequence[int]) -> tuple[str, ...]:
        """The lines, which may be none."""
        lines: list[str] = []
        norms: list[float] = []
        found = self.results(positions)
        for i in found:
            node, g = self.graph.nodes[i], self.flow.gradients[i]
            name = "" if len(positions) == 1 else f"{self.names.get(i, node.name)} ".lstrip()
            most = MOST_IN_PARAMETER if isinstance(node, Leaf) and node.kind == "parameter" else MOST_NUMBERS
            if "value" in self.show and not isinstance(value := self.flow.value(i), str):
                lines += [name + row for row in rows(np.asarray(value), most)]
            if g is not None and "grad" in self.show:
                lines += [f"∂{name or ' '}{row}" for row in rows(g, most)]
            if g is not None and self.heat:
                norms.append(norm(g))
                if 1 < len(found) <= MOST_NORMS:
                    lines.append(name + short(norms[-1]))
        if norms and not 1 < len(found) <= MOST_NORMS:
            ends = short(min(norms)), short(greatest(norms))
            lines.append(" … ".join(dict.fromkeys(ends)))
        return tuple(lines)

    def results(self, positions: Sequence[int]) -> list[int]:
        """Of several positions the states, what is read elsewhere, and outputs of the graph; a single one itself."""
        if len(positions) == 1:
            return list(positions)
        inside, outputs = set(positions), self.graph.outputs
        return [
            i for i in positions if i in self.names or i in outputs or not inside.issuperset(self.readers.get(i, ()))
        ]


def greatest(norms: Sequence[float]) -> float:
    """The greatest norm; NaN, if there is one, so that it is seen."""
    return max(norms, key=lambda x: (math.isnan(x), x))


def rows(array: Array, most: int = MOST_NUMBERS) -> list[str]:
    """The numbers of a tiny array, a row a line; axes of length 1 are left out. Nothing for more than ``most``.

    >>> rows(np.array([[[0.25, -3.0]], [[1e-9, 0.0]]])), rows(np.array([0.0, 1.0]))
    (['0.25 −3.00', '1.0·10⁻⁹ 0'], ['0 1'])
    """
    table = np.atleast_2d(np.squeeze(array))
    if table.ndim > 2 or not 0 < table.size <= most or table.shape[1] > MOST_IN_ROW:
        return []
    if np.all(np.abs(table) < 1000) and np.all(table == np.rint(table)):
        table = table.astype(int)
    return [" ".join(map(decimal, row.tolist())) for row in table]


def decimal(x: float) -> str:
    """A number with two decimals, or a short one where these would say nothing; integers as they are.

    >>> decimal(0.305), decimal(-4e-5), decimal(7), decimal(12345.6)
    ('0.30', '−4.0·10⁻⁵', '7', '1.2·10⁴')
    """
    if isinstance(x, int):
        return str(x).replace("-", "−")
    if 0.005 <= abs(x) < 1000:
        return f"{x:.2f}".replace("-", "−")
    return short(x)


SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(exponent: int) -> str:
    """A power of ten.

    >>> power(-12), power(0)
    ('10⁻¹²', '1')
    """
    return "1" if exponent == 0 else "10" + str(exponent).translate(SUPERSCRIPTS)


def short(x: float) -> str:
    """A number in two significant digits.

    >>> short(2.08e-8), short(0.0407), short(1.0), short(13.4), short(5210.0), short(0.0), short(math.inf)
    ('2.1·10⁻⁸', '0.041', '1.0', '13', '5.2·10³', '0', '∞')
    """
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "∞" if x > 0 else "−∞"
    mantissa, exponent = f"{abs(x):.1e}".split("e")
    minus = "−" * (x < 0)
    if x == 0:
        return "0"
    if -2 <= int(exponent) < 2:
        return minus + f"{float(mantissa) * 10.0 ** int(exponent):#.2g}".rstrip(".")
    return f"{minus}{mantissa}·{power(int(exponent))}"
