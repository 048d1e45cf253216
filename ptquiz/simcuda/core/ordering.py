"""Happens-before, in integers: one clock for each stream, one for the host.

A component is a stream or the host; component 0 is the host, and all host threads share it, in the order in
which they really ran. A clock is its own tick and what it knows of the others: `known[c] >= t` says that
everything that component c did up to its tick t happened before. `known` is never changed in place: points
and shadow memory share it freely.

An invariant carries the whole: whoever knows tick t of a component knows all that the component knew at t. A
clock therefore ticks whenever it learns something.
"""

from __future__ import annotations

from typing import Any

__all__ = ["HOST", "Clock", "Known", "Point", "Stamp", "merged"]

HOST = 0

Known = dict[int, int]


class Clock:
    """The logical clock of one component."""

    __slots__ = ("component", "known", "tick", "version")

    def __init__(self, component: int) -> None:
        self.component = component
        self.tick = 0
        self.known: Known = {}
        self.version = -1  # of the host's knowledge, when it was last taken over

    def learn(self, component: int, tick: int, known: Known) -> bool:
        """Take over what `component` knew at `tick`. Returns whether that was news."""
        if component == self.component or self.known.get(component, 0) >= tick:
            return False
        self.known = merged(self.known, known, self.component)
        self.known[component] = tick
        self.tick += 1
        return True

    def knows(self, component: int, tick: int) -> bool:
        """Did everything that `component` did up to `tick` happen before what this clock does next?"""
        return component == self.component or self.known.get(component, 0) >= tick


def merged(a: Known, b: Known, without: int) -> Known:
    """A new dictionary: the later of both for every component but `without`."""
    result = dict(a)
    for component, tick in b.items():
        if component != without and result.get(component, 0) < tick:
            result[component] = tick
    return result


class Stamp:
    """When an operation ran in logical time, for shadow memory. `op` is what a report shows of it."""

    __slots__ = ("component", "known", "op", "order", "tick")

    def __init__(self, component: int, tick: int, known: Known, order: int, op: Any) -> None:
        self.order = order  # over all components, as issued
        self.component = component
        self.tick = tick
        self.known = known
        self.op = op

    def before(self, later: Stamp) -> bool:
        """Did this happen before `later`?"""
        if self.component == later.component:
            return self.tick <= later.tick
        return later.known.get(self.component, 0) >= self.tick


class Point:
    """A place in a stream's work: what an event records, what one can wait for. `time`: virtual ns of its
    completion.
    """

    __slots__ = ("component", "known", "stream", "tick", "time")

    def __init__(self, stream: tuple[int, int], component: int, tick: int, known: Known, time: int) -> None:
        self.stream = stream
        self.component = component
        self.tick = tick
        self.known = known
        self.time = time

    def covers(self, stamp: Stamp) -> bool:
        """Did the stamped operation happen before this point?"""
        if stamp.component == self.component:
            return stamp.tick <= self.tick
        return self.known.get(stamp.component, 0) >= stamp.tick
