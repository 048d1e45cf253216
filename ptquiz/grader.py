"""Grades one file: starts or borrows a worker, sends the request, judges what came of it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ptquiz.bank import Exercise
from ptquiz.errors import UsageError
from ptquiz.grading import Grading
from ptquiz.report import Device, Report
from ptquiz.sandbox import command as sandboxed
from ptquiz.verdict import judge
from ptquiz.worker.wire import Check, Request
from ptquiz.workers import WarmWorker, Worker

__all__ = ["WarmWorker", "grade", "needed"]

TRACE_FILE = "trace.json"


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
