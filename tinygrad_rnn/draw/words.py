"""Text that a console and a notebook show as it is, in columns that line up in any language."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Report(str):
    """A text whose ``repr`` is the text: a console or notebook shows its lines without ``print``.

    >>> Report("σ 'tanh'")
    σ 'tanh'
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """One line a row, each cell as wide as the widest in its column; columns in ``right`` end at one edge.

    >>> columns([("тест", "8"), ("操作", "120")], right=[1])
    ['тест    8', '操作  120']
    """
    wide = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for k, cell in enumerate(row):
            gap = " " * (wide[k] - width(cell))
            cells.append(gap + cell if k in right else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def width(text: str) -> int:
    """The places that ``text`` takes in a console: two for an East Asian character, none for a combining mark.

    >>> width("мир"), width("操作"), width("й")
    (3, 4, 1)
    """
    return sum(
        0 if unicodedata.category(c) in {"Mn", "Me", "Cf"} else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def counted(number: int, thing: str) -> str:
    """A number with its noun.

    >>> counted(1, "operation"), counted(24_000, "operation")
    ('1 operation', '24,000 operations')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
