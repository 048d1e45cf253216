"""The trace in Chrome's format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

A device is a process and a stream is a thread of it; the host's waits and the races have a process of their
own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ptquiz.simcuda.core.engine import HostWait, Op
from ptquiz.simcuda.core.races import Race

__all__ = ["events", "write"]

_HOST = 1_000  # the process id of the host: no machine has so many devices


def write(path: Path, ops: Sequence[Op], waits: Sequence[HostWait] = (), races: Sequence[Race] = ()) -> None:
    """Writes the trace as JSON. Raises OSError where the file cannot be written."""
    document = {"traceEvents": list(events(ops, waits, races)), "displayTimeUnit": "ms"}
    Path(path).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def events(
    ops: Sequence[Op], waits: Sequence[HostWait] = (), races: Sequence[Race] = ()
) -> Iterator[dict[str, Any]]:
    """The trace's events; times are in microseconds, as the format wants them."""
    yield from _names(ops, waits)
    for op in ops:
        yield _event(op)
    for wait in waits:
        yield _complete(
            wait.reason,
            "wait",
            _HOST,
            wait.thread,
            wait.begin_ns,
            wait.end_ns,
            line=wait.line,
            needless=wait.needless,
        )
    for race in races:
        yield from _race(race, ops)


def _names(ops: Iterable[Op], waits: Iterable[HostWait]) -> Iterator[dict[str, Any]]:
    """What processes and threads are called."""
    streams = sorted({(op.device, op.stream) for op in ops})
    for device in sorted({device for device, _ in streams}):
        yield _meta("process_name", device, 0, f"cuda:{device}")
    for device, stream in streams:
        yield _meta("thread_name", device, stream, f"stream {stream:#x}" if stream else "default stream")
    threads = sorted({wait.thread for wait in waits})
    if threads:
        yield _meta("process_name", _HOST, 0, "host")
    for thread in threads:
        yield _meta("thread_name", _HOST, thread, f"thread {thread}")


def _meta(kind: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": {"name": name}}


def _event(op: Op) -> dict[str, Any]:
    if op.kind in ("alloc", "free", "record"):
        return _instant(op.name, op.kind, op, line=op.line)
    args = {"line": op.line, "bytes": op.nbytes, "thread": op.thread, "phase": op.phase}
    if op.kind == "copy":
        args["pinned"] = op.pinned
    return _complete(op.name, op.kind, op.device, op.stream, op.begin_ns, op.end_ns, **args)


def _instant(name: str, category: str, op: Op, **args: Any) -> dict[str, Any]:
    return {
        "ph": "i", "s": "t", "name": name, "cat": category, "pid": op.device, "tid": op.stream,
        "ts": op.begin_ns / 1e3, "args": args,
    }  # fmt: skip


def _complete(
    name: str, category: str, pid: int, tid: int, begin_ns: int, end_ns: int, **args: Any
) -> dict[str, Any]:
    return {
        "ph": "X", "name": name, "cat": category, "pid": pid, "tid": tid,
        "ts": begin_ns / 1e3, "dur": (end_ns - begin_ns) / 1e3, "args": args,
    }  # fmt: skip


def _race(race: Race, ops: Sequence[Op]) -> Iterator[dict[str, Any]]:
    """An instant on both sides of a race, where the trace still has them."""
    for actor in (race.first, race.second):
        side = (actor.line, actor.name, actor.device, actor.stream)
        op = next((op for op in ops if (op.line, op.name, op.device, op.stream) == side), None)
        if op is not None:
            yield _instant("data race", "race", op, report=race.brief())
