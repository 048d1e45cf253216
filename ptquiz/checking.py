"""`check`: grade, keep the attempt, show the report. The attempt is kept before anything is shown."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any, NamedTuple

from ptquiz import entry, grader, progress, workspace
from ptquiz.bank import Exercise
from ptquiz.errors import UsageError
from ptquiz.report import Report
from ptquiz.session import Session

EXIT_CODES = {"passed": 0, "failed": 1, "broken": 3}
SUGGEST_HINT_AFTER = 3  # failed attempts in a row


class How(NamedTuple):
    """The options of a grading."""

    seed: int | None = None
    device: str = "sim"
    timeline: bool = False
    trace: Path | None = None
    sandbox: bool = False


def grade(session: Session, exercise: Exercise, path: Path, how: How, warm: Any = None) -> Report:
    """One grading, its attempt kept."""
    at = progress.now()
    report = grader.grade(
        exercise,
        path,
        seed=how.seed,
        device=how.device,  # type: ignore[arg-type]
        lang=session.lang,  # type: ignore[arg-type]
        timeline=how.timeline,
        trace=how.trace,
        warm=warm,
        sandbox=how.sandbox,
    )
    keep(session, report, path, at)
    return report


def keep(session: Session, report: Report, path: Path, at: str) -> None:
    """Record the attempt; a store that cannot take it must not hide the verdict."""
    import msgspec

    checks = msgspec.json.encode([{"name": c.name, "outcome": c.outcome} for c in report.checks]).decode()
    attempt = progress.Attempt(
        slug=report.slug,
        number=report.exercise,
        at=at,
        verdict=report.verdict,
        cause=report.cause,
        device=report.device,
        seed=report.seed,
        duration_seconds=report.duration_seconds,
        checks=checks,
        file=str(path),
    )
    session.quietly(lambda: session.store.record(attempt))


def check_one(session: Session, exercise: Exercise, path: Path, how: How, as_json: bool) -> int:
    report = grade(session, exercise, path, how, entry.early)
    entry.outcome = EXIT_CODES[report.verdict]
    if as_json:
        session.screen.raw(report.to_json())
    else:
        session.screen.report(exercise, report, how.timeline)
        if report.verdict != "passed":
            session.screen.say()
            session.screen.replay(exercise, report, path)
        session.quietly(lambda: advise(session, exercise, report))
    return entry.outcome


def advise(session: Session, exercise: Exercise, report: Report) -> None:
    """After a pass the next exercise; after several failures a hint."""
    if report.verdict == "passed":
        if found := session.next():
            session.screen.say()
            session.show_next(found)
        return
    standing = session.standing(exercise)
    n = exercise.number
    if report.verdict == "failed" and standing.failed_in_a_row >= SUGGEST_HINT_AFTER:
        if standing.hints < len(exercise.hints):
            session.screen.say((f"Stuck? `ptquiz hint {n}`", f"卡住了？试试 `ptquiz hint {n}`"))
        else:
            session.screen.say(
                (f"Still stuck? `ptquiz reveal {n}`", f"还是不会？`ptquiz reveal {n}` 查看答案")
            )


def check_all(session: Session, how: How, as_json: bool) -> int:
    """All that were started, on one warm worker; passed only if every one is."""
    chosen = [e for e in session.path() if workspace.started(e)]
    if not chosen:
        raise UsageError(
            ("No exercise has been started.", "还没有开始任何题目。"),
            ("`ptquiz start` begins the first one.", "用 `ptquiz start` 开始第一题。"),
        )
    rows = []
    gc.enable()
    with grader.WarmWorker() as warm:
        for e in chosen:
            rows.append((e, grade(session, e, workspace.path_of(e), how, warm)))  # noqa: PERF401
    worst = max(EXIT_CODES[report.verdict] for _, report in rows)
    entry.outcome = worst
    if as_json:
        session.json({"passed": sum(r.verdict == "passed" for _, r in rows), "reports": [r for _, r in rows]})
    else:
        session.screen.summary(rows)
    return worst
