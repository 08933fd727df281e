"""The backward graph beside the forward one: a rule for each operation, and a gradient for each leaf.

A scene with places is mirrored as it is: the backward graph is its image in still water. Where the layout program finds
the places, both graphs are given to it, and each rule is tied to the rank of its operation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tinygrad_rnn.draw.graph import Leaf
from tinygrad_rnn.draw.heat import results
from tinygrad_rnn.draw.mirror import Gift, Vjp, mirror
from tinygrad_rnn.draw.scene import Box, Frame, Line, Look, Mark, Scene
from tinygrad_rnn.draw.style import text_width
from tinygrad_rnn.draw.values import short

if TYPE_CHECKING:
    from tinygrad_rnn.draw.flow import Flow

FORWARD, BACKWARD = "\0forward", "\0backward"  # scopes that no module has
GAP = 60.0  # between the two graphs
RED = {"light": ("#b91c1c", "#fee2e2"), "dark": ("#f87171", "#450a0a"), "print": ("#000000", "#e4e4e4")}
SAVED = {"style": "dotted", "arrowhead": "empty", "weight": "0"}


def both(scene: Scene, flow: Flow) -> Scene:
    """``scene``, the forward graph, and with it the backward graph, which runs the other way.

    Each operation has its rule, with the formulas by which it computes; each leaf that requires it has its gradient.
    What a rule reads of the forward pass, and what therefore has to be kept, is dotted: lines in a graph without time
    steps, borders in one with.
    """
    return (Mirrored if scene.placed else Tied)(scene, flow).out


class Both:
    """Both graphs in the making: twins of the marks of the forward graph, and lines between them turned round."""

    def __init__(self, scene: Scene, flow: Flow) -> None:
        self.scene, self.flow, self.graph = scene, flow, scene.graph
        self.out = Scene(scene.graph, scene.theme, placed=scene.placed, title=scene.title)
        self.rules = {rule.operation: rule for rule in mirror(flow)}
        gifts: dict[tuple[int, int], list[Gift]] = {}  # by (input, operation): one for each argument that it is
        for i, rule in self.rules.items():
            for gift in rule.gives:
                gifts.setdefault((gift.input, i), []).append(gift)
        self.saved = {(i, k) for k, rule in self.rules.items() for i in rule.saved}  # (what is read, by whose rule)
        self.twins: dict[str, Mark] = {}  # by the names of the marks of the forward graph
        self.enclose()
        read = results(scene)
        for mark in scene.marks.values():
            if any(flow.gradients[i] is not None for i in mark.positions):
                self.twins[mark.name] = self.twin(mark, read)
        for line in scene.lines:
            given = [gifts[pair].pop(0) for pair in line.inputs if gifts.get(pair)]
            if given:
                self.turned(line, given)

    def twin(self, mark: Mark, read: set[int]) -> Mark:
        """The rules of what ``mark`` stands for, or the gradient of a leaf, as a mark."""
        node, flow = self.graph.nodes[mark.positions[0]], self.flow
        norms = [f"‖∂L/∂·‖ = {flow.norm(i):.3e}" for i in mark.positions if i in read or len(mark.positions) == 1]
        rules = [self.rules[i] for i in mark.positions if i in self.rules]
        if isinstance(node, Leaf):
            label, tip = f"∂L/∂{mark.lines[0]}", "; ".join(norms)
        elif len(mark.positions) == 1:
            label, tip = rules[0].label(node.op), "; ".join(map(described, rules))
        else:
            label, tip = f"∂ {mark.lines[0]}", "; ".join([f"{len(rules)} rules", *norms])
        border, ground = RED[self.scene.theme.name]
        look = {"color": border, "fillcolor": ground, "style": "rounded,filled", "fontsize": "11"}
        twin = Mark(f"backward of {mark.name}", (label,), "function", (), tooltip=tip, look=look)
        return self.out.add(self.placed(twin, mark))

    def red(self) -> Look:
        """How lines of the backward graph look."""
        return dict.fromkeys(("color", "fontcolor"), RED[self.scene.theme.name][0])

    def enclose(self) -> None:
        """Put the forward graph into ``out``."""
        raise NotImplementedError

    def placed(self, twin: Mark, mark: Mark) -> Mark:
        """The twin of ``mark`` in its place."""
        raise NotImplementedError

    def turned(self, line: Line, gifts: list[Gift]) -> None:
        """Draw ``line`` between the twins, turned round."""
        raise NotImplementedError


class Tied(Both):
    """For a layout program: a frame around each graph, and twins in the ranks of their marks."""

    def __init__(self, scene: Scene, flow: Flow) -> None:
        super().__init__(scene, flow)
        marks = {mark.positions[0]: mark for mark in scene.marks.values()}
        kept = [(line.tail, line.head) for line in scene.lines if self.saved.intersection(line.inputs)]
        kept += [(marks[i].name, marks[i].name) for i, k in sorted(self.saved) if i == k]
        self.out.lines += (Line(tail, self.twins[head].name, (), look=dict(SAVED)) for tail, head in kept)

    def enclose(self) -> None:
        """Put all of the forward graph into one frame, and make another for the backward graph."""
        out, scene = self.out, self.scene
        title = "backward: one vector-Jacobian product an operation, from right to left"
        out.frames[BACKWARD,] = Frame("backward", title, "module", (BACKWARD,), look={"labelloc": "t"})
        out.frames[FORWARD,] = Frame("forward", "forward", "module", (FORWARD,))
        for frame in scene.frames.values():
            out.frames[FORWARD, *frame.scope] = replace(frame, scope=(FORWARD, *frame.scope))
        for mark in scene.marks.values():
            out.add(replace(mark, scope=(FORWARD, *mark.scope)))
        out.lines += scene.lines
        out.columns += scene.columns

    def placed(self, twin: Mark, mark: Mark) -> Mark:
        """In the same rank; or in the next one, if a dotted line leads there from ``mark`` itself."""
        (i,) = mark.positions
        if (i, i) not in self.saved:
            self.out.columns.append((mark.name, twin.name))
        return replace(twin, scope=(BACKWARD,))

    def turned(self, line: Line, gifts: list[Gift]) -> None:
        """With the norm of what is contributed."""
        tail, head = self.twins[line.head].name, self.twins[line.tail].name
        norm = short(max(gift.norm for gift in gifts))
        self.out.lines.append(Line(tail, head, line.inputs, label=norm, backwards=True, look=self.red()))


class Mirrored(Both):
    """For a scene with places: below it, its mirror image."""

    def enclose(self) -> None:
        """Take the forward graph as it is, but for the borders of what is kept; mirror its frames."""
        out, scene = self.out, self.scene
        kept = {(i,) for i, _ in self.saved}
        for mark in scene.marks.values():
            dotted = {"style": f"{scene.theme.families[mark.family].get('style', 'filled')},dotted", "penwidth": "2"}
            out.add(replace(mark, look={**mark.look, **dotted}) if mark.positions in kept else mark)
        out.lines += scene.lines
        boxes = scene.boxes()
        self.axis = 2 * min(box.bottom for box in boxes) - GAP
        left = min(box.left for box in boxes)
        self.title("forward; dotted: what backward needs of it", left, self.axis / 2 + GAP * 0.28)
        self.title("backward: one vector-Jacobian product an operation", left, self.axis / 2 - GAP * 0.28)
        for scope, frame in scene.frames.items():
            out.frames[scope] = frame
            box = frame.box and self.mirrored(frame.box)
            out.frames[BACKWARD, *scope] = replace(frame, name=f"backward of {frame.name}", title="", box=box)

    def title(self, words: str, left: float, y: float) -> None:
        """Words that start at ``left``."""
        width = text_width(words, 13) + 24
        look = {"fontsize": "13", "fontcolor": self.scene.theme.palette.muted}
        self.out.add(Mark(words, (words,), "constant", (), box=Box(left + width / 2, y, width, 18), look=look))

    def mirrored(self, box: Box) -> Box:
        """The image of a box."""
        return box._replace(y=self.axis - box.y)

    def placed(self, twin: Mark, mark: Mark) -> Mark:
        """The image of the mark; a formula that has no room there is shortened to the sign of the operation."""
        box, sign = self.mirrored(mark.box or Box(0, 0, 0, 0)), (f"∂{mark.lines[0]}",)
        lines = twin.lines if text_width(twin.lines[0], 11) + 8 <= box.width else sign
        return replace(twin, lines=lines, box=box._replace(width=max(box.width, text_width(lines[0], 11) + 4)))

    def turned(self, line: Line, gifts: list[Gift]) -> None:  # noqa: ARG002  there is no room for norms
        """The image of a line, from its end to its beginning."""
        tail, head = self.twins[line.head].name, self.twins[line.tail].name
        route = tuple((x, self.axis - y) for x, y in reversed(line.route))
        self.out.lines.append(Line(tail, head, line.inputs, route=route, look=self.red()))


def described(rule: Vjp) -> str:
    """The formulas of a rule, with the norms of what they contribute."""
    return "; ".join(f"{gift.formula}: {gift.norm:.3e}" for gift in rule.gives)
