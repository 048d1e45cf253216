"""What only authors need to know of an exercise folder: does its source say what exercise.yaml says?

Read with `ast`, never imported; the light commands leave it alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ptquiz.bank import Exercise
from ptquiz.errors import BankError, shown


def problems(exercise: Exercise) -> list[BankError]:
    """Everything wrong with the Python files of one exercise, with file, line and remedy."""
    found: list[BankError] = []
    for part in (_checks, _stub, _rejects):
        try:
            found += part(exercise)
        except _NotPython as error:
            found.append(error.problem)
    return found


class _NotPython(Exception):  # noqa: N818 - a step inside, never seen outside
    def __init__(self, problem: BankError) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        says = getattr(error, "msg", None) or str(error)
        raise _NotPython(BankError(f"{shown(path)}:{line}: not Python: {says}", "Mend that line.")) from None
    except OSError as error:
        problem = BankError(f"{shown(path)}: {error.strerror}", "Restore the file.")
        raise _NotPython(problem) from None


def _checks(exercise: Exercise) -> Iterator[BankError]:
    """The checks listed are the test functions, in their order, each with a docstring."""
    path = exercise.checks_file
    tests = [n for n in _parsed(path).body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
    lines = {node.name: node.lineno for node in tests}
    listed = [check.name for check in exercise.checks]
    for node in tests:
        if node.name not in listed:
            says = f"{shown(path)}:{node.lineno}: {node.name} is not listed in exercise.yaml"
            yield BankError(says, f"Add `- {{name: {node.name}, title: {{en: …, zh: …}}}}` under checks.")
        if not ast.get_docstring(node):
            says = f"{shown(path)}:{node.lineno}: {node.name} has no docstring"
            yield BankError(says, "Say in one line what it checks.")
    for name in listed:
        if name not in lines:
            line = _line_of(exercise.folder / "exercise.yaml", name)
            says = f"{shown(exercise.folder / 'exercise.yaml')}:{line}: checks: checks.py has no {name}"
            yield BankError(says, "Write that test function, or remove the line.")
    if list(lines) != listed and sorted(lines) == sorted(listed):
        at = next(i for i, (a, b) in enumerate(zip(lines, listed, strict=True)) if a != b)
        line = _line_of(exercise.folder / "exercise.yaml", listed[at])
        says = f"{shown(exercise.folder / 'exercise.yaml')}:{line}: checks: not in the order of checks.py"
        yield BankError(says, "List them as they stand in checks.py.")


def _line_of(path: Path, name: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((at for at, line in enumerate(lines, 1) if re.search(rf"\bname: {name}\b", line)), 1)


def _stub(exercise: Exercise) -> Iterator[BankError]:
    """The stub and the answer are Python."""
    _parsed(exercise.stub)
    _parsed(exercise.solution.answer)
    yield from ()


def _rejects(exercise: Exercise) -> Iterator[BankError]:
    """Each names the check that must catch it."""
    names = {check.name for check in exercise.checks}
    for path in exercise.solution.rejects:
        first = (ast.get_docstring(_parsed(path)) or "").split("\n")[0]
        named = re.match(r"(test_\w+): \S", first)
        if named is None or named[1] not in names:
            yield BankError(
                f"{shown(path)}:1: the docstring names no check of exercise.yaml (got {first!r})",
                "Begin it with the check that must catch this answer: `test_gradient: what is wrong`.",
            )
