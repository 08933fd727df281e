"""Reading the DOT text that graphviz's Digraph writes, one statement a line: just enough for tests."""

import re
from dataclasses import dataclass, field

QUOTED = r'"(?:\\.|[^"\\])*"'
NODE = re.compile(rf"\s*({QUOTED}) \[label=(.*)\]")
EDGE = re.compile(rf"\s*({QUOTED}) -> ({QUOTED})(?: \[(.*)\])?")
CLUSTER = re.compile(rf"\s*subgraph ({QUOTED}) {{")
ATTRIBUTE = re.compile(rf"({QUOTED}|\w+)=({QUOTED}|[^\s\]]+)")


@dataclass
class Picture:
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)  # attributes by name
    edges: list[tuple[str, str]] = field(default_factory=list)  # as the arrows point, without the invisible ones
    clusters: list[str] = field(default_factory=list)


def read(source: str) -> Picture:
    """The picture that ``source`` describes. A name that stands twice fails."""
    picture = Picture()
    for line in source.splitlines():
        if found := EDGE.match(line):
            look = attributes(found[3] or "")
            if look.get("style") != "invis":
                tail, head = plain(found[1]), plain(found[2])
                picture.edges.append((head, tail) if look.get("dir") == "back" else (tail, head))
        elif found := NODE.match(line):
            name = plain(found[1])
            assert name not in picture.nodes
            picture.nodes[name] = attributes(f"label={found[2]}")
        elif found := CLUSTER.match(line):
            picture.clusters.append(plain(found[1]))
    assert len(set(picture.clusters)) == len(picture.clusters)
    return picture


def attributes(text: str) -> dict[str, str]:
    return {plain(key): plain(value) for key, value in ATTRIBUTE.findall(text)}


def plain(word: str) -> str:
    """What a DOT word says when it is drawn: quotes off, line breaks, escapes and entities undone."""
    if not word.startswith('"'):
        assert not word.startswith("<"), "markup"
        return word
    inner = re.sub(r'\\(["\\n])', lambda m: {"n": "\n"}.get(m[1], m[1]), word[1:-1])
    return inner.replace("&amp;", "&")
