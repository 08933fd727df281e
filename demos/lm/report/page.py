"""Sections as one HTML page that loads nothing from anywhere."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from demos.lm.report.signs import sign
from tinygrad_rnn import checkpoint
from tinygrad_rnn.tensor import Array

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Section:
    """A part of a page: its heading, HTML, and, for the script that is named, data."""

    title: str
    body: str
    script: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """By which links find it."""
        return self.title.lower().replace(" ", "-")


def write(path: Path, title: str, about: str, sections: Sequence[Section]) -> None:
    """Write a page of ``sections``, whole or not at all. Raises CheckpointError if that fails."""
    scripts = [section.script for section in sections if section.script]
    data = {section.script: section.data for section in sections if section.script}
    bodies = (f'<section id="{s.id}">\n<h2>{escaped(s.title)}</h2>\n{s.body}\n</section>' for s in sections)
    links = (f'<a href="#{s.id}">{escaped(s.title)}</a>' for s in sections)
    parts = {
        "title": escaped(title),
        "about": escaped(about),
        "links": " ".join(links) if len(sections) > 1 else "",
        "style": asset("page.css"),
        "sections": "\n".join(bodies),
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "script": "\n".join(asset(name) for name in ["page.js", *scripts]),
    }
    page = re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], asset("page.html"))
    with checkpoint.replacement(path) as file:
        file.write(page.encode("utf-8", "replace"))


def asset(name: str) -> str:
    """The text of a file beside this one."""
    return files("demos.lm.report").joinpath(name).read_text(encoding="utf-8")


def escaped(words: object) -> str:
    """``words`` as HTML, which may not have control characters: a sign for each but tab and end of line."""
    return html.escape(CONTROLS.sub(lambda found: sign(found[0]), str(words)))


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; the first cell of a row says what the row is."""
    heads = "".join(f'<th scope="col">{escaped(cell)}</th>' if cell else "<td></td>" for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escaped(row[0])}</th>' + "".join(f"<td>{escaped(c)}</td>" for c in row[1:]) + "</tr>\n"
        for row in rows
    )
    top = f"<thead><tr>{heads}</tr></thead>\n" if head else ""
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def packed(array: Array) -> str:
    """The bytes of ``array``, little-endian, as base64 text."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")
