"""Tables as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 100  # columns of a terminal
LEAST = 8  # to which a column may shrink
MOST_ROWS = 400  # that are shown; of more, the first and last


@dataclass(frozen=True)
class Table:
    """Rows of cells under ``columns``; a row that is a str is a heading over those that follow.

    Columns whose positions are in ``right`` hold numbers.

    >>> print(Table(("operation", "ms"), ["forward", ("matmul", "12.5"), ("tanh", "3.0")], right=frozenset({1})))
    operation    ms
    forward
      matmul   12.5
      tanh      3.0
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...] | str]
    right: frozenset[int] = frozenset()

    def text(self, width: int = WIDTH) -> str:
        """The table in lines of at most ``width`` characters; the widest columns are cut to make it fit."""
        shown = folded(self.rows)
        indent = "  " if any(isinstance(row, str) for row in shown) else ""
        cells = [self.columns, *(row for row in shown if not isinstance(row, str))]
        sizes = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        sizes[0] += len(indent)
        while sum(sizes) + 2 * (len(sizes) - 1) > width and max(sizes) > LEAST:
            sizes[sizes.index(max(sizes))] -= 1
        lines = []
        for row in [self.columns, *shown]:
            if isinstance(row, str):
                lines.append(cut(row, width))
                continue
            first = row[0] if row is self.columns else indent + row[0]
            parts = [cut(cell, size) for cell, size in zip([first, *row[1:]], sizes, strict=True)]
            parts = [
                p.rjust(n) if i in self.right else p.ljust(n) for i, (p, n) in enumerate(zip(parts, sizes, strict=True))
            ]
            lines.append("  ".join(parts).rstrip())
        return "\n".join(lines)

    def html(self) -> str:
        """The table as HTML, every text escaped; in the colours of the page around it."""
        left, right = (f"text-align:{side};white-space:pre;padding:0 0.7em" for side in ("left", "right"))
        styles = [right if i in self.right else left for i in range(len(self.columns))]
        lines = ['<table style="font-family:monospace">', "<thead><tr>"]
        lines += [f'<th style="{style}">{escape(name)}</th>' for name, style in zip(self.columns, styles, strict=True)]
        lines.append("</tr></thead><tbody>")
        for row in folded(self.rows):
            if isinstance(row, str):
                lines.append(f'<tr><th colspan="{len(styles)}" style="{left}">{escape(row)}</th></tr>')
            else:
                cells = (f'<td style="{style}">{escape(cell)}</td>' for cell, style in zip(row, styles, strict=True))
                lines.append(f"<tr>{''.join(cells)}</tr>")
        return "\n".join([*lines, "</tbody></table>"])

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.html()


def folded(rows: Sequence[tuple[str, ...] | str], most: int = MOST_ROWS) -> list[tuple[str, ...] | str]:
    """``rows``, or the first and last of them with a line that says how many are left out.

    >>> folded(["a", "b", "c", "d", "e", "f"], most=4)
    ['a', 'b', '… 3 rows …', 'f']
    """
    if len(rows) <= most:
        return list(rows)
    head = most // 2
    tail = most - head - 1
    return [*rows[:head], f"… {len(rows) - head - tail:,} rows …", *rows[len(rows) - tail :]]


def cut(text: str, size: int) -> str:
    """``text`` in at most ``size`` characters.

    >>> cut("softmax_error", 8)
    'softmax…'
    """
    return text if len(text) <= size else text[: size - 1] + "…"
