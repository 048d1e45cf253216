"""From what was seen of a grading to its report: a pure function of the evidence."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import msgspec

from ptquiz.bank import Exercise
from ptquiz.report import Cause, CheckResult, Device, Outcome, Report, Verdict
from ptquiz.worker.wire import PIPE_CLOSED, Record


class Evidence(msgspec.Struct):
    """What the grader saw. `stopped` says why it ended the process itself; `status` is a wait status."""

    records: list[Record] = msgspec.field(default_factory=list)
    forged: int = 0
    status: int | None = None
    stopped: str = ""  # "", timeout, total, memory, processes, start
    lost: bool = False  # the worker itself died
    trace: str = ""
    output: str = ""
    seconds: float = 0.0

    @property
    def begun(self) -> bool:
        """Whether a line of the submission may have run."""
        return any(record.event == "begin" for record in self.records)

    @property
    def final(self) -> bool:
        return bool(self.records) and self.records[-1].event == "final"

    @property
    def running(self) -> str | None:
        """The phase that was open at the end: a check, "" for the import, None between phases."""
        opened: str | None = None
        for record in self.records:
            if record.event == "begin":
                opened = record.name
            elif record.event in ("check", "import_failed", "final"):
                opened = None
        return opened


def judge(exercise: Exercise, evidence: Evidence, path: Path, device: Device, seed: int, lang: str) -> Report:
    """The report of one grading."""
    verdict, cause, message = _verdict(exercise, evidence, path, lang)
    checks = _checks(exercise, evidence, cause, message, lang)
    unseen = {record.name for record in evidence.records if record.cause == "unseen" and device == "cuda"}
    if verdict == "passed" and any(c.outcome != "passed" and c.name not in unseen for c in checks):
        verdict, cause, message = _from_checks(evidence, lang)
    return Report(
        exercise=exercise.number,
        slug=exercise.slug,
        verdict=verdict,
        cause=cause,
        device=device,
        seed=seed,
        duration_seconds=round(evidence.seconds, 3),
        checks=checks,
        message=message,
        output=evidence.output,
    )


def _verdict(
    exercise: Exercise, evidence: Evidence, path: Path, lang: str
) -> tuple[Verdict, Cause | None, str]:
    for record in evidence.records:
        if record.event == "broken":
            return "broken", None, record.message
        if record.event == "import_failed":
            return "failed", _cause(record.cause), record.message
    if not evidence.begun:
        return "broken", None, _not_begun(evidence, lang)
    if evidence.forged:
        return "failed", "tampered", _pick(_FORGED, lang)
    if evidence.stopped:
        return _stopped(exercise, evidence, path, lang)
    if evidence.final:
        return "passed", None, ""
    return _ended_early(evidence, path, lang)


_FORGED = (
    "something other than the checks wrote to the grader's own pipe\n"
    "look at: write to files that your code opened itself",
    "检查之外的代码写入了评分器自己的管道\n提示：只写入你的代码自己打开的文件",
)


def _cause(name: str) -> Cause:
    return name if name in ("unreadable", "exited", "tampered") else "error"  # type: ignore[return-value]


def _not_begun(evidence: Evidence, lang: str) -> str:
    words = ("the worker ended before it began", "评分进程在开始之前就结束了")
    lost = ", lost" if evidence.lost else ""
    return f"{_pick(words, lang)} ({_status(evidence.status)}{lost})\n{evidence.trace}"


def _stopped(exercise: Exercise, evidence: Evidence, path: Path, lang: str) -> tuple[Verdict, Cause, str]:
    limits = exercise.limits
    where = _traced_line(evidence.trace, path)
    cause: Cause = "timeout"
    if evidence.stopped == "memory":
        cause = "memory"
        words = (
            f"stopped: more than {limits.memory_mib} MiB of memory were in use",
            f"已停止：占用内存超过 {limits.memory_mib} MiB",
        )
    elif evidence.stopped == "processes":
        cause = "memory"
        words = ("stopped: too many processes were started", "已停止：启动的进程过多")
    elif evidence.stopped == "total":
        seconds = f"{limits.total_seconds:g}"
        words = (
            f"stopped: all checks together took more than {seconds} seconds",
            f"已停止：全部检查超过了 {seconds} 秒",
        )
    else:
        seconds = f"{limits.check_seconds:g}"
        words = (f"stopped after {seconds} seconds", f"{seconds} 秒后被停止")
    phase = (
        ("while your file was being imported", "当时正在导入你的文件") if not evidence.running else ("", "")
    )
    look = ("", "")
    if cause == "timeout":
        look = (
            "look at: an endless loop, a deadlock, or a wait for something that never comes",
            "提示：是否有无限循环、死锁，或在等永远不会发生的事",
        )
    lines = [_pick(words, lang), _pick(phase, lang), where, _pick(look, lang)]
    return "failed", cause, "\n".join(line for line in lines if line)


def _ended_early(evidence: Evidence, path: Path, lang: str) -> tuple[Verdict, Cause, str]:
    status, where = evidence.status, _traced_line(evidence.trace, path)
    cause: Cause = "exited"
    if evidence.lost or status is None or os.WIFSIGNALED(status):
        cause = "crashed"
        name = "" if status is None or not os.WIFSIGNALED(status) else _signal(os.WTERMSIG(status))
        words = (
            f"the process was ended by {name or 'a signal'}",
            f"进程被{name or '信号'}终止",
        )
    elif os.waitstatus_to_exitcode(status) == PIPE_CLOSED:
        cause = "tampered"
        words = (
            "your code closed descriptors that are not its own, the grader's pipe among them",
            "你的代码关闭了不属于它的文件描述符，包括评分器的管道",
        )
    else:
        code = os.waitstatus_to_exitcode(status)
        words = (
            f"your code ended the process (exit code {code}) before the checks were done",
            f"检查还没有做完，你的代码就结束了进程（退出码 {code}）",
        )
    look = (
        "look at: os._exit, sys.exit, os.kill and native code",
        "提示：os._exit、sys.exit、os.kill 和原生代码",
    )
    return "failed", cause, "\n".join(line for line in (_pick(words, lang), where, _pick(look, lang)) if line)


def _from_checks(evidence: Evidence, lang: str) -> tuple[Verdict, Cause, str]:
    for record in evidence.records:
        if record.event == "check" and record.outcome in ("failed", "error"):
            return "failed", record.cause or "wrong", ""  # type: ignore[return-value]
    return "failed", "tampered", _pick(("not every check was run", "有检查没有运行"), lang)


def _checks(
    exercise: Exercise, evidence: Evidence, cause: Cause | None, message: str, lang: str
) -> tuple[CheckResult, ...]:
    """One result for each announced check; the one that was running carries the message."""
    done = {record.name: record for record in evidence.records if record.event == "check"}
    running, missed, results = evidence.running, set[str](), []
    for check in exercise.checks:
        record = done.get(check.name)
        outcome: Outcome = "skipped"
        text, seconds, timeline = "", 0.0, ""
        if record is not None:
            outcome = record.outcome  # type: ignore[assignment]
            text, seconds, timeline = record.message, round(record.seconds, 4), record.timeline
        elif running == check.name and cause is not None:
            outcome, text = "failed", message
        if outcome == "skipped" and not text:
            text = _skipped([name for name in check.needs if name in missed], lang)
        if outcome != "passed":
            missed.add(check.name)
        results.append(CheckResult(check.name, check.title.get(lang), outcome, text, seconds, timeline))
    return tuple(results)


def _skipped(needs: list[str], lang: str) -> str:
    if not needs:
        return _pick(("not reached", "没有运行到"), lang)
    return _pick((f"stands on {needs[0]}", f"依赖于 {needs[0]}"), lang)


def _pick(words: tuple[str, str], lang: str) -> str:
    return words[1] if lang == "zh" else words[0]


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _status(status: int | None) -> str:
    if status is None:
        return "no status"
    return _signal(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"


def _traced_line(trace: str, path: Path) -> str:
    """The learner's innermost line in a dump of faulthandler's: `file:line, in function` and its source."""
    found = re.search(rf'File "{re.escape(str(path))}", line (\d+) in (\S+)', trace)
    if not found:
        return ""
    number, name = int(found[1]), found[2]
    inside = "" if name == "<module>" else f", in {name}"
    try:
        text = path.read_text(encoding="utf-8", errors="replace").splitlines()[number - 1].strip()
    except (OSError, IndexError):
        text = ""
    return f"  {path.name}:{number}{inside}\n    {text}".rstrip()
