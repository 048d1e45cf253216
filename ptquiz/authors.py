"""`verify`: the kill matrix on the screen. What it finds is in `ptquiz.verify` and `ptquiz.lint`."""

from __future__ import annotations

import gc
import sys

from ptquiz import lint
from ptquiz.session import Session
from ptquiz.verify import Matrix, Row
from ptquiz.verify import verify as graded


def verify(s: Session, names: list[str], as_json: bool) -> int:
    """0 when everything came out as it must, 1 when not, 2 when a folder breaks the format."""
    gc.enable()
    chosen = [s.bank.find(name) for name in dict.fromkeys(names)] or list(s.bank.exercises)
    broken = list(s.bank.problems) if not names else []
    for e in chosen:
        broken += lint.problems(e)
    for problem in broken:
        s.screen.failure(problem)
    with s.screen.progress_bar(("grading", "评判中"), shown=not as_json and sys.stderr.isatty()) as update:
        matrix = graded(chosen, lambda row, done, total: update(done, total))
    if as_json:
        s.screen.raw(matrix.to_json(problem.text(s.lang) for problem in broken))
    else:
        _show(s, matrix.rows)
        _sum_up(s, matrix, len(broken))
    return 2 if broken else 0 if matrix.ok else 1


def _sum_up(s: Session, matrix: Matrix, broken: int) -> None:
    right, total = sum(row.ok for row in matrix.rows), len(matrix.rows)
    s.screen.say(
        (
            f"{right} of {total} as expected (seed {matrix.seed})",
            f"{total} 份提交中 {right} 份符合预期（种子 {matrix.seed}）",
        )
    )
    if broken:
        s.screen.say(
            (f"Problems of exercise folders: {broken} (above)", f"题目目录的问题：{broken} 个（见上）"),
            "red",
        )


def _show(s: Session, rows: tuple[Row, ...]) -> None:
    """One line an exercise; then every submission that came out wrong."""
    kinds = ("folder", "stub", "answer", "accept", "reject", "general")
    lines = []
    for number, slug in dict.fromkeys((row.exercise, row.slug) for row in rows):
        mine = [row for row in rows if row.exercise == number]
        cells = [f"{sum(r.ok for r in mine if r.kind == k)}/{sum(r.kind == k for r in mine)}" for k in kinds]
        lines.append([f"{number:02}", slug, *cells, f"{sum(row.seconds for row in mine):.1f}"])
    heads = ["No", "Exercise", "Folder", "Stub", "Answer", "Accepts", "Rejects", "General", "Seconds"]
    s.screen.rows(heads, lines, right=tuple(range(2, 9)))
    for row in rows:
        if not row.ok:
            s.screen.say()
            came = f"{row.verdict} in {row.first_failed}" if row.first_failed else row.verdict
            s.screen.say(
                f"{row.exercise:02} {row.kind} {row.file}: expected {row.expected}, came {came}", "red"
            )
            for line in row.message.splitlines()[:12]:
                s.screen.path(f"    {line}")
