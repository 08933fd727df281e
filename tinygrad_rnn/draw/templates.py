"""The looks of the best-known cells, as textbooks draw them: where each of their operations stands.

A *pattern* lists the operations of one step with their inputs: other operations by their names, ``$h`` and ``$c`` for
states, ``^`` for what comes from below; parameters and constants are left out. A step that has exactly these
operations and inputs is drawn by the template, any other in the general way. Operations stand on a grid, whose columns
and rows are as wide and high as what stands in them, and a line is said by its turns: ``H`` goes straight to the right,
``V`` straight up or down, ``HV`` first to the right and then up or down.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from tinygrad_rnn.draw.graph import Graph, Operation
from tinygrad_rnn.draw.tile import Step

COMMUTE = frozenset({"add", "mul"})
STATES = frozenset({"$h", "$c"})


class Role(NamedTuple):
    """One operation of a pattern: its inputs, its place on the grid, and how each input comes in."""

    op: str
    inputs: tuple[str, ...]
    at: tuple[float, float]  # column, row
    turns: tuple[str, ...]


@dataclass(frozen=True)
class Template:
    """One cell: its operations by their names, inputs before uses, and the ways out of a step."""

    name: str
    roles: Mapping[str, Role]
    height: Mapping[str, float]  # the row on which each state comes in and goes out
    out: Mapping[str, tuple[str, str]]  # of each state: the operation that makes it, and its turns
    top: tuple[str, str, float]  # of the result: the operation, its turns, and the column in which it goes up
    free: tuple[str, str]  # an operation, and the side on which its chip needs no room of its own
    beside: tuple[str, str]  # the sides for the chips of an operation into which a line comes from below


RNN = Template(
    "RNN",
    MappingProxyType({
        "x": Role("getitem", ("^",), (0, 0), ("V",)),
        "a": Role("linear", ("$h", "x"), (0, 1), ("H", "V")),
        "h": Role("tanh", ("a",), (1, 1), ("H",)),
    }),
    height=MappingProxyType({"$h": 1}),
    out=MappingProxyType({"$h": ("h", "H")}),
    top=("h", "HV", 2),
    free=("a", "over"),
    beside=("right", "left"),
)  # fmt: skip

LSTM = Template(
    "LSTM",
    MappingProxyType({
        "x": Role("getitem", ("^",), (0, 0), ("V",)),
        "a": Role("linear", ("$h", "x"), (0, 1), ("H", "V")),
        "f_": Role("getitem", ("a",), (1, 2), ("HV",)),
        "i_": Role("getitem", ("a",), (2, 2), ("HV",)),
        "g_": Role("getitem", ("a",), (3, 2), ("HV",)),
        "o_": Role("getitem", ("a",), (4, 2), ("HV",)),
        "f": Role("sigmoid", ("f_",), (1, 3), ("V",)),
        "i": Role("sigmoid", ("i_",), (2, 3), ("V",)),
        "g": Role("tanh", ("g_",), (3, 3), ("V",)),
        "o": Role("sigmoid", ("o_",), (4, 3), ("V",)),
        "keep": Role("mul", ("f", "$c"), (1, 6), ("V", "H")),
        "new": Role("mul", ("i", "g"), (3, 4), ("VH", "V")),
        "c": Role("add", ("keep", "new"), (3, 6), ("H", "V")),
        "seen": Role("tanh", ("c",), (5, 5), ("HV",)),
        "h": Role("mul", ("o", "seen"), (5, 4), ("VH", "V")),
    }),
    height=MappingProxyType({"$h": 1, "$c": 6}),
    out=MappingProxyType({"$h": ("h", "VH"), "$c": ("c", "H")}),
    top=("h", "HV", 6),
    free=("a", "over"),
    beside=("right", "left"),
)  # fmt: skip

GRU = Template(
    "GRU",
    MappingProxyType({
        "x": Role("getitem", ("^",), (0, 0), ("V",)),
        "x_rz": Role("getitem", ("x",), (1, 1), ("HVH",)),
        "x_n": Role("getitem", ("x",), (1, 0), ("H",)),
        "a": Role("linear", ("$h",), (0, 3), ("HVH",)),
        "h_rz": Role("getitem", ("a",), (1, 2), ("HVH",)),
        "h_n": Role("getitem", ("a",), (1, 3), ("H",)),
        "rz_": Role("add", ("x_rz", "h_rz"), (2, 2), ("HV", "H")),
        "rz": Role("sigmoid", ("rz_",), (3, 2), ("H",)),
        "r": Role("getitem", ("rz",), (4, 2), ("H",)),
        "z": Role("getitem", ("rz",), (4, 1), ("HVH",)),
        "reset": Role("mul", ("r", "h_n"), (5, 3), ("HV", "H")),
        "n_": Role("add", ("x_n", "reset"), (6, 3), ("HV", "H")),
        "n": Role("tanh", ("n_",), (7, 3), ("H",)),
        "off": Role("sub", ("$h", "n"), (8, 4), ("H", "HV")),
        "part": Role("mul", ("z", "off"), (9, 4), ("HV", "H")),
        "h": Role("add", ("n", "part"), (10, 4), ("HV", "H")),
    }),
    height=MappingProxyType({"$h": 4}),
    out=MappingProxyType({"$h": ("h", "H")}),
    top=("h", "HV", 11),
    free=("a", "under"),
    beside=("left", "over"),
)  # fmt: skip


def fed(template: Template, *, bias: bool) -> Template:
    """The same cell when it is called with x, and multiplies it in the step itself; with ``bias``, by b_ih + b_hh."""
    x = Role("linear", ("^", "b") if bias else ("^",), template.roles["x"].at, ("V", "H"))
    roles = {**({"b": Role("add", (), (-1, x.at[1]), ())} if bias else {}), **template.roles, "x": x}
    return replace(template, roles=roles)


def given(template: Template, places: Mapping[str, tuple[float, float]]) -> Template:
    """The same cell when what it makes of x comes ready from below, as in a planned scan."""
    roles = {}
    for name, role in template.roles.items():
        if name != "x":
            turns = tuple("V" if i == "x" else turn for i, turn in zip(role.inputs, role.turns, strict=True))
            inputs = tuple("^" if i == "x" else i for i in role.inputs)
            roles[name] = role._replace(inputs=inputs, turns=turns, at=places.get(name, role.at))
    return replace(template, roles=roles, beside=("over", "over") if template is not GRU else ("under", "over"))


TEMPLATES = (
    *(RNN, fed(RNN, bias=False), fed(RNN, bias=True), given(RNN, {})),
    *(LSTM, fed(LSTM, bias=False), fed(LSTM, bias=True), given(LSTM, {})),
    *(GRU, fed(GRU, bias=False), given(GRU, {"x_rz": (0, 1)})),
)


class Match(NamedTuple):
    """How a step plays a template: the operation (its number in the step) of each role, and what each state is."""

    template: Template
    played: Mapping[str, int]
    states: Mapping[str, Hashable]

    def memory(self, step: Step) -> Iterator[tuple[int, int] | int]:
        """Where the state ``$c`` comes in, (operation, input), and the operation that makes it."""
        uses = {self.played[name] for name, role in self.template.roles.items() if "$c" in role.inputs}
        yield from ((wire.block, wire.slot) for wire in step.wires if wire.block in uses and wire.state is not None)
        yield from (self.played[name] for state, (name, _) in self.template.out.items() if state == "$c")


Inputs = Sequence[tuple[str, Hashable]]  # ("local", operation), ("state", which), ("below", which), ("either", which)


def match(ops: Sequence[str], inputs: Sequence[Inputs]) -> Match | None:
    """The template of a step with these operations; None if there is none.

    ``inputs`` has those of each operation but for parameters and constants. *Either* may be a state or come from below.

    >>> match(["linear", "exp"], [[("state", "h"), ("below", 0)], [("local", 0)]]) is None
    True
    >>> match(
    ...     ["getitem", "linear", "tanh"], [[("below", 0)], [("either", 1), ("local", 0)], [("local", 1)]]
    ... ).template.name
    'RNN'
    """
    for template in TEMPLATES:
        if sorted(ops) == sorted(role.op for role in template.roles.values()):
            found = next(plays(template, ops, inputs, {}, {}), None)
            if found is not None:
                return found
    return None


def plays(
    template: Template,
    ops: Sequence[str],
    inputs: Sequence[Inputs],
    played: dict[str, int],
    states: dict[str, Hashable],
) -> Iterator[Match]:
    """Every way to give the roles that are still free to operations that nobody plays."""
    if len(played) == len(template.roles):
        yield Match(template, played, states)
        return
    name, role = list(template.roles.items())[len(played)]
    taken = set(played.values())
    for k, op in enumerate(ops):
        if op != role.op or k in taken or len(inputs[k]) != len(role.inputs):
            continue
        orders = [inputs[k], inputs[k][::-1]] if op in COMMUTE else [inputs[k]]
        for order in orders:
            bound = fits(role, order, played, states)
            if bound is not None:
                yield from plays(template, ops, inputs, {**played, name: k}, bound)


def fits(
    role: Role, given: Inputs, played: Mapping[str, int], states: dict[str, Hashable]
) -> dict[str, Hashable] | None:
    """What the states are, if the inputs given are those of the role; else None."""
    bound = dict(states)
    for wanted, (kind, which) in zip(role.inputs, given, strict=True):
        if wanted in STATES:
            if kind not in {"state", "either"} or bound.setdefault(wanted, which) != which:
                return None
        elif wanted == "^":
            if kind not in {"below", "either"}:
                return None
        elif (kind, which) != ("local", played[wanted]):
            return None
    return bound


def of_step(step: Step) -> Match | None:
    """The template of a step, if one has a place for all that comes in and goes out."""
    inputs: list[list[tuple[str, Hashable]]] = [[] for _ in step.blocks]
    for wire in step.wires:
        kind = "local" if wire.source is not None else "below" if wire.state is None else "state"
        inputs[wire.block].append((kind, {"local": wire.source, "below": None, "state": wire.state}[kind]))
    found = match(step.ops, inputs)
    if found is None:
        return None
    ways = {found.played[name] for name, _ in found.template.out.values()}
    up = found.played[found.template.top[0]]
    return found if ways >= set(step.right) and {up} >= set(step.top) else None


def of_operations(graph: Graph, time: Mapping[int, Hashable], step: Sequence[int]) -> Match | None:
    """The same for the recorded operations of one step, at these positions in the graph."""
    number = {i: k for k, i in enumerate(step)}
    inputs: list[list[tuple[str, Hashable]]] = []
    for i in step:
        inputs.append([])
        for s in graph.nodes[i].inputs:  # type: ignore[union-attr]
            node = graph.nodes[s]
            if s in number:
                inputs[-1].append(("local", number[s]))
            elif isinstance(node, Operation):
                # What another step has made is a state, or what this one reads: an output may be the next input.
                inputs[-1].append(("either" if s in time and time[s] != time[i] else "below", s))
            elif node.kind == "input":
                inputs[-1].append(("either", s))
    return match([graph.nodes[i].op for i in step], inputs)  # type: ignore[union-attr]
