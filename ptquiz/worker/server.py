"""The worker's outer half: it imports what gradings need, then forks a child for each and sees it off.

This process never runs a line of a submission. It holds no threads, has run no operation, and adopts orphans,
so that whatever a submission started is found and killed when its grading ends.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
from importlib import import_module
from typing import NoReturn

import msgspec

from ptquiz.worker import processes
from ptquiz.worker.wire import KILL, TRACE, Ended, Hello, Request, Started, encode_line

# What torch imports at the first use of something: for a warm worker cheaper before the fork than in every
# child. With sympy that is 35 MB or 70 MB, so only exercises get it that have a use for it.
LAZY = {"gradcheck": "torch.fx.experimental.symbolic_shapes", "optim": "torch._dynamo"}


def serve(control: socket.socket, needs: tuple[str, ...], warm: bool) -> None:
    """Answer requests on `control` until it is closed; without `warm`, one."""
    hello = prepare(needs, warm)
    control.sendall(encode_line(hello))
    if not hello.ready:
        return
    processes.adopt_orphans()
    while (received := receive(control)) is not None:
        request, fds = received
        _grade(control, request, fds)
        if not warm:
            return


def prepare(needs: tuple[str, ...], warm: bool) -> Hello:
    """Import what the children will need; say which import failed, if one did."""
    sys.dont_write_bytecode = True
    name = "torch"
    try:
        for name in ("torch", "pytest", *(n for n in needs if n not in ("gpu", "cuda", *LAZY))):
            import_module(name)
        import_module("ptquiz.worker.session").import_pytest()
        if "gpu" in needs:
            import_module("ptquiz.worker.gpu")
        if "cuda" in needs and not _has_gpu():
            return Hello(ready=False, missing="cuda")
        if warm:
            import_module("ptquiz.worker.guard").take_ahead()
        for name in [LAZY[need] for need in needs if need in LAZY and warm]:
            import_module(name)
    except Exception as error:
        return Hello(ready=False, missing=name, error=f"{type(error).__name__}: {error}")
    gc.collect()
    gc.freeze()
    return Hello(ready=True)


def _has_gpu() -> bool:
    """Asked of the driver's management library: CUDA itself, once begun, does not work after a fork."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    return bool(import_module("torch").cuda.is_available())


def receive(control: socket.socket) -> tuple[Request, list[int]] | None:
    """The next request and its four descriptors (results, output, trace, gate); None at the end."""
    first, fds = KILL, list[int]()
    while first in (KILL, TRACE):  # an order for a grading that had ended by itself
        first, fds, _, _ = socket.recv_fds(control, 1, 4)
    if not first:
        return None
    line = bytearray()
    while not line.endswith(b"\n"):
        ahead = control.recv(65536, socket.MSG_PEEK)
        if not ahead:
            return None
        line += control.recv(ahead.find(b"\n") + 1 or len(ahead))  # what follows is an order for the grading
    return msgspec.json.decode(bytes(line), type=Request), list(fds)


def _grade(control: socket.socket, request: Request, fds: list[int]) -> None:
    pid = os.fork()
    if pid == 0:
        _child(control, request, fds)
    for fd in fds:
        os.close(fd)
    control.sendall(encode_line(Started(pid, processes.resident(pid))))
    status = _wait(control, pid)
    processes.kill(pid, group=True)
    strays = processes.kill_children()
    control.sendall(encode_line(Ended(status, strays)))


def _child(control: socket.socket, request: Request, fds: list[int]) -> NoReturn:
    """In the fork: leave the server's session and resources, run the grading, never come back."""
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no gigabytes behind
        processes.die_with_parent()
        control.close()
        from ptquiz.worker import session

        session.run(request, *fds)
    except BaseException as error:  # its pipe is gone, or it could not begin: the trace is what is left
        import traceback

        os.write(fds[2], "".join(traceback.format_exception(error)).encode(errors="replace")[:4000])
    finally:
        os._exit(70)


def _wait(control: socket.socket, pid: int) -> int:
    """The child's wait status; killed at once when the grader asks for it or has gone away."""
    with contextlib.ExitStack() as stack:
        watched: list[int | socket.socket] = [control]
        pause = 0.01
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                pidfd = os.pidfd_open(pid)
                stack.callback(os.close, pidfd)
                watched.append(pidfd)
                pause = 5.0
        while True:
            ready, _, _ = select.select(watched, [], [], pause)
            if control in ready:
                _obey(control.recv(64), pid)
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return status


def _obey(orders: bytes, pid: int) -> None:
    """TRACE and KILL from the grader; nothing at all means that it is gone, and we go too."""
    if TRACE in orders:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGUSR2)  # faulthandler's, in the child
    if KILL in orders or not orders:
        _kill_tree(pid)
    if not orders:
        processes.kill_children()
        os._exit(0)


def _kill_tree(pid: int) -> None:
    for one in [pid, *processes.descendants(pid)]:
        with contextlib.suppress(OSError):
            os.kill(one, signal.SIGSTOP)
    processes.kill(pid, group=True)
    processes.kill(pid)
