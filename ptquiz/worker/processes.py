"""Processes and their descendants: who they are, what memory they hold, and how they end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LINUX = sys.platform.startswith("linux")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def _prctl(option: int, value: int) -> None:
    if LINUX:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process instead of init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def parents() -> dict[int, int]:
    """The parent of every process that can be seen: pid -> parent's pid."""
    return _parents_of_proc() if LINUX else _parents_of_ps()


def _parents_of_proc() -> dict[int, int]:
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208  (Path.iterdir takes three times as long)
        if entry.isdigit():
            with (
                contextlib.suppress(OSError, ValueError, IndexError),
                open(f"/proc/{entry}/stat", "rb") as file,  # noqa: PTH123,
            ):
                found[int(entry)] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def _parents_of_ps() -> dict[int, int]:
    with contextlib.suppress(OSError, ValueError):
        listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False)
        return {int(pid): int(parent) for pid, parent in map(str.split, listing.stdout.splitlines())}
    return {}


def descendants(pid: int) -> list[int]:
    """All live descendants of `pid`, parents before children, without `pid` itself."""
    children: dict[int, list[int]] = {}
    for child, parent in parents().items():
        children.setdefault(parent, []).append(child)
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(0), ()):
            found.append(child)
            queue.append(child)
    return found


def resident(pid: int) -> int:
    """Resident bytes of one process; 0 when it is gone or cannot be seen."""
    if LINUX:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
        return 0
    with contextlib.suppress(OSError, ValueError):
        listing = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return int(listing.stdout or 0) * 1024
    return 0


def kill(pid: int, *, group: bool = False) -> None:
    """SIGKILL to a process, or to its group; nothing happens when it is gone."""
    with contextlib.suppress(OSError):
        if group:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def kill_marked(mark: bytes, spare: frozenset[int] = frozenset()) -> int:
    """Kill every process that was started with `mark` in its environment; how many there were."""
    if not LINUX:
        return 0
    count = 0
    for entry in os.listdir("/proc"):  # noqa: PTH208  (as above)
        if entry.isdigit() and int(entry) not in spare | {os.getpid()}:
            with contextlib.suppress(OSError):
                if mark in Path(f"/proc/{entry}/environ").read_bytes():
                    kill(int(entry))
                    count += 1
    return count


def kill_children(patience: float = 5.0) -> int:
    """Kill and reap all descendants of this process, as often as new ones appear; how many were found."""
    count, end = 0, time.monotonic() + patience
    while time.monotonic() < end:
        found = descendants(os.getpid())
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGSTOP)  # what is stopped cannot fork on while the others are killed
        for pid in found:
            kill(pid)
        count += len(found)
        if not _reap() and not found:
            break
        time.sleep(0.002)
    return count


def _reap() -> bool:
    """Collect ended children; whether any child is left or was collected."""
    seen = False
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            seen = True
            if pid == 0:
                break
    return seen
