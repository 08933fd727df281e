"""Text that a console and a notebook show as it is, in columns that line up in any language."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


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


def printable(text: str) -> str:
    r"""Text on one line: what can't be printed is written as Python writes it.

    >>> printable("мир\n")
    'мир\\n'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def memory(size: float) -> str:
    """A number of bytes with three digits.

    >>> memory(824), memory(45 * 2**20), memory(640_000)
    ('824 bytes', '45.0 MiB', '625 KiB')
    """
    if size < 1024:
        return f"{size:.0f} bytes"
    unit = iter(("KiB", "MiB", "GiB"))
    size, name = size / 1024, next(unit)
    while size >= 1000 and name != "GiB":
        size, name = size / 1024, next(unit)
    return f"{size:.{2 if size < 10 else 1 if size < 100 else 0}f} {name}"


def span(numbers: Iterable[int]) -> str:
    """Whole numbers in ascending order, neighbours joined.

    >>> span([0, 1, 2, 5, 7, 8])
    '0…2, 5, 7…8'
    """
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}…{b}" for a, b in runs)
