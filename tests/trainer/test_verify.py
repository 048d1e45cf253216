"""`verify`: the matrix finds a stub that passes, an answer that fails, a reject that is caught elsewhere."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import pytest

from ptquiz import authors
from ptquiz.bank import Exercise, load_bank
from ptquiz.session import Session
from ptquiz.verify import GENERAL, Matrix, Row, folder_problems, general_wrong_answers, named_check, verify

BANK = Path(__file__).parent.parent / "hostile" / "bank"
EXPLAINED = ("explanation.md", "explanation.zh.md")


def complete(tmp_path: Path) -> Path:
    """A copy of the small bank whose first exercise has everything that an exercise must have."""
    root = tmp_path / "bank"
    shutil.copytree(BANK, root, ignore=shutil.ignore_patterns("__pycache__", "02_device"))
    solution = root / "solutions" / "01_probe"
    for name in EXPLAINED:
        (solution / name).write_text("Why.\n", encoding="utf-8")
    for folder in ("accepts", "rejects"):
        (solution / folder).mkdir(exist_ok=True)
    bodies = ("x + x", "2 * x")
    for i, body in enumerate(bodies):
        (solution / "accepts" / f"style_{i}.py").write_text(f"def double(x):\n    return {body}\n")
    wrong = ("x * 3", "x", "x.float() * 2", "(x * 2).sum()", "x * 2 + 1")
    for i, body in enumerate(wrong):
        text = f'"""test_value: the wrong value {i}"""\n\n\ndef double(x):\n    return {body}\n'
        (solution / "rejects" / f"wrong_{i}.py").write_text(text)
    text = '"""test_gradient: no gradient"""\n\n\ndef double(x):\n    return x.detach() * 2\n'
    (solution / "rejects" / "detached.py").write_text(text)
    return root


def probe(root: Path) -> Exercise:
    return load_bank(root).find(1)


@pytest.mark.processes
def test_a_sound_exercise_is_sound_and_every_flaw_is_a_row(tmp_path: Path) -> None:
    """One run: sound rows are ok; a wrong answer, a reject that passes and one caught elsewhere are not."""
    root = complete(tmp_path)
    rejects = root / "solutions" / "01_probe" / "rejects"
    (rejects / "passes.py").write_text(
        '"""test_value: nothing is wrong"""\n\n\ndef double(x):\n    return x * 2\n'
    )
    (rejects / "elsewhere.py").write_text(
        '"""test_gradient: a value"""\n\n\ndef double(x):\n    return x * 3\n'
    )
    (rejects / "unnamed.py").write_text('"""wrong"""\n\n\ndef double(x):\n    return x * 3\n')
    seen: list[tuple[str, int, int]] = []
    matrix = verify([probe(root)], lambda row, done, total: seen.append((row.file, done, total)), seed=3)
    bad = {row.file for row in matrix.rows if not row.ok}
    assert bad == {"passes.py", "elsewhere.py", "unnamed.py"}
    assert not matrix.ok
    assert {row.seed for row in matrix.rows} == {3}
    assert {row.kind for row in matrix.rows} == {"folder", "stub", "answer", "accept", "reject", "general"}
    assert {row.file for row in matrix.rows if row.kind == "general"} == set(GENERAL)
    assert sorted(done for _, done, _ in seen) == list(range(1, len(seen) + 1))
    assert {total for *_, total in seen} == {len(seen)}
    data = json.loads(matrix.to_json())
    assert data["ok"] is False
    assert data["seed"] == 3
    assert len(data["rows"]) == len(matrix.rows)
    assert [row.exercise for row in matrix.rows] == sorted(row.exercise for row in matrix.rows)


def test_the_complete_folder_has_no_problem(tmp_path: Path) -> None:
    """The oracle of the next test."""
    assert list(folder_problems(probe(complete(tmp_path)))) == []


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda e: (e.folder / "notes.txt").write_text("x"), "notes.txt"),
        (lambda e: (e.solution.folder / "old.py").write_text("x"), "old.py"),
        (lambda e: (e.solution.folder / "rejects" / "readme.md").write_text("x"), "readme.md"),
        (lambda e: e.solution.accepts[0].unlink(), "two accepts"),
        (lambda e: [path.unlink() for path in e.solution.rejects[1:]], "five rejects"),
        (lambda e: e.solution.explanations["zh"].unlink(), "explanation.zh.md"),
        (lambda e: e.solution.answer.write_text("# TODO\n"), "answer.py still"),
        (lambda e: e.stub.write_text("def double(x):\n    return x\n"), "0 gaps"),
        (lambda e: e.stub.write_text(e.stub.read_text().replace("# TODO: multiply", "")), "0 TODO"),
    ],
)
def test_a_flaw_of_the_folder_is_named(tmp_path: Path, break_it: object, says: str) -> None:
    """Stray files, missing files, too few of them, gaps without a TODO."""
    exercise = probe(complete(tmp_path))
    break_it(exercise)  # type: ignore[operator]
    assert any(says in problem for problem in folder_problems(exercise))


STUB = '''
import torch


def plain(a: int, b: int) -> int:
    """Doc."""
    # TODO: one
    raise NotImplementedError


def given() -> int:
    return 3


class C:
    def __init__(self, n: int) -> None:
        # TODO: two
        raise NotImplementedError()

    @staticmethod
    def forward(ctx, x):
        raise NotImplementedError

    def nothing(self):
        raise NotImplementedError
'''


def test_general_wrong_answers_fill_every_gap_and_nothing_else() -> None:
    """A gap is a body that ends in `raise NotImplementedError`; what is given stays."""
    made = general_wrong_answers(STUB)
    assert set(made) == set(GENERAL)
    for source in made.values():
        ast.parse(source)
        assert "NotImplementedError" not in source
        assert "return 3" in source
        assert '"""Doc."""' in source
    first = made["returns its first argument"]
    assert [line.strip() for line in first.splitlines() if "return" in line] == [
        *("return a", "return 3", "return n", "return x", "return self"),
    ]
    assert made["ends the process"].count("os._exit(0)") == 4


@pytest.mark.parametrize(
    ("docstring", "name"),
    [
        ('"""test_value: doubles too much\n\nMore."""', "test_value"),
        ('"""test_value"""', "?"),
        ('"""Doubles too much."""', "?"),
        ("x = 1", "?"),
    ],
)
def test_a_reject_names_its_check_in_its_first_line(tmp_path: Path, docstring: str, name: str) -> None:
    """`test_name: what is wrong`; without that no check can match."""
    path = tmp_path / "a.py"
    path.write_text(docstring + "\n")
    assert named_check(path) == name


def test_a_matrix_without_rows_is_not_ok() -> None:
    """Nothing verified is no success."""
    row = Row(1, "a", "stub", "stub.py", "failed", "failed", "error", "test_a", True, 1, 0.1)
    assert not Matrix((), 1).ok
    assert Matrix((row,), 1).ok


def test_a_folder_that_breaks_the_format_is_not_well(
    bank_root: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Whatever the gradings came to: exit code 2, and `ok` is false for who reads the JSON."""
    checks = next(bank_root.glob("exercises/01_*/checks.py"))
    checks.write_text(checks.read_text(encoding="utf-8") + "\n\ndef test_more():\n    '''unlisted'''\n")
    row = Row(1, "double_it", "stub", "stub.py", "failed", "failed", "error", "test_value", True, 1, 0.0)
    monkeypatch.setattr(authors, "graded", lambda chosen, progress: Matrix((row,), 1))
    assert authors.verify(Session(), ["1"], as_json=True) == 2
    data = json.loads(capfdbinary.readouterr().out)
    assert data["ok"] is False and "test_more" in data["problems"][0]
    assert authors.verify(Session(), ["1"], as_json=False) == 2
    assert b"Problems of exercise folders: 1" in capfdbinary.readouterr().out
