"""The parent side of a grading: starts workers, sends requests, owns deadlines, ends what will not end."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec

from ptquiz.bank import Exercise
from ptquiz.errors import Internal, PtquizError, UsageError
from ptquiz.report import Device, Report
from ptquiz.sandbox import command as sandboxed
from ptquiz.verdict import Evidence, judge
from ptquiz.worker import processes
from ptquiz.worker.wire import KILL, TRACE, Check, Ended, Hello, Reader, Request, Started, encode_line

START_SECONDS = 180.0  # importing torch from a cold disk on a busy machine
TRACE_FILE = "trace.json"
SHOWN_OUTPUT = 16_000
MOST_PROCESSES = 100
_TICK = 0.05


def grade(
    exercise: Exercise,
    submission: Path,
    *,
    seed: int | None = None,
    device: Literal["sim", "cuda"] = "sim",
    lang: Literal["en", "zh"] = "en",
    timeline: bool = False,
    trace: Path | None = None,
    warm: WarmWorker | None = None,
    sandbox: bool = False,
) -> Report:
    """Grade one file; raises UsageError for a file that is not there, PtquizError for a bad install."""
    path = _located(submission)
    needs = needed(exercise, device)
    seed = secrets.randbelow(2**31) if seed is None else seed
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="ptquiz-")).resolve()
        stack.callback(_remove, folder)
        if sandbox:
            wrapper = sandboxed(exercise, path, folder, real_device=device == "cuda")
            worker = stack.enter_context(contextlib.closing(Worker(needs, once=True, wrapper=wrapper)))
        elif warm is None:
            worker = stack.enter_context(contextlib.closing(Worker(needs, once=True)))
        else:
            worker = stack.enter_context(warm.lent(needs))
        request = _request(exercise, path, folder, seed, device, lang, timeline, trace)
        evidence = Grading(worker, request, exercise).watch()
        if trace is not None:
            _keep_trace(folder / TRACE_FILE, trace)
    return judge(exercise, evidence, path, _device(exercise, device), seed, lang)


def needed(exercise: Exercise, device: str = "sim") -> tuple[str, ...]:
    """What the worker imports ahead for this exercise, besides torch and pytest."""
    return (*exercise.needs, *(("gpu",) if exercise.device == "gpu" else ()), *_wanted(exercise))


def _wanted(exercise: Exercise) -> tuple[str, ...]:
    """An optimizer's first step imports torch._dynamo; a warm worker has it before the fork."""
    try:
        sources = exercise.checks_file.read_bytes() + exercise.stub.read_bytes()
    except OSError:
        return ()
    return ("optim",) if b"optim" in sources or b"SGD" in sources else ()


def _located(submission: Path) -> Path:
    if not submission.is_file():
        kind = "is not a file" if submission.exists() else "does not exist"
        raise UsageError(
            (f"{submission} {kind}", f"{submission} 不存在或不是文件"),
            ("Give the path of a Python file.", "请给出一个 Python 文件的路径。"),
        )
    return submission.resolve()


def _device(exercise: Exercise, device: str) -> Device:
    if exercise.device == "cpu":
        return "cpu"
    return "cuda" if device == "cuda" else "sim"


def _request(
    exercise: Exercise,
    path: Path,
    folder: Path,
    seed: int,
    device: str,
    lang: str,
    timeline: bool,
    trace: Path | None,
) -> Request:
    checks = tuple(Check(c.name, c.title.get(lang), c.needs) for c in exercise.checks)
    return Request(
        submission=str(path),
        checks_file=str(exercise.checks_file.resolve()),
        checks=checks,
        folder=str(folder),
        seed=seed,
        language=lang,
        secret=secrets.token_hex(32),
        device=_device(exercise, device),
        devices=exercise.sim.devices,
        memory=exercise.sim.memory,
        timeline=timeline,
        trace="" if trace is None else str(folder / TRACE_FILE),
        needs=exercise.needs,
    )


def _keep_trace(written: Path, wanted: Path) -> None:
    """Copy the trace that the worker wrote, if it came so far; raises UsageError where it cannot be put."""
    if written.is_symlink() or not written.is_file():
        return
    try:
        shutil.copyfile(written, wanted)
    except OSError as error:
        raise UsageError(
            (
                f"The trace cannot be written to {wanted}: {error.strerror}",
                f"无法写入 {wanted}：{error.strerror}",
            ),
            ("Give a path that can be written.", "请给出可以写入的路径。"),
        ) from None


def _remove(folder: Path) -> None:
    """Remove the grading's folder, whatever was done to its permissions."""

    def retry(function: Callable[..., Any], path: str, _: Any) -> None:
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(0o700)
            Path(path).chmod(0o700)
            function(path)

    shutil.rmtree(folder, onerror=retry)


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
        """Send one request with the descriptors for results, output and trace."""
        socket.send_fds(self.control, [b"R"], fds)
        self.control.sendall(encode_line(request))

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
    """A bad installation, in words: no failure of the learner."""
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


class WarmWorker:
    """A worker that stays: each grading is a fork of it. When its process has died, it starts another."""

    def __init__(self, *, once: bool = False) -> None:
        """With `once`, for a single grading that is known before everything else: started ahead, not warm."""
        self._once = once
        self._worker: Worker | None = None
        self._needs: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def start(self, needs: Iterable[str] = ()) -> None:
        """Begin importing now, with what these gradings will need; does not wait for it."""
        wanted = self._needs | frozenset(needs)
        if self._worker is not None and self._worker.alive and wanted <= self._worker.needs:
            return
        self.close()
        self._needs = wanted
        self._worker = Worker(wanted, once=self._once)

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
    def lent(self, needs: Iterable[str] = ()) -> Any:
        """The worker, for one grading at a time."""
        with self._lock:
            self.start(needs)
            assert self._worker is not None
            try:
                yield self._worker
            except BaseException:
                self._worker.kill()  # in the middle of a grading: nothing of it may stay
                self.close()
                raise

    def close(self) -> None:
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.close()

    def __enter__(self) -> WarmWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
    """One request, watched to its end."""

    def __init__(self, worker: Worker, request: Request, exercise: Exercise) -> None:
        self._worker, self._request, self._limits = worker, request, exercise.limits
        self._evidence, self._reader = Evidence(), Reader(request.secret)
        self._output, self._trace = Output(), bytearray()
        self._clock = Clock()
        self._phase_began, self._first_began = 0.0, -1.0
        self._started: Started | None = None
        self._resident = 0  # what the process held before the submission ran
        self._over = False

    def watch(self) -> Evidence:
        """Send the request, follow it, stop what goes over its limits; the evidence."""
        self._worker.ready()
        began = time.monotonic()
        pipes = [os.pipe() for _ in range(3)]
        try:
            self._worker.submit(self._request, [write for _, write in pipes])
        except OSError:
            self._evidence.lost = True
        for read, write in pipes:
            os.close(write)
            os.set_blocking(read, False)
        try:
            with selectors.DefaultSelector() as selector:
                self._follow(selector, [read for read, _ in pipes])
        finally:
            for read, _ in pipes:
                os.close(read)
        self._evidence.seconds = time.monotonic() - began
        self._evidence.output = self._output.text()
        self._evidence.trace = self._trace.decode(errors="replace")
        self._evidence.forged = self._reader.forged
        return self._evidence

    def _follow(self, selector: selectors.BaseSelector, fds: list[int]) -> None:
        takers = [self._take_results, self._output.add, self._trace.extend]
        for fd, taker in zip(fds, takers, strict=True):
            selector.register(fd, selectors.EVENT_READ, taker)
        selector.register(self._worker.control, selectors.EVENT_READ, None)
        self._clock = Clock()
        checked = 0.0
        while not self._over and not self._evidence.lost:
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
            self._read_for(selector, 0.3, lambda: bool(self._trace))
        self._worker.order(KILL)
        self._read_for(selector, 20.0, lambda: self._over or self._evidence.lost)
        if not self._over:
            self._worker.kill()
            self._over = True

    def _read_for(self, selector: selectors.BaseSelector, seconds: float, enough: Callable[[], bool]) -> None:
        clock = Clock()
        while clock.tick() < seconds and not enough():
            self._read(selector, 0.02)
