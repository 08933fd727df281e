"""A placed scene by its numbers: overlaps, lines that miss their ends, lines that run behind marks."""

from itertools import combinations, pairwise

from tinygrad_rnn.draw.scene import Box, Line, Mark, Scene


def overlaps(scene: Scene) -> list[tuple[str, str]]:
    """Pairs of marks whose boxes overlap."""
    boxes = [(name, placed(mark)) for name, mark in scene.marks.items()]
    boxes.sort(key=lambda entry: entry[1].left)
    found, near = [], list[tuple[str, Box]]()
    for name, box in boxes:
        near = [(other, b) for other, b in near if b.right > box.left + 0.1]
        found += [(other, name) for other, b in near if b.bottom + 0.1 < box.top and box.bottom + 0.1 < b.top]
        near.append((name, box))
    return found


def misses(scene: Scene) -> list[Line]:
    """Lines that don't lead from the border of their tail to that of their head, or have other than right angles."""
    found = []
    for line in scene.lines:
        ends = [(line.tail, line.route[0]), (line.head, line.route[-1])]
        right = all(abs(a[0] - b[0]) < 0.01 or abs(a[1] - b[1]) < 0.01 for a, b in pairwise(line.route))
        if not right or not all(touches(placed(scene.marks[name]), *point) for name, point in ends):
            found.append(line)
    return found


def touches(box: Box, x: float, y: float) -> bool:
    """Whether a point is on the border of a box, or of the round mark in it."""
    dx, dy = abs(x - box.x) / (box.width / 2), abs(y - box.y) / (box.height / 2)
    square = max(dx, dy)
    return abs(square - 1) < 0.02 or abs(dx * dx + dy * dy - 1) < 0.02


def behind(scene: Scene) -> list[tuple[Line, str]]:
    """Lines and the marks behind which they run; bars, which lie across time, may have lines behind them."""
    marks = [(name, placed(mark)) for name, mark in scene.marks.items() if placed(mark).width < 300]
    found = []
    for line in scene.lines:
        for (ax, ay), (bx, by) in pairwise(line.route):
            for name, box in marks:
                if name in {line.tail, line.head}:
                    continue
                across = min(ax, bx) < box.right - 1 and box.left + 1 < max(ax, bx)
                along = min(ay, by) < box.top - 1 and box.bottom + 1 < max(ay, by)
                level = box.bottom + 1 < ay < box.top - 1
                upright = box.left + 1 < ax < box.right - 1
                if (ay == by and level and across) or (ax == bx and upright and along):
                    found.append((line, name))
    return found


def collinear(scene: Scene) -> list[tuple[Line, Line]]:
    """Lines of different tails that lie on each other for more than a little."""
    flat: dict[tuple[str, float], list[tuple[float, float, Line]]] = {}
    for line in scene.lines:
        for (ax, ay), (bx, by) in pairwise(line.route):
            level = abs(ay - by) < 0.01
            low, high = sorted((ax, bx) if level else (ay, by))
            flat.setdefault(("y", round(ay, 1)) if level else ("x", round(ax, 1)), []).append((low, high, line))
    found = []
    for segments in flat.values():
        for (a, b, one), (c, d, two) in combinations(segments, 2):
            if one.tail != two.tail and min(b, d) - max(a, c) > 2:
                found.append((one, two))
    return found


def placed(mark: Mark) -> Box:
    """The box of a mark."""
    assert mark.box is not None
    return mark.box
