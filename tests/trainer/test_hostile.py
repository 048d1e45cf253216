"""Hostile submissions: none passes, none hangs, none is called our fault, none harms the next grading."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ptquiz.bank import Exercise, Limits, load_bank
from ptquiz.grader import WarmWorker, grade
from ptquiz.report import Report

sys.path.insert(0, str(Path(__file__).parent.parent))
from hostile.cases import BANK, Case, cases

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmWorker]:
    with WarmWorker() as worker:
        worker.start(("gpu",))
        yield worker


def limited(case: Case) -> Exercise:
    """The case's exercise: short limits where a time-out is expected, long ones where it is not."""
    seconds = case.check_seconds or (2.0 if case.cause == "timeout" else 60.0)
    limits = Limits(check_seconds=seconds, total_seconds=120.0, memory_mib=384)
    return load_bank(BANK).find(case.exercise)._replace(limits=limits)


def judged(case: Case, report: Report) -> None:
    first = report.first_failure
    text = report.message + "\n" + "\n".join(check.message for check in report.checks)
    assert report.verdict == case.verdict, text
    assert report.cause == case.cause or case.cause == "*", text
    assert re.search(case.message, text), text
    if case.check:
        assert first is not None
        assert first.name == case.check, text
    assert len(report.output) < 40_000
    assert "\x1b" not in report.output
    assert "Traceback" not in text


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_hostile_file_gets_its_verdict_from_a_warm_worker(case: Case, warm: WarmWorker) -> None:
    """Verdict, cause and message are those that the file's docstring names."""
    judged(case, grade(limited(case), case.path, seed=7, warm=warm))


@pytest.fixture(scope="module")
def fresh() -> Iterator[Callable[[Case], Report]]:
    """Grades a file in a process of its own; the next one's starts meanwhile."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting = iter(cases())
        running: dict[str, Future[Report]] = {}

        def start() -> None:
            if (case := next(waiting, None)) is not None:
                running[case.name] = pool.submit(grade, limited(case), case.path, seed=7)

        def report(case: Case) -> Report:
            while case.name not in running:
                start()
            start()
            return running[case.name].result()

        yield report


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_fresh_process_gives_the_same_verdict(case: Case, fresh: Callable[[Case], Report]) -> None:
    """A cold grading ends as a warm one does."""
    judged(case, fresh(case))


def test_after_all_of_them_a_right_answer_still_passes(warm: WarmWorker) -> None:
    """No attack harms the gradings after it."""
    exercise = load_bank(BANK).find(1)
    assert grade(exercise, exercise.solution.answer, seed=7, warm=warm).verdict == "passed"
