"""Routing in a channel: the strip between two rows of things, in which lines run along tracks and turn at right angles.

A *net* is one source with all that it goes to on the other side or on its own. It has one track, a straight piece along
the channel, from which it branches off to each of its ends. Ends are numbers along the channel: a height for a channel
between two columns, an x for one between two rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

NEAR = 3.0  # ends nearer than this would look like one
STRAIGHT = 0.5  # a turn smaller than this is none


class Net(NamedTuple):
    """Where a net leaves the channel: on its near side (left or below), on its far side (right or above), at an end."""

    near: tuple[float, ...] = ()
    far: tuple[float, ...] = ()
    along: tuple[float, ...] = ()  # ends of the channel itself

    @property
    def ends(self) -> tuple[float, ...]:
        """All of them."""
        return self.near + self.far + self.along

    @property
    def straight(self) -> bool:
        """Whether it crosses the channel without a turn, and needs no track."""
        return not self.along and len(self.ends) > 1 and max(self.ends) - min(self.ends) < STRAIGHT


def tracks(nets: Sequence[Net]) -> tuple[list[int | None], int]:
    """(the track of each net, None for a straight one; how many tracks there are), counted from the near side.

    No two nets lie on each other: on one track they are apart, and where the near end of one is opposite the far end
    of another, the first has the nearer track, if that can be had.

    >>> tracks([Net((0,), (20,)), Net((20,), (40,)), Net((7,), (7,))])
    ([1, 0, None], 2)
    """
    bent = sorted((k for k, net in enumerate(nets) if not net.straight), key=lambda k: min(nets[k].ends))
    found: list[int | None] = [None] * len(nets)
    count, group, reach = 0, list[int](), float("-inf")
    for k in [*bent, None]:
        if group and (k is None or min(nets[k].ends) - 2 * NEAR > reach):  # those before are apart from the rest
            count = max(count, share(group, nets, found))
            group = []
        if k is not None:
            group.append(k)
            reach = max(reach, *nets[k].ends)
    return found, count


def share(group: Sequence[int], nets: Sequence[Net], found: list[int | None]) -> int:
    """Put the tracks of some nets into ``found``; returns how many there are."""
    before = {k: {j for j in group if j != k and opposite(nets[j].near, nets[k].far)} for k in group}
    taken: list[list[tuple[float, float]]] = []
    waiting = sorted(group, key=lambda k: order(nets[k]))
    while waiting:
        left = set(waiting)
        k = next((k for k in waiting if not before[k] & left), waiting[0])
        waiting.remove(k)
        low, high = min(nets[k].ends) - NEAR, max(nets[k].ends) + NEAR
        track = max([-1, *(t for j in before[k] if (t := found[j]) is not None)]) + 1
        while track < len(taken) and any(low < b and a < high for a, b in taken[track]):
            track += 1
        taken += ([] for _ in range(len(taken), track + 1))
        taken[track].append((low, high))
        found[k] = track
    return len(taken)


def tangled(nets: Sequence[Net], found: Sequence[int | None]) -> list[int]:
    """The nets that lie on another one, because each of the two would have to have the nearer track.

    >>> tangled([Net((0,), (20,)), Net((20,), (0,))], [0, 1])
    [1]
    """
    placed = [(k, net, track) for k, (net, track) in enumerate(zip(nets, found, strict=True)) if track is not None]
    return [j for j, one, a in placed for k, two, b in placed if j != k and a >= b and opposite(one.near, two.far)]


def opposite(near: Sequence[float], far: Sequence[float]) -> bool:
    """Whether an end on one side is opposite one on the other side."""
    return any(abs(x - y) < NEAR for x in near for y in far)


def order(net: Net) -> tuple[int, float]:
    """Nets that go up are nested from the top, those that go down from the bottom, so that they don't cross."""
    near, far = mean(net.near or net.along), mean(net.far or net.along)
    return (0, -near) if far >= near else (1, near)


def mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0
