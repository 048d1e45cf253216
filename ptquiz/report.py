"""What a grading came to: plain frozen data, and its JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["passed", "failed", "broken"]
Cause = Literal["wrong", "error", "timeout", "memory", "exited", "crashed", "tampered", "unreadable"]
Outcome = Literal["passed", "failed", "error", "skipped"]
Device = Literal["cpu", "sim", "cuda"]


class CheckResult(msgspec.Struct, frozen=True):
    """One check: its name, its title in the language of the report, and how it ended."""

    name: str
    title: str
    outcome: Outcome
    message: str = ""
    duration_seconds: float = 0.0
    timeline: str = ""  # the streams as a chart, where it was asked for or the check failed


class Report(msgspec.Struct, frozen=True):
    """One grading; `verdict` is the learner's unless it is `broken`, and `cause` says how it failed."""

    exercise: int
    slug: str
    verdict: Verdict
    cause: Cause | None
    device: Device
    seed: int
    duration_seconds: float
    checks: tuple[CheckResult, ...]
    message: str = ""
    output: str = ""

    def to_json(self) -> str:
        """The report as one JSON object, without a line break."""
        return msgspec.json.encode(self).decode()

    @property
    def first_failure(self) -> CheckResult | None:
        """The first check that neither passed nor was skipped."""
        return next((check for check in self.checks if check.outcome in ("failed", "error")), None)
