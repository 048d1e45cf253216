"""Processes that grade: one for a single grading, or a warm one that forks a child for each."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import msgspec

from ptquiz.errors import Internal, PtquizError, UsageError
from ptquiz.worker import processes
from ptquiz.worker.wire import KILL, Hello, Request, encode_line

END_SECONDS, KILL_SECONDS = 5.0, 20.0  # for a process that has said its last word; for one that was killed
START_SECONDS = 180.0  # importing torch from a cold disk on a busy machine


class Worker:
    """A process `python -m ptquiz.worker`; it imports torch and then forks a child for each grading."""

    def __init__(self, needs: Iterable[str] = (), *, once: bool = False, wrapper: Iterable[str] = ()) -> None:
        if not hasattr(os, "fork"):
            raise UsageError(
                ("Grading needs Linux or macOS.", "评分需要 Linux 或 macOS。"),
                ("On Windows, use WSL.", "在 Windows 上请使用 WSL。"),
            )
        self.needs = frozenset(needs)
        self.mark = f"PTQUIZ_WORKER={secrets.token_hex(16)}"
        self.control, theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), "once" if once else "warm", ",".join(sorted(self.needs))]
        with theirs:
            self.process = subprocess.Popen(
                [*wrapper, sys.executable, "-P", "-m", "ptquiz.worker", *arguments],
                env=_environment(self.mark),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        self._rest = b""
        self._ready = False
        self.owes_end = False  # a verdict is there; that its process has ended is still to come

    def messages(self) -> list[bytes]:
        """The lines that have come on the control socket; raises EOFError when the worker has gone."""
        with contextlib.suppress(ConnectionError):
            data = self.control.recv(65536)
            if data:
                *lines, self._rest = (self._rest + data).split(b"\n")
                return lines
        raise EOFError

    def ready(self) -> None:
        """Wait until it has imported everything; raises PtquizError with what is missing and the remedy."""
        if self._ready:
            return
        self.control.settimeout(START_SECONDS)
        try:
            lines: list[bytes] = []
            while not lines:
                lines = self.messages()
        except (EOFError, TimeoutError):
            raise self._no_start() from None
        finally:
            self.control.settimeout(None)
        hello = msgspec.json.decode(lines[0], type=Hello)
        if not hello.ready:
            raise _missing(hello)
        self._ready = True

    def _no_start(self) -> Internal:
        self.kill()
        told = self.process.stderr.read().decode(errors="replace") if self.process.stderr else ""
        return Internal(
            (f"The grading process did not start.\n{told[-2000:]}", f"评分进程没有启动。\n{told[-2000:]}"),
            ("Run `ptquiz doctor`.", "请运行 `ptquiz doctor`。"),
        )

    def submit(self, request: Request, fds: list[int]) -> None:
        """Send one request with the descriptors for results, output, trace and gate."""
        self._settle()
        socket.send_fds(self.control, [b"R"], fds)
        self.control.sendall(encode_line(request))

    def _settle(self) -> None:
        """Wait until the last grading's process has ended; raises OSError when the worker has gone."""
        if not self.owes_end:
            return
        self.owes_end = False
        for patience in (END_SECONDS, KILL_SECONDS):
            self.control.settimeout(patience)
            try:
                while not self.messages():
                    pass
                return
            except TimeoutError:
                self.order(KILL)
            except EOFError:
                break
            finally:
                self.control.settimeout(None)
        self.kill()
        raise OSError("the worker does not end its grading")

    def order(self, what: bytes) -> None:
        """Have the worker trace or kill the grading that it runs."""
        with contextlib.suppress(OSError):
            self.control.send(what)

    @property
    def family(self) -> list[int]:
        """The worker's process and all that it has started."""
        return [self.process.pid, *processes.descendants(self.process.pid)]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End the worker and everything that was started by it."""
        for pid in [self.process.pid, *processes.descendants(self.process.pid)]:
            processes.kill(pid)
        self.process.wait()
        while processes.kill_marked(self.mark.encode()):
            time.sleep(0.01)

    def close(self) -> None:
        """Let it end by itself, and make sure that it does."""
        self.control.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
        if self.process.stderr:
            self.process.stderr.close()


_DROPPED = re.compile(r"PYTEST|PYTHON|TORCH_LOGS|TORCH_TRACE|TORCHDYNAMO|TORCH_COMPILE|COVERAGE|COV_")


def _environment(mark: str) -> dict[str, str]:
    """The surroundings' environment without what would change Python, pytest or torch."""
    environment = {k: v for k, v in os.environ.items() if not _DROPPED.match(k)}
    package = Path(__file__).resolve().parent.parent
    if package.name not in ("site-packages", "dist-packages"):
        environment["PYTHONPATH"] = str(package)
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUTF8": "1", "PYTHONHASHSEED": "0"}
    # One thread: checks are small, results then do not depend on the machine, and no thread pool is forked.
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    name, value = mark.split("=")
    return environment | {name: value}


def _missing(hello: Hello) -> PtquizError:
    """A bad installation, or a device that is not there, in words: no failure of the learner."""
    if hello.missing == "cuda":
        return UsageError(
            ("--device cuda: this machine has no CUDA device.", "--device cuda：本机没有 CUDA 设备。"),
            (
                "Leave the option out: the simulated device needs no GPU. See also `ptquiz doctor`.",
                "去掉该选项即可：模拟设备不需要 GPU。`ptquiz doctor` 会列出本机的设备。",
            ),
        )
    if hello.missing == "torchvision" and (
        "nms does not exist" in hello.error or "torchvision" in hello.error
    ):
        mismatch = "No module named 'torchvision'" not in hello.error
        what = (
            ("torchvision does not match the installed torch", "torchvision 与已安装的 torch 不匹配")
            if mismatch
            else ("torchvision is not installed; this exercise needs it", "没有安装本题需要的 torchvision")
        )
        command = f"{sys.executable} -m pip install --upgrade torch torchvision"
        return PtquizError(
            (f"{what[0]} ({hello.error})", f"{what[1]}（{hello.error}）"),
            (f"Run: {command}", f"请运行：{command}"),
        )
    if hello.missing in ("torch", "pytest", "torchvision"):
        command = f"{sys.executable} -m pip install --upgrade {hello.missing}"
        return PtquizError(
            (
                f"{hello.missing} cannot be imported ({hello.error})",
                f"无法导入 {hello.missing}（{hello.error}）",
            ),
            (f"Run: {command}", f"请运行：{command}"),
        )
    return Internal(
        (f"The grading process did not start: {hello.error}", f"评分进程没有启动：{hello.error}"),
        ("Run `ptquiz doctor`.", "请运行 `ptquiz doctor`。"),
    )


class Ahead(Protocol):
    """A grading that a warm worker has made ready; it is dropped when another one is wanted."""

    @property
    def asked(self) -> object: ...

    def drop(self) -> None: ...

    def close(self) -> None: ...


class WarmWorker:
    """A worker that stays: each grading is a fork of it. When its process has died, it starts another."""

    def __init__(self, *, once: bool = False) -> None:
        """With `once`, for a single grading that is known before everything else: started ahead, not warm."""
        self._once = once
        self._worker: Worker | None = None
        self._needs: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._ahead: Ahead | None = None

    def start(self, needs: Iterable[str] = ()) -> None:
        """Begin importing now, with what these gradings will need; does not wait for it."""
        wanted = self._needs | frozenset(needs)
        if self._worker is not None and self._worker.alive and wanted <= self._worker.needs:
            return
        self.close()
        self._needs = wanted
        self._worker = Worker(wanted, once=self._once)

    def hold(self, ahead: Ahead) -> None:
        """Keep for later what the lent worker has been sent."""
        self._ahead = ahead

    def taken(self) -> Any:
        """What was held for the grading that the worker is lent for; None when nothing was."""
        ahead, self._ahead = self._ahead, None
        return ahead

    def cancel(self) -> None:
        """End the grading that is running, from any thread; its report then means nothing."""
        worker = self._worker
        if worker is not None:
            worker.order(KILL)

    def kill(self) -> None:
        """End the worker at once, from any thread; what is open stays open until `close`."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    @contextlib.contextmanager
    def lent(self, needs: Iterable[str] = (), asked: object = None) -> Any:
        """The worker, for one grading at a time. What is held for another than `asked` is dropped."""
        with self._lock:
            self.start(needs)
            assert self._worker is not None
            try:
                if self._ahead is not None and (asked is None or self._ahead.asked != asked):
                    self._ahead.drop()
                    self._ahead = None
                yield self._worker
            except BaseException:
                self._worker.kill()  # in the middle of a grading: nothing of it may stay
                self.close()
                self._needs = frozenset()  # one of them may be what is missing
                raise

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.close()

    def __enter__(self) -> WarmWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
