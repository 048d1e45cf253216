"""Every exercise of the bank against every submission that it carries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptquiz.bank import Exercise, load_bank
from ptquiz.grader import WarmWorker, grade, needed
from ptquiz.verify import verify

EXERCISES = load_bank().exercises


def test_the_thirty_are_there() -> None:
    """The bank holds the questions 1 to 30, each once."""
    assert [exercise.number for exercise in EXERCISES] == list(range(1, 31))


@pytest.mark.processes
@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_submission_gets_its_verdict(exercise: Exercise) -> None:
    """Answer and accepts pass; stub, rejects and general wrong answers fail where they must."""
    matrix = verify([exercise])
    wrong = [
        f"{row.kind} {row.file}: expected {row.expected}, got {row.verdict} ({row.cause}) in "
        f"{row.first_failed or 'no check'}, seed {row.seed}: {row.message[:300]}"
        for row in matrix.rows
        if not row.ok
    ]
    assert not wrong, "\n".join(wrong)
    kinds = [row.kind for row in matrix.rows]
    assert kinds.count("accept") >= 2
    assert kinds.count("reject") >= 5


COMPARED = (1, 7, 17)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmWorker]:
    with WarmWorker() as worker:
        worker.start({need for e in EXERCISES if e.number in COMPARED for need in needed(e)})
        yield worker


@pytest.mark.processes
@pytest.mark.parametrize("number", COMPARED)
def test_a_fresh_worker_gives_the_same_verdicts(number: int, warm: WarmWorker) -> None:
    """Cold and warm gradings agree on every check, for a right and for a wrong answer."""
    exercise = next(e for e in EXERCISES if e.number == number)
    for path in (exercise.solution.answer, exercise.solution.rejects[0]):
        cold, hot = (grade(exercise, path, seed=5, warm=worker) for worker in (None, warm))
        assert cold.verdict == hot.verdict
        assert [(c.name, c.outcome) for c in cold.checks] == [(c.name, c.outcome) for c in hot.checks]


WRONG_SOURCE = {7, 12, 14, 16, 17, 18, 19, 21, 22, 24, 26, 28, 29} | {11, 15, 20, 23, 25, 27}


def _proofs(exercise: Exercise, language: str) -> list[str]:
    text = exercise.solution.explanations[language].read_text(encoding="utf-8")
    label = {"en": "Proof:", "zh": "证明："}[language]
    return re.findall(rf"\*\*{label}\*\*\s*`([^`]+)`", text)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_erratum_names_a_test_that_exists(exercise: Exercise, repository: Path) -> None:
    """Both languages give the same errata; each names its proof; the nineteen have one at least."""
    english, chinese = _proofs(exercise, "en"), _proofs(exercise, "zh")
    assert english == chinese
    assert english or exercise.number not in WRONG_SOURCE
    for proof in english:
        file, _, name = proof.partition("::")
        tree = ast.parse((repository / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, proof
