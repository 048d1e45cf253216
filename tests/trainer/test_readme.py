"""The README is true: its list, its commands, its words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ptquiz import readme
from ptquiz.bank import load_bank
from ptquiz.cli import app


@pytest.fixture
def text(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def test_the_list_is_the_exercises(text: str, repository: Path) -> None:
    """Made from the files; `python -m ptquiz.readme` renews it."""
    assert readme.renewed(text, load_bank(repository).exercises) == text


def test_the_test_command_is_the_one_that_ci_runs(text: str, repository: Path) -> None:
    """Word for word."""
    ci = (repository / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert f"    {ci[-1]}" in text.splitlines()


def test_every_command_is_mentioned_and_exists(text: str) -> None:
    """No command without a line, no line without a command."""
    names = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    mentioned = set(re.findall(r"ptquiz (?!-)([a-z]+)", re.sub(r"ptquiz\.\w+", "", text)))
    assert names <= mentioned
    assert mentioned - names <= {"cannot", "is", "list"}


def test_every_exercise_file_mentioned_exists(text: str, repository: Path) -> None:
    """Paths that are given as examples can be opened."""
    for path in ("exercises/07_custom_loss", "tests/errata", "benchmarks/run.py", "LICENSE"):
        assert (repository / path).exists()


def test_marks_that_are_missing_are_an_error() -> None:
    """Rather than a README without its list."""
    with pytest.raises(ValueError, match="lacks the marks"):
        readme.renewed("no marks", ())
