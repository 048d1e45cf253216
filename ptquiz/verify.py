"""For authors: every submission of every exercise, the verdict it must get, and whether it came.

Rows: the stub (fails), the answer and `accepts` (pass), `rejects` (fail first in the check that their
docstring names), and general wrong answers made from the stub (fail).
"""

from __future__ import annotations

import ast
import itertools
import queue
import re
import secrets
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from ptquiz.bank import Exercise
from ptquiz.grader import WarmWorker, grade, needed
from ptquiz.report import Report

# What a thoughtless answer does in every gap of the stub.
GENERAL = {
    "returns a constant": "import torch\nreturn torch.zeros(())",
    "returns None": "return None",
    "returns its first argument": "return FIRST",
    "raises SystemExit": "raise SystemExit",
    "ends the process": "import os\nos._exit(0)",
}


class Row(msgspec.Struct, frozen=True):
    """One submission and how it came out. `kind`: stub, answer, accept, reject, general or folder."""

    exercise: int
    slug: str
    kind: str
    file: str
    expected: str
    verdict: str
    cause: str | None
    first_failed: str
    ok: bool
    seed: int
    seconds: float
    message: str = ""


class Matrix(msgspec.Struct, frozen=True):
    """All rows, by exercise."""

    rows: tuple[Row, ...]
    seed: int

    @property
    def ok(self) -> bool:
        return bool(self.rows) and all(row.ok for row in self.rows)

    def to_json(self, problems: Iterable[str] = ()) -> str:
        """One object; `problems` are those of the folders, and then nothing is ok."""
        found = list(problems)
        ok = self.ok and not found
        data = {"ok": ok, "seed": self.seed, "problems": found, "rows": self.rows}
        return msgspec.json.encode(data).decode()


class Case(msgspec.Struct, frozen=True):
    """A submission to grade: its file, and the check that must fail first ("" where any may, or none)."""

    exercise: Exercise
    kind: str
    path: Path
    expected: str
    check: str = ""
    name: str = ""


def verify(
    exercises: Iterable[Exercise],
    progress: Callable[[Row, int, int], None] | None = None,
    *,
    seed: int | None = None,
    workers: int = 2,
    only: Path | None = None,
) -> Matrix:
    """Grade all submissions, `workers` at a time; `progress` gets each row, the count and the total."""
    chosen = list(exercises)
    seed = secrets.randbelow(2**31) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="ptquiz-verify-") as folder:
        cases = [c for e in chosen for c in cases_of(e, Path(folder)) if only is None or c.path == only]
        rows = [row for e in chosen if only is None for row in _folder_rows(e, seed)]
        rows += _graded(cases, seed, workers, progress or (lambda row, done, total: None))
    order = {"folder": 0, "stub": 1, "answer": 2, "accept": 3, "reject": 4, "general": 5}
    rows.sort(key=lambda row: (row.exercise, order[row.kind], row.file))
    return Matrix(tuple(rows), seed)


def cases_of(exercise: Exercise, folder: Path) -> Iterator[Case]:
    """Every submission of one exercise; the general wrong answers are written to `folder`."""
    yield Case(exercise, "stub", exercise.stub, "failed")
    yield Case(exercise, "answer", exercise.solution.answer, "passed")
    for path in exercise.solution.accepts:
        yield Case(exercise, "accept", path, "passed")
    for path in exercise.solution.rejects:
        yield Case(exercise, "reject", path, "failed", named_check(path))
    for name, source in general_wrong_answers(exercise.stub.read_text(encoding="utf-8")).items():
        path = folder / f"{exercise.name}_{name.replace(' ', '_')}.py"
        path.write_text(source, encoding="utf-8")
        yield Case(exercise, "general", path, "failed", name=name)


def named_check(path: Path) -> str:
    """The check that the first line of a reject's docstring names; "?" where it names none."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    found = re.match(r"(test_\w+): \S", docstring)
    return found[1] if found else "?"


def general_wrong_answers(stub: str) -> dict[str, str]:
    """The stub with every gap filled by the same thoughtless body: a name, and the source."""
    return {name: ast.unparse(_Filler(body).visit(ast.parse(stub))) for name, body in GENERAL.items()}


class _Filler(ast.NodeTransformer):
    """Replaces every body that ends in `raise NotImplementedError`."""

    def __init__(self, body: str) -> None:
        self._body = body

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        if is_gap(node):
            names = [a.arg for a in node.args.posonlyargs + node.args.args] or ["None"]
            # In a method the first argument is the one after self, where there is one.
            first = names[1] if names[0] in ("self", "cls", "ctx") and len(names) > 1 else names[0]
            docstring = [node.body[0]] if ast.get_docstring(node) else []
            node.body = [*docstring, *ast.parse(self._body.replace("FIRST", first)).body]
            ast.fix_missing_locations(node)
        return node


def is_gap(node: ast.FunctionDef) -> bool:
    """Whether a function is one that the learner has to write."""
    last = node.body[-1]
    return isinstance(last, ast.Raise) and ast.unparse(last) in (
        "raise NotImplementedError",
        "raise NotImplementedError()",
    )


def _graded(
    cases: list[Case], seed: int, workers: int, progress: Callable[[Row, int, int], None]
) -> list[Row]:
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    rows: list[Row] = []
    errors: list[BaseException] = []
    lock, counter = threading.Lock(), itertools.count(1)
    needs = {need for case in cases for need in needed(case.exercise)}

    def work() -> None:
        with WarmWorker() as warm:
            warm.start(needs)
            while not errors:
                try:
                    case = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    row = _row(case, grade(case.exercise, case.path, seed=seed, warm=warm))
                except BaseException as error:
                    errors.append(error)
                    return
                with lock:
                    rows.append(row)
                    progress(row, next(counter), len(cases))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(workers, len(cases))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return rows


def _row(case: Case, report: Report) -> Row:
    first = report.first_failure
    name = "" if first is None else first.name
    right = report.verdict == case.expected and (not case.check or case.check == name)
    expected = case.expected + (f" in {case.check}" if case.check else "")
    message = report.message or ("" if first is None else first.message)
    return Row(
        exercise=case.exercise.number,
        slug=case.exercise.slug,
        kind=case.kind,
        file=case.name or case.path.name,
        expected=expected,
        verdict=report.verdict,
        cause=report.cause,
        first_failed=name,
        ok=right,
        seed=report.seed,
        seconds=report.duration_seconds,
        message=message,
    )


_EXPECTED_FILES = {
    "exercise": {"exercise.yaml", "stub.py", "checks.py"},
    "solution": {"answer.py", "explanation.md", "explanation.zh.md", "accepts", "rejects"},
}


def _folder_rows(exercise: Exercise, seed: int) -> Iterator[Row]:
    """One row for each thing wrong with the folders themselves, or one that says that nothing is."""
    problems = list(folder_problems(exercise))
    for text in problems or [""]:
        yield Row(
            exercise=exercise.number,
            slug=exercise.slug,
            kind="folder",
            file=exercise.name,
            expected="complete",
            verdict="incomplete" if text else "complete",
            cause=None,
            first_failed="",
            ok=not text,
            seed=seed,
            seconds=0.0,
            message=text,
        )


def folder_problems(exercise: Exercise) -> Iterator[str]:
    """Stray and missing files, too few accepts and rejects, a hint in one language, a TODO in the answer."""
    yield from _stray(exercise.folder, _EXPECTED_FILES["exercise"])
    yield from _stray(exercise.solution.folder, _EXPECTED_FILES["solution"])
    for path in exercise.solution.explanations.values():
        if not path.is_file():
            yield f"{path.name} is missing"
    if len(exercise.solution.accepts) < 2:
        yield "fewer than two accepts"
    if len(exercise.solution.rejects) < 5:
        yield "fewer than five rejects"
    if any(not hint.en.strip() or not hint.zh.strip() for hint in exercise.hints):
        yield "a hint is missing in one language"
    stub = exercise.stub.read_text(encoding="utf-8")
    gaps = [n for n in ast.walk(ast.parse(stub)) if isinstance(n, ast.FunctionDef) and is_gap(n)]
    if not gaps or stub.count("TODO") != len(gaps):
        yield f"stub.py has {len(gaps)} gaps and {stub.count('TODO')} TODO comments"
    answer = exercise.solution.answer.read_text(encoding="utf-8")
    if "TODO" in answer or "NotImplementedError" in answer:
        yield "answer.py still has a TODO or a NotImplementedError"


def _stray(folder: Path, expected: set[str]) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name not in expected and path.name != "__pycache__":
            yield f"{path.name} does not belong here"
    for inner in ("accepts", "rejects"):
        if (folder / inner).is_dir():
            yield from (
                f"{inner}/{path.name} does not belong here"
                for path in sorted((folder / inner).iterdir())
                if path.suffix != ".py" and path.name != "__pycache__"
            )


def main(arguments: list[str]) -> int:
    """`python -m ptquiz.verify [N …] [--file PATH] [--seed SEED]`: prints what is not as it should be."""
    import argparse

    from ptquiz.bank import load_bank

    parser = argparse.ArgumentParser(prog="python -m ptquiz.verify", description=__doc__)
    parser.add_argument("exercises", nargs="*", help="numbers or names; all without any")
    parser.add_argument("--file", type=Path, help="grade only this file, and show the whole report")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    options = parser.parse_args(arguments)
    bank = load_bank()
    exercises = [bank.find(q) for q in options.exercises] if options.exercises else list(bank.exercises)
    if options.file is not None:
        report = grade(exercises[0], options.file, seed=options.seed, lang=options.lang)
        print(shown(report))
        return 0 if report.verdict == "passed" else 1
    matrix = verify(exercises, _progress, seed=options.seed)
    for row in matrix.rows:
        if not row.ok:
            print(f"\nNOT OK {row.exercise:02} {row.kind} {row.file}: {row.verdict}, not {row.expected}")
            print(f"  cause {row.cause}, first failing check: {row.first_failed or 'none'}")
            print("  " + row.message.replace("\n", "\n  "))
    print(f"{sum(row.ok for row in matrix.rows)} of {len(matrix.rows)} as expected (seed {matrix.seed})")
    return 0 if matrix.ok else 1


def _progress(row: Row, done: int, total: int) -> None:
    print(f"\r{done}/{total}", end="", file=sys.stderr, flush=True)


def shown(report: Report) -> str:
    """A report as plain text."""
    lines = [
        f"{report.verdict} {report.cause or ''} (seed {report.seed}, {report.duration_seconds} s)",
        report.message,
    ]
    for check in report.checks:
        lines.append(f"  {check.outcome:8} {check.name} ({check.duration_seconds} s)")
        lines += [f"             {line}" for line in check.message.splitlines()]
    return "\n".join(line for line in [*lines, report.output] if line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
