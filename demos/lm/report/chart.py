"""Curves as SVG, in the colours of the page that they are in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demos.lm.report.page import escaped

WIDTH, HEIGHT = 900, 320
LEFT, RIGHT, TOP, BOTTOM = 76, 110, 12, 40  # pixels around the frame
COLOURS = 6  # classes s0 .. s5 of the page
APART = 13  # pixels from one label on the right to the next


@dataclass(frozen=True)
class Series:
    """A curve: its name and its points (x, y). Points that are not finite are left out."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Scale:
    """Numbers from ``low`` to ``high`` as pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a number."""
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers in it: on a logarithmic scale powers of ten, and between few of them 2 and 5 times these.

        >>> Scale(0, 2000, 0, 1).ticks(), Scale(0.002, 3, 0, 1, log=True).ticks(), Scale(0.3, 3, 0, 1, log=True).ticks()
        ([0.0, 500.0, 1000.0, 1500.0, 2000.0], [0.01, 0.1, 1.0], [0.5, 1.0, 2.0])
        """
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            if last - first < 2:
                near = (float(f"{m}e{k}") for k in range(first - 1, last + 1) for m in (1, 2, 5))
                return [tick for tick in near if self.low <= tick <= self.high]
            return [float(f"1e{k}") for k in range(first, last + 1, max(1, (last - first) // 6))]
        size = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
        step = next((m * size for m in (1, 2, 5) if (self.high - self.low) / (m * size) <= 6), 10 * size)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(k * step, 12) for k in range(first, last + 1)]


def chart(
    series: Sequence[Series],
    *,
    x: str,
    y: str,
    rules: Mapping[str, float] | None = None,
    log: bool = False,
) -> str:
    """A figure of curves, with a legend; ``rules`` are horizontal lines with names; ``log`` is the scale of y."""
    rules = rules or {}
    drawn = [Series(s.name, [p for p in s.points if drawable(p, log=log)]) for s in series]
    xs = [p[0] for s in drawn for p in s.points]
    ys = [p[1] for s in drawn for p in s.points] + [v for v in rules.values() if math.isfinite(v)]
    if not xs:
        return '<p class="note">There is nothing to draw.</p>'
    across = Scale(*room(min(xs), max(xs)), LEFT, WIDTH - RIGHT)
    up = Scale(*room(min(ys), max(ys), log=log), HEIGHT - BOTTOM, TOP, log=log)
    inside = (
        axes(across, up, x, y) + horizontal(rules, up) + "".join(curve(s, k, across, up) for k, s in enumerate(drawn))
    )
    legend = "".join(f'<li><i class="s{k % COLOURS}"></i>{escaped(s.name)}</li>' for k, s in enumerate(drawn))
    title = escaped(f"{y} by {x}: {', '.join(s.name for s in drawn)}")
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{inside}</svg>'
    return f'<figure><div class="wide">{svg}</div><ul class="legend">{legend}</ul></figure>'


def drawable(point: tuple[float, float], *, log: bool) -> bool:
    """Whether a point can be drawn."""
    return all(map(math.isfinite, point)) and (not log or point[1] > 0)


def room(low: float, high: float, *, log: bool = False) -> tuple[float, float]:
    """A range that is not empty."""
    if log:
        return low / 1.3, high * 1.3
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def axes(across: Scale, up: Scale, x: str, y: str) -> str:
    """Grid, numbers and names of the axes."""
    left, right, bottom, top = across.start, across.end, up.start, up.end
    lines = [
        f'<line class="grid" x1="{left}" x2="{right}" y1="{up.at(v):.1f}" y2="{up.at(v):.1f}"/>'
        f'<text x="{left - 7}" y="{up.at(v) + 4:.1f}" text-anchor="end">{v:g}</text>'
        for v in up.ticks()
    ]
    lines += [
        f'<text x="{across.at(v):.1f}" y="{bottom + 17}" text-anchor="middle">{v:g}</text>' for v in across.ticks()
    ]
    middle = (top + bottom) / 2
    lines += [
        f'<text x="{(left + right) / 2}" y="{HEIGHT - 5}" text-anchor="middle">{escaped(x)}</text>',
        f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{escaped(y)}</text>',
    ]
    return "".join(lines)


def horizontal(rules: Mapping[str, float], up: Scale) -> str:
    """Lines across, named on the right, where the names keep their distance; a thin line leads to each name."""
    known = sorted(((up.at(value), name) for name, value in rules.items() if math.isfinite(value)), reverse=True)
    lines, free, end = [], math.inf, WIDTH - RIGHT
    for at, name in known:  # from below, where they are closest
        free = min(at, free - APART)
        lines.append(
            f'<line class="rule" x1="{LEFT}" x2="{end}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<polyline class="leader" points="{end},{at:.1f} {end + 5},{at:.1f} {end + 17},{free:.1f}"/>'
            f'<text x="{end + 20}" y="{free + 4:.1f}">{escaped(name)}</text>'
        )
    return "".join(lines)


def curve(series: Series, k: int, across: Scale, up: Scale) -> str:
    """A curve; with few points, they are marked."""
    places = [(across.at(x), up.at(y)) for x, y in series.points]
    name = f"s{k % COLOURS}"
    line = f'<polyline class="{name}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
    dots = (f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>' for x, y in places)
    return line + ("".join(dots) if len(places) <= 20 else "")
