"""A picture as plain data, between the recorded graph and DOT text: marks, the lines between them, and frames.

A *mark* is what is drawn for some of the graph's nodes: one operation or leaf, or all that one cell does at one step.
It knows their positions in ``Graph.nodes``, and a line knows which recorded inputs it stands for, so whatever is drawn
can be traced back to what was recorded. What decorates a picture (values, gradients, a path) changes marks and lines;
only dot.py knows DOT.

Lengths are points and y grows upwards, as in DOT. Where a scene has boxes and routes, the layout program keeps them
(``layout=nop2``) and only draws; where it has none, the program lays out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from tinygrad_rnn.draw.theme import Theme
from tinygrad_rnn.tensor import Scope

if TYPE_CHECKING:
    from tinygrad_rnn.draw.graph import Graph

Point: TypeAlias = tuple[float, float]
LineKind: TypeAlias = Literal["data", "state", "memory", "far", "hint"]
FrameKind: TypeAlias = Literal["module", "lane", "step", "column", "fold"]
Look: TypeAlias = dict[str, str]  # DOT attributes; these win over the theme's


class Box(NamedTuple):
    """A rectangle by its centre and size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        """The least x."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """The greatest x."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """The least y."""
        return self.y - self.height / 2

    @property
    def top(self) -> float:
        """The greatest y."""
        return self.y + self.height / 2


@dataclass(slots=True)
class Mark:
    """What is drawn for one or more nodes of the graph."""

    name: str  # unique in the scene
    lines: tuple[str, ...]  # the label
    family: str  # the row of the theme's table
    positions: tuple[int, ...]  # of what it stands for, in Graph.nodes; a leaf may have several marks
    scope: Scope = ()
    tooltip: str = ""
    emphasis: bool = False  # an output that the picture was asked for
    box: Box | None = None
    look: Look = field(default_factory=dict)


@dataclass(slots=True)
class Line:
    """An arrow from one mark to another.

    A *state* line goes from one time step to another, a *memory* one too (the cell state of an LSTM), a *far* one
    between modules. A *hint* is not seen: it tells the
    layout program that its head stands to the right of its tail.
    """

    tail: str
    head: str
    inputs: tuple[tuple[int, int], ...]  # the recorded (input, operation) that it stands for
    kind: LineKind = "data"
    label: str = ""
    label_at: Point | None = None
    route: tuple[Point, ...] = ()  # corners, from the border of the tail to that of the head
    backwards: bool = False  # to an earlier time step: laid out turned round, so that time still runs to the right
    look: Look = field(default_factory=dict)


@dataclass(slots=True)
class Frame:
    """A frame around what was recorded in one scope: a module, a time step, or one step of all modules (a column).

    A *lane* is all steps of one module: its frame is not drawn, but its title stands on the left.
    """

    name: str  # unique in the scene
    title: str
    kind: FrameKind
    scope: Scope
    tooltip: str = ""
    box: Box | None = None
    look: Look = field(default_factory=dict)


@dataclass(slots=True)
class Scene:
    """Everything in one picture. With ``placed`` every mark and frame has its box, and every line its route."""

    graph: Graph
    theme: Theme
    marks: dict[str, Mark] = field(default_factory=dict)  # by name
    lines: list[Line] = field(default_factory=list)
    frames: dict[Scope, Frame] = field(default_factory=dict)  # unplaced: nested as their scopes are
    columns: list[tuple[str, ...]] = field(default_factory=list)  # unplaced: marks that stand above each other
    placed: bool = False
    title: str = "computation graph"

    def add(self, mark: Mark) -> Mark:
        """Put a mark into the scene; ValueError for a name that is taken."""
        if mark.name in self.marks:
            raise ValueError(f"Scene: there is a mark {mark.name!r} already")
        self.marks[mark.name] = mark
        return mark

    def boxes(self) -> list[Box]:
        """Where marks and frames are."""
        things: list[Mark | Frame] = [*self.marks.values(), *self.frames.values()]
        return [thing.box for thing in things if thing.box is not None]

    def marks_of(self) -> dict[int, list[Mark]]:
        """The marks of each position in the graph: one for an operation, any number for a leaf."""
        found: dict[int, list[Mark]] = {}
        for mark in self.marks.values():
            for position in mark.positions:
                found.setdefault(position, []).append(mark)
        return found
