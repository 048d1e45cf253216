"""What grader and worker say to each other: a request, and signed records on a pipe of their own."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

# The exit code of a grading whose results pipe was closed under it.
PIPE_CLOSED = 71

# Orders of the grader while a grading runs: say where the code is; end it.
TRACE, KILL = b"T", b"K"


class Check(msgspec.Struct, frozen=True):
    """A check as the worker needs it."""

    name: str
    title: str
    needs: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True):
    """One grading, as sent to the worker. Paths are absolute; `secret` signs the records (hex)."""

    submission: str
    checks_file: str
    checks: tuple[Check, ...]
    folder: str
    seed: int
    language: str
    secret: str
    device: str = "cpu"
    devices: int = 1
    memory: str = "16GiB"
    timeline: bool = False  # of every check
    streams: bool = False  # the question is about streams: a failed check always brings its timeline
    trace: str = ""
    needs: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line from the worker. `event`: begin, check, note, import_failed, broken or final.

    `begin` opens a phase (`name` is a check, or "" for the import); `check` closes it.
    """

    event: str
    name: str = ""
    outcome: str = ""
    cause: str = ""
    message: str = ""
    seconds: float = 0.0
    timeline: str = ""


class Hello(msgspec.Struct, omit_defaults=True):
    """The worker's first line: ready, or the import that failed."""

    ready: bool
    missing: str = ""
    error: str = ""


class Started(msgspec.Struct):
    """The process that grades, and its resident bytes at the start."""

    pid: int
    resident: int


class Ended(msgspec.Struct):
    """How a grading's process ended: the status of `os.waitpid`, and how many processes it left behind."""

    status: int
    strays: int


def signer(secret: str, fd: int) -> Callable[[Record], None]:
    """A function that writes records, signed and numbered, to `fd`; it never gives the key away again."""
    key = hashlib.blake2b(key=bytes.fromhex(secret), digest_size=16)
    encode, write, number, getpid, leave = msgspec.json.encode, os.write, [0], os.getpid, os._exit
    owner = getpid()

    def send(record: Record) -> None:
        if getpid() != owner:  # a forked child that ran on into our code must not speak for us
            leave(1)
        body = encode(record)
        mac = key.copy()
        mac.update(b"%d " % number[0] + body)
        number[0] += 1
        line = mac.hexdigest().encode() + b" " + body + b"\n"
        try:
            while line:
                line = line[write(fd, line) :]
        except OSError:  # the submission closed our pipe: nothing can be said any more but by the exit code
            leave(PIPE_CLOSED)

    return send


class Reader:
    """Takes bytes as they come and gives the records in them; a line not of our making counts as `forged`."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.blake2b(key=bytes.fromhex(secret), digest_size=16)
        self._rest = b""
        self._number = 0
        self.forged = 0

    def feed(self, data: bytes) -> Iterator[Record]:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-(1 << 20) :]
        for line in lines:
            record = self._decode(line)
            if record is not None:
                yield record

    def _decode(self, line: bytes) -> Record | None:
        mac = self._key.copy()
        given, _, body = line.partition(b" ")
        mac.update(b"%d " % self._number + body)
        if not hmac.compare_digest(mac.hexdigest().encode(), given):
            self.forged += 1
            return None
        self._number += 1
        return msgspec.json.decode(body, type=Record)


def encode_line(value: Any) -> bytes:
    """One JSON line."""
    return msgspec.json.encode(value) + b"\n"
