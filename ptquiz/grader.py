"""Grades one file: starts or borrows a worker, sends the request, judges what came of it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ptquiz.bank import Exercise
from ptquiz.errors import UsageError
from ptquiz.grading import Grading
from ptquiz.report import Device, Report
from ptquiz.sandbox import command as sandboxed
from ptquiz.verdict import judge
from ptquiz.worker.wire import Check, Request
from ptquiz.workers import WarmWorker, Worker

__all__ = ["WarmWorker", "grade", "needed", "prepare"]

TRACE_FILE = "trace.json"


class Asked(NamedTuple):
    """What a grading is asked for; two that are alike can stand for each other."""

    exercise: Exercise
    path: Path
    seed: int | None
    device: str
    lang: str
    timeline: bool
    trace: Path | None
    checks: int  # when the checks were changed last

    @property
    def needs(self) -> tuple[str, ...]:
        return needed(self.exercise, self.device)


class Ready:
    """A grading that a worker has been sent, in a folder of its own; `report` lets it run."""

    def __init__(self, asked: Asked, worker: Worker, folder: Path) -> None:
        self.asked, self._folder = asked, folder
        self._seed = secrets.randbelow(2**31) if asked.seed is None else asked.seed
        self._grading = Grading(worker, _request(asked, folder, self._seed), asked.exercise)
        self.begun = False
        self._grading.send()

    def report(self, *, hurried: bool = False) -> Report:
        """Run it to its end, or to its last word."""
        a = self.asked
        try:
            evidence = self._grading.watch(hurried=hurried)
            self.begun = evidence.begun
            if a.trace is not None:
                _keep_trace(self._folder / TRACE_FILE, a.trace)
        finally:
            self.close()
        return judge(a.exercise, evidence, a.path, _device(a.exercise, a.device), self._seed, a.lang)

    def drop(self) -> None:
        """End it unseen; its worker is free again."""
        self._grading.drop()
        self.close()

    def close(self) -> None:
        self._grading.close()
        _remove(self._folder)


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
    asked = _asked(exercise, _located(submission), seed, device, lang, timeline, trace)
    if warm is not None and not sandbox:
        return _on_warm(asked, warm)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_folder())
        real = device == "cuda"
        wrapper = sandboxed(exercise, asked.path, folder, real_device=real) if sandbox else []
        worker = stack.enter_context(contextlib.closing(Worker(asked.needs, once=True, wrapper=wrapper)))
        return Ready(asked, worker, folder).report()


def prepare(
    exercise: Exercise,
    submission: Path,
    *,
    device: Literal["sim", "cuda"] = "sim",
    lang: Literal["en", "zh"] = "en",
    warm: WarmWorker,
) -> None:
    """Have `warm` make a grading ready that will probably be wanted: the same call of `grade` then is quick.

    The file is read by `grade`, not here; it need not even exist yet. Raises PtquizError for a bad install.
    """
    asked = _asked(exercise, submission.resolve(), None, device, lang, False, None)
    with warm.lent(asked.needs) as worker:
        folder = _made()
        try:
            warm.hold(Ready(asked, worker, folder))
        except BaseException:
            _remove(folder)
            raise


def _on_warm(asked: Asked, warm: WarmWorker) -> Report:
    with warm.lent(asked.needs, asked) as worker:
        ready: Ready | None = warm.taken()
        if ready is not None:
            report = ready.report(hurried=True)
            if ready.begun:
                return report
    with warm.lent(asked.needs) as worker, _folder() as folder:  # nothing was held, or it had died unseen
        return Ready(asked, worker, folder).report()


def _asked(
    exercise: Exercise,
    path: Path,
    seed: int | None,
    device: str,
    lang: str,
    timeline: bool,
    trace: Path | None,
) -> Asked:
    stamp = 0
    with contextlib.suppress(OSError):
        stamp = exercise.checks_file.stat().st_mtime_ns
    return Asked(exercise, path, seed, device, lang, timeline, trace, stamp)


def _made() -> Path:
    """A folder for one grading."""
    return Path(tempfile.mkdtemp(prefix="ptquiz-")).resolve()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = _made()
    try:
        yield folder
    finally:
        _remove(folder)


def needed(exercise: Exercise, device: str = "sim") -> tuple[str, ...]:
    """What the worker imports ahead for this exercise, besides torch and pytest."""
    gpu = ("gpu", "cuda") if device == "cuda" else ("gpu",)
    return (*exercise.needs, *(gpu if exercise.device == "gpu" else ()), *_wanted(exercise))


def _wanted(exercise: Exercise) -> tuple[str, ...]:
    """What torch imports at the first step, checkpoint or gradcheck; a warm worker has it before."""
    try:
        sources = exercise.checks_file.read_bytes() + exercise.stub.read_bytes()
    except OSError:
        return ()
    optim = any(word in sources for word in (b"optim", b"SGD", b"utils.checkpoint"))
    return ("optim",) if optim else ("gradcheck",) if b"gradcheck" in sources else ()


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


def _request(asked: Asked, folder: Path, seed: int) -> Request:
    exercise = asked.exercise
    checks = tuple(Check(c.name, c.title.get(asked.lang), c.needs) for c in exercise.checks)
    return Request(
        submission=str(asked.path),
        checks_file=str(exercise.checks_file.resolve()),
        checks=checks,
        folder=str(folder),
        seed=seed,
        language=asked.lang,
        secret=secrets.token_hex(32),
        device=_device(exercise, asked.device),
        devices=exercise.sim.devices,
        memory=exercise.sim.memory,
        timeline=asked.timeline,
        streams=exercise.topic == "streams",
        trace="" if asked.trace is None else str(folder / TRACE_FILE),
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
    """Remove the grading's folder, whatever was done to its permissions; it may be gone already."""

    def retry(function: Callable[..., Any], path: str, _: Any) -> None:
        with contextlib.suppress(OSError):
            for one in (Path(path).parent, Path(path)):
                if one.is_relative_to(folder):  # never the folder that holds all of them
                    one.chmod(0o700)
            function(path)

    if folder.exists():
        shutil.rmtree(folder, onerror=retry)
