"""One grading, followed to its end: its records, its output, its deadlines, its memory."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import time
from collections.abc import Callable

import msgspec

from ptquiz.bank import Exercise
from ptquiz.verdict import Evidence
from ptquiz.worker import processes
from ptquiz.worker.wire import KILL, TRACE, Ended, Reader, Request, Started
from ptquiz.workers import START_SECONDS, Worker

SHOWN_OUTPUT = 16_000
MOST_PROCESSES = 64
_TICK = 0.05


class Clock:
    """Seconds that the learner's code had. Time in which this process itself did not run does not count."""

    MOST = 1.0

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.now = 0.0

    def tick(self) -> float:
        current = time.monotonic()
        self.now += min(current - self._last, self.MOST)
        self._last = current
        return self.now


class Output:
    """The beginning and the end of what was printed, without control characters."""

    def __init__(self, limit: int = SHOWN_OUTPUT) -> None:
        self._head, self._tail, self._limit, self._total = bytearray(), bytearray(), limit, 0

    def add(self, data: bytes) -> None:
        self._total += len(data)
        room = self._limit * 3 // 4 - len(self._head)
        self._head += data[: max(room, 0)]
        self._tail += data[max(room, 0) :]
        del self._tail[: -self._limit // 4]

    def text(self) -> str:
        cut = self._total - len(self._head) - len(self._tail)
        middle = f"\n… {cut} bytes …\n".encode() if cut > 0 else b""
        text = (bytes(self._head) + middle + bytes(self._tail)).decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]", "", text.replace("\r\n", "\n"))


class Grading:
    """One request: sent ahead, let go when it is wanted, watched to its end."""

    def __init__(self, worker: Worker, request: Request, exercise: Exercise) -> None:
        self._worker, self._request, self._limits = worker, request, exercise.limits
        self._evidence, self._reader = Evidence(), Reader(request.secret)
        self._output, self._trace = Output(), bytearray()
        self._clock = Clock()
        self._phase_began, self._first_began = 0.0, -1.0
        self._started: Started | None = None
        self._resident = 0  # what the process held before the submission ran
        self._over = False
        self._pipes: list[int] = []  # where results, output and trace are read
        self._gate = -1

    def send(self) -> None:
        """Have the worker make all ready for it; not a line of the submission is read before `watch`."""
        self._worker.ready()
        pipes = [os.pipe() for _ in range(3)]
        theirs, self._gate = os.pipe()
        try:
            self._worker.submit(self._request, [*(write for _, write in pipes), theirs])
        except OSError:
            self._evidence.lost = True
        os.close(theirs)
        for read, write in pipes:
            os.close(write)
            os.set_blocking(read, False)
        self._pipes = [read for read, _ in pipes]

    def watch(self, *, hurried: bool = False) -> Evidence:
        """Let it go, follow it, stop what goes over its limits; the evidence.

        `hurried`: the last word is enough. That its processes have ended is then waited for before the next
        grading is sent: taking down a process of half a gigabyte is a tenth of the time to a verdict.
        """
        began = time.monotonic()
        try:
            with contextlib.suppress(OSError):  # it has died: the evidence will show it
                os.write(self._gate, b"g")
            with selectors.DefaultSelector() as selector:
                self._follow(selector, hurried)
        finally:
            self.close()
        self._evidence.seconds = time.monotonic() - began
        self._evidence.output = self._output.text()
        self._evidence.trace = self._trace.decode(errors="replace")
        self._evidence.forged = self._reader.forged
        return self._evidence

    def drop(self) -> None:
        """It is not wanted any more: its process ends, and the worker is free for another."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._worker.control, selectors.EVENT_READ, None)
            self._stop(selector, "dropped")
        self.close()

    def close(self) -> None:
        """Close what is open here; a process that still waits at its gate ends."""
        for fd in (*self._pipes, *([self._gate] if self._gate >= 0 else [])):
            os.close(fd)
        self._pipes, self._gate = [], -1

    def _follow(self, selector: selectors.BaseSelector, hurried: bool) -> None:
        takers = [self._take_results, self._output.add, self._trace.extend]
        for fd, taker in zip(self._pipes, takers, strict=True):
            selector.register(fd, selectors.EVENT_READ, taker)
        selector.register(self._worker.control, selectors.EVENT_READ, None)
        self._clock = Clock()
        checked = 0.0
        while not self._over and not self._evidence.lost:
            if hurried and self._evidence.final:
                self._worker.owes_end = True
                break
            self._read(selector, _TICK)
            now = self._clock.tick()
            if reason := self._late(now):
                self._stop(selector, reason)
            elif now - checked >= _TICK:
                checked = now
                if reason := self._too_large():
                    self._stop(selector, reason)
        for _ in range(64):  # what was written before the end and not yet read
            if not self._read(selector, 0):
                break

    def _read(self, selector: selectors.BaseSelector, timeout: float) -> bool:
        """Take what there is on every descriptor, at most 1 MiB of each; whether there was any."""
        some = False
        for key, _ in selector.select(timeout):
            if key.data is None:
                self._take_control(selector)
                continue
            data = b""
            with contextlib.suppress(BlockingIOError):
                data = os.read(key.fd, 1 << 20)
                if not data:
                    selector.unregister(key.fd)
            if data:
                key.data(data)
                some = True
        return some

    def _take_control(self, selector: selectors.BaseSelector) -> None:
        try:
            lines = self._worker.messages()
        except EOFError:
            self._evidence.lost = True
            selector.unregister(self._worker.control)
            self._worker.kill()
            return
        for line in lines:
            if self._started is None:
                self._started = msgspec.json.decode(line, type=Started)
            else:
                self._evidence.status = msgspec.json.decode(line, type=Ended).status
                self._over = True
                selector.unregister(self._worker.control)

    def _take_results(self, data: bytes) -> None:
        for record in self._reader.feed(data):
            self._evidence.records.append(record)
            self._phase_began = self._clock.now
            if record.event == "begin" and self._first_began < 0:
                self._first_began = self._clock.now
                self._resident = max(map(processes.resident, self._worker.family))

    def _late(self, now: float) -> str:
        if self._first_began < 0:
            return "start" if now > START_SECONDS else ""
        if self._evidence.final:
            return "slow end" if now - self._phase_began > 5 else ""
        if now - self._phase_began > self._limits.check_seconds:
            return "timeout"
        return "total" if now - self._first_began > self._limits.total_seconds else ""

    def _too_large(self) -> str:
        """Whether the process and its descendants hold too much beyond what each held at its start."""
        if self._first_began < 0:
            return ""
        family = self._worker.family
        if len(family) > MOST_PROCESSES:
            return "processes"
        held = sum(max(processes.resident(pid) - self._resident, 0) for pid in family)
        return "memory" if held > self._limits.memory_mib << 20 else ""

    def _stop(self, selector: selectors.BaseSelector, reason: str) -> None:
        """Ask where it is, end it, and wait until the worker says that nothing is left."""
        if not self._evidence.final:
            self._evidence.stopped = reason
        if reason in ("timeout", "total"):
            self._worker.order(TRACE)
            self._read_for(selector, 1.5, lambda: bool(self._trace))
            self._read_for(selector, 0.05, lambda: False)  # it comes line by line
        self._worker.order(KILL)
        self._read_for(selector, 20.0, lambda: self._over or self._evidence.lost)
        if not self._over:
            self._worker.kill()
            self._over = True

    def _read_for(self, selector: selectors.BaseSelector, seconds: float, enough: Callable[[], bool]) -> None:
        clock = Clock()
        while clock.tick() < seconds and not enough():
            self._read(selector, 0.02)
