"""The simulated device on integers: virtual time, ordering and races, without torch.

A stream is the pair (device, stream handle); handle 0 is the default stream. Kernels on different streams run
side by side without slowing one another down; each device has one copy engine in each direction.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from ptquiz.simcuda.core.costs import NS_PER_MS, Costs
from ptquiz.simcuda.core.ordering import HOST, Clock, Point, Stamp
from ptquiz.simcuda.core.races import Access, Actor, Conflict, Race, Shadow

__all__ = ["Access", "Engine", "Host", "HostWait", "Mark", "Op", "StreamKey"]

StreamKey = tuple[int, int]

_TRACE = 200_000  # operations that the trace keeps; older ones go
_PAIRS = 1_000  # pairs of lines that are reported
_BIRTHS = 50_000


class Op(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened on a stream. `line`: "file:line" of the user's code, or ""."""

    kind: str  # kernel, copy, sleep, record, wait, alloc, free
    name: str  # copies: h2d, d2h, d2d, p2p
    device: int
    stream: int
    begin_ns: int
    end_ns: int
    line: str = ""
    nbytes: int = 0
    thread: int = 0
    phase: str = ""
    pinned: bool = False

    @property
    def begin_ms(self) -> float:
        """Virtual milliseconds at which it began."""
        return self.begin_ns / NS_PER_MS

    @property
    def end_ms(self) -> float:
        """Virtual milliseconds at which it ended."""
        return self.end_ns / NS_PER_MS

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.end_ns - self.begin_ns) / NS_PER_MS


class HostWait(msgspec.Struct, frozen=True):
    """The host stood still until the device had come so far. `needless`: it learned nothing that it did not
    know.
    """

    reason: str
    begin_ns: int
    end_ns: int
    line: str = ""
    device: int = -1
    stream: int | None = None
    thread: int = 0
    needless: bool = False

    @property
    def milliseconds(self) -> float:
        """How long it waited; 0 when all was done already."""
        return (self.end_ns - self.begin_ns) / NS_PER_MS

    @property
    def begin_ms(self) -> float:
        """Virtual milliseconds at which it began to wait."""
        return self.begin_ns / NS_PER_MS


class Mark(msgspec.Struct, frozen=True):
    """A place in the trace, the waits and the races; see `Engine.since_*`."""

    ops: int
    waits: int
    races: int


class Host:
    """The virtual time of one host thread. `phase` is copied into what it launches ("backward", or "")."""

    __slots__ = ("name", "now", "phase", "thread")

    def __init__(self, thread: int, now: int, name: str = "") -> None:
        self.thread = thread
        self.now = now
        self.phase = ""
        self.name = name


class _Stream(Clock):
    __slots__ = ("key", "ready")

    def __init__(self, component: int, key: StreamKey) -> None:
        super().__init__(component)
        self.key = key
        self.ready = 0  # virtual ns at which all its work so far has ended


class _Log:
    """A list that forgets its oldest entries: positions go on counting."""

    def __init__(self, limit: int) -> None:
        self.items: list[Op] = []
        self.dropped = 0
        self.limit = limit

    def append(self, op: Op) -> None:
        self.items.append(op)
        if len(self.items) > self.limit:
            cut = len(self.items) // 2
            del self.items[:cut]
            self.dropped += cut

    def since(self, position: int) -> list[Op]:
        return self.items[max(0, position - self.dropped) :]


class _CopyEngine:
    """Busy intervals of one copy engine: a copy takes the first gap that it fits into."""

    _KEPT = 64

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []

    def reserve(self, earliest: int, duration: int) -> int:
        """Where a copy begins that cannot begin before `earliest`."""
        begins, ends = self._begins, self._ends
        begin, i = earliest, bisect_right(ends, earliest)
        while i < len(begins) and begins[i] < begin + duration:
            begin = ends[i]
            i += 1
        begins.insert(i, begin)
        ends.insert(i, begin + duration)
        if len(begins) > self._KEPT:
            del begins[0], ends[0]
        return begin


class Engine:
    """Streams, host threads and memory of all devices. Every method may be called from any thread."""

    def __init__(self, devices: int = 1, costs: Costs | None = None) -> None:
        self.devices = devices
        self.costs = costs or Costs()
        self.lock = threading.RLock()
        self.races: list[Race] = []
        self.waits: list[HostWait] = []
        self._log = _Log(_TRACE)
        self._shadow = Shadow()
        self._streams: dict[StreamKey, _Stream] = {}
        self._host = Clock(HOST)
        self._engines: dict[tuple[int, str], _CopyEngine] = {}
        self._order = 0
        self._forgiven = 0  # races dropped so far: marks count them
        self._pairs: set[tuple[str, ...]] = set()
        self._births: dict[int, dict[int, tuple[int, int, str, int | None]]] = {}
        self._threads = 0
        self._local = threading.local()
        self.register_thread(0)

    # ---- host threads

    def host(self) -> Host:
        """The calling thread's."""
        try:
            host: Host = self._local.host
        except AttributeError:
            return self.register_thread(0)
        return host

    def register_thread(self, parent: Host | int) -> Host:
        """The calling thread begins at its starter's time (a Host, or virtual ns)."""
        with self.lock:
            host = Host(self._threads, parent if isinstance(parent, int) else parent.now)
            self._threads += 1
        self._local.host = host
        return host

    def join(self, other: Host | int) -> None:
        """The calling thread has waited for another one or got something from it: the later time holds."""
        host = self.host()
        host.now = max(host.now, other if isinstance(other, int) else other.now)

    def host_spend(self, ns: int) -> None:
        """The calling thread computes or sleeps for `ns`."""
        self.host().now += max(0, ns)

    # ---- work on streams

    def launch(
        self,
        stream: StreamKey,
        kind: str,
        name: str,
        duration_ns: int,
        accesses: Iterable[Access] = (),
        line: str = "",
        *,
        nbytes: int = 0,
        engine_queue: str | None = None,
        pinned: bool = False,
    ) -> Op:
        """Enqueue work: a kernel, a copy (`engine_queue`: "h2d" or "d2h" for one over the bus) or a sleep."""
        with self.lock:
            host = self.host()
            s = self._streams.get(stream) or self._open(stream)
            if s.version != self._host.tick:
                self._tell(s)
            host.now = now = host.now + self.costs.launch_ns
            begin = s.ready if s.ready > now else now
            if engine_queue is not None:
                begin = self._engines.setdefault((stream[0], engine_queue), _CopyEngine()).reserve(
                    begin, duration_ns
                )
            s.ready = end = begin + duration_ns
            s.tick += 1
            device, handle = stream
            op = Op(kind, name, device, handle, begin, end, line, nbytes, host.thread, host.phase, pinned)
            self._log.append(op)
            if accesses:
                self._order += 1
                stamp = Stamp(s.component, s.tick, s.known, self._order, op)
                conflicts = self._shadow.touch(stamp, accesses, self._host.known)
                if conflicts:
                    self._report(conflicts, op)
            return op

    def note(self, kind: str, name: str, stream: StreamKey, line: str = "", *, nbytes: int = 0) -> Op:
        """Put something into the trace that is no work (an allocation, a free), at the host's present."""
        with self.lock:
            host = self.host()
            op = Op(kind, name, *stream, host.now, host.now, line, nbytes, host.thread, host.phase)
            self._log.append(op)
            return op

    def record(self, stream: StreamKey, line: str = "", name: str = "event") -> Point:
        """The stream's work so far, as a point to wait for."""
        with self.lock:
            host = self.host()
            host.now += self.costs.event_ns
            point = self._point(self._told(stream), host.now)
            op = Op("record", name, *stream, point.time, point.time, line, 0, host.thread, host.phase)
            self._log.append(op)
            return point

    def stream_wait(self, stream: StreamKey, point: Point, line: str = "", name: str = "event") -> None:
        """What is enqueued on `stream` from now on comes after `point`. The host does not wait."""
        with self.lock:
            host = self.host()
            host.now += self.costs.event_ns
            s = self._told(stream)
            s.learn(point.component, point.tick, point.known)
            begin = max(s.ready, host.now)
            s.ready = max(s.ready, point.time)
            op = Op("wait", name, *stream, begin, max(begin, s.ready), line, 0, host.thread, host.phase)
            self._log.append(op)

    def wait_stream(self, stream: StreamKey, other: StreamKey, line: str = "") -> None:
        """What is enqueued on `stream` from now on comes after all that `other` has been given so far."""
        with self.lock:
            self.stream_wait(stream, self.record(other, line, "wait_stream"), line, "wait_stream")

    def point(self, stream: StreamKey) -> Point:
        """As `record`, but at no cost and without a trace: for our own bookkeeping."""
        with self.lock:
            return self._point(self._told(stream), 0)

    # ---- the host looks, and waits

    def done(self, point: Point) -> bool:
        """Has the device come so far? A yes orders the host after it. Asking takes the host a moment."""
        with self.lock:
            host = self.host()
            host.now += self.costs.query_ns
            if point.time > host.now:
                return False
            self._host.learn(point.component, point.tick, point.known)
            return True

    def settled(self, point: Point) -> bool:
        """As `done`, at no cost and without ordering the host: what allocators ask must hide no race."""
        return point.time <= self.host().now

    def retire(self, space: int, low: int, high: int, point: Point) -> None:
        """`[low, high)` may be handed out again: what it saw before `point` races with nothing any more."""
        with self.lock:
            self._shadow.retire(space, low, high, point)

    def idle(self, stream: StreamKey) -> bool:
        """Has the stream done all its work? As `done` for a point that is recorded now."""
        return self.done(self.point(stream))

    def elapsed_ns(self, begin: Point, end: Point) -> int:
        """Virtual nanoseconds between two points."""
        return end.time - begin.time

    def host_wait(self, target: Point | StreamKey | int, reason: str, line: str = "") -> HostWait:
        """The host waits for a point, a stream, or a whole device (an int), and is ordered after it."""
        with self.lock:
            host = self.host()
            points = self._targets(target)
            begin = host.now
            news = [self._host.learn(p.component, p.tick, p.known) for p in points]
            end = max([begin, *(p.time for p in points)])
            host.now = end + self.costs.wait_ns
            if isinstance(target, int):
                device, stream = target, None
            else:
                device, stream = target.stream if isinstance(target, Point) else target
            wait = HostWait(
                reason, begin, end, line, device, stream, host.thread, end == begin and not any(news)
            )
            if reason:
                self.waits.append(wait)
                del self.waits[:-_TRACE]
            return wait

    def barrier(self, device: int) -> None:
        """The whole device comes to rest, without a wait that anybody would be told of (freeing memory does
        it).
        """
        self.host_wait(device, "")

    def host_access(self, accesses: Sequence[Access], line: str = "", name: str = "host code") -> None:
        """The host reads or writes memory that copies use: pinned memory, mostly."""
        with self.lock:
            conflicts = self._shadow.peek(self._host.known, accesses)
            if conflicts:
                self._report(conflicts, Op("host", name, -1, 0, 0, 0, line))

    # ---- memory

    def born(self, space: int, low: int, high: int, line: str = "", stream: int | None = None) -> None:
        """`[low, high)` has just been handed out: later races with older accesses are for want of a
        record_stream.
        """
        with self.lock:
            births = self._births.setdefault(space, {})
            births[low] = (high, self._order, line, stream)
            if len(births) > _BIRTHS:
                for old in sorted(births, key=lambda at: births[at][1])[: _BIRTHS // 2]:
                    del births[old]

    def forget(self, space: int, low: int, high: int) -> None:
        """`[low, high)` goes back to the driver. On a device this waits for all of its work."""
        with self.lock:
            if space >= 0:
                self.barrier(space)
            self._shadow.forget(space, low, high)

    # ---- what has happened

    @property
    def trace(self) -> list[Op]:
        """All operations in the order in which they were issued (the last 200,000 at most)."""
        return self._log.items

    def mark(self) -> Mark:
        """A place to look back to. Pairs of lines reported before it are reported anew after it."""
        with self.lock:
            self._pairs.clear()
            races = self._forgiven + len(self.races)
            return Mark(self._log.dropped + len(self._log.items), len(self.waits), races)

    def since(self, mark: Mark) -> tuple[list[Op], list[HostWait], list[Race]]:
        """Operations, host waits and races after a mark."""
        with self.lock:
            races = self.races[max(0, mark.races - self._forgiven) :]
            return self._log.since(mark.ops), self.waits[mark.waits :], races

    def forgive(self) -> None:
        """Drop the races reported so far."""
        with self.lock:
            self._forgiven += len(self.races)
            self.races.clear()
            self._pairs.clear()

    def settle(self) -> None:
        """All devices come to rest, unseen."""
        for device in range(self.devices):
            self.barrier(device)

    @property
    def horizon_ns(self) -> int:
        """Virtual time at which all work given so far has ended."""
        with self.lock:
            return max([self.host().now, *(s.ready for s in self._streams.values())])

    # ---- inside

    def _open(self, stream: StreamKey) -> _Stream:
        s = self._streams[stream] = _Stream(len(self._streams) + 1, stream)
        return s

    def _tell(self, s: _Stream) -> None:
        """A stream knows what the host knew when it gave it work."""
        s.learn(HOST, self._host.tick, self._host.known)
        s.version = self._host.tick

    def _told(self, stream: StreamKey) -> _Stream:
        s = self._streams.get(stream) or self._open(stream)
        if s.version != self._host.tick:
            self._tell(s)
        return s

    def _point(self, s: _Stream, now: int) -> Point:
        return Point(s.key, s.component, s.tick, s.known, max(s.ready, now))

    def _targets(self, target: Point | StreamKey | int) -> list[Point]:
        if isinstance(target, Point):
            return [target]
        if isinstance(target, int):
            return [self._point(s, 0) for key, s in self._streams.items() if key[0] == target]
        return [self._point(self._streams.get(target) or self._open(target), 0)]

    def _report(self, conflicts: list[Conflict], op: Op) -> None:
        """Make races of conflicts, one for each pair of lines."""
        for conflict in conflicts:
            earlier: Op = conflict.earlier.op
            pair = (earlier.line or earlier.name, op.line or op.name)
            if pair in self._pairs or len(self._pairs) >= _PAIRS:
                continue
            self._pairs.add(pair)
            first = _actor(earlier, conflict.earlier_write)
            second = _actor(op, conflict.write)
            reused = self._reborn(conflict)
            what = conflict.label if reused is None else f"{conflict.earlier_label}, later {conflict.label}"
            self.races.append(Race(first, second, what, conflict.shared, reused))

    def _reborn(self, conflict: Conflict) -> str | None:
        """The line that got this memory anew after the earlier access, None if that is not what went wrong.

        If the earlier access was on the stream that the memory belongs to, the later one should have waited.
        """
        births = self._births.get(conflict.space, {})
        for low, (high, order, line, stream) in births.items():
            if order >= conflict.earlier.order and low < conflict.high and high > conflict.low:
                return line if stream is None or stream != conflict.earlier.op.stream else None
        return None


def _actor(op: Op, write: bool) -> Actor:
    """An operation as one side of a race."""
    stream = None if op.kind == "host" else op.stream
    return Actor(op.name, op.line, write, op.device, stream)
