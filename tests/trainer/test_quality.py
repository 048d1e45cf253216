"""The project's own rules: linters, types, and who may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent.parent / "ptquiz"

# Lower layers first; a module imports only from its own layer's predecessors or from its own layer's list.
LAYERS = (
    ("errors",),
    ("words", "cache", "schema", "report"),
    ("bank",),
    ("progress", "lint"),
    ("workspace", "render", "readme"),
    ("workers", "grading", "grader", "verdict", "sandbox", "verify", "session", "terminal"),
    ("entry", "checking", "authors", "doctor", "watch"),
    ("cli", "__main__"),
)
# Imports that are made late, inside a function, and point up on purpose: how a program begins.
BEGINNINGS = {("entry", "cli"), ("entry", "session"), ("entry", "render"), ("cli", "entry")}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Everything imported anywhere in a file, late imports included; not what is for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(n) for block in ast.walk(tree) if _typing_only(block) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def test_torch_and_pytest_stay_behind_the_process_boundary() -> None:
    """Only the worker and the simulated device import torch; only the worker imports pytest."""
    for path in modules():
        heads = {name.split(".")[0] for name in imports(path)}
        if part(path) not in ("worker", "simcuda"):
            assert not heads & {"torch", "torchvision", "numpy"}, path
        if part(path) != "worker":
            assert "pytest" not in heads, path


def test_only_render_imports_rich() -> None:
    """Everything else hands over data."""
    for path in modules():
        if path.name != "render.py":
            assert "rich" not in {name.split(".")[0] for name in imports(path)}, path


def test_the_simulated_device_could_leave_home() -> None:
    """It imports nothing else of ptquiz, and its core no torch."""
    for path in (PACKAGE / "simcuda").rglob("*.py"):
        for name in imports(path):
            assert not name.startswith("ptquiz.") or name.startswith("ptquiz.simcuda"), (path, name)
            if "core" in path.parts:
                assert name.split(".")[0] != "torch", path


def test_arrows_point_down_only() -> None:
    """A module imports from layers below its own, or beside it."""
    level = {name: at for at, names in enumerate(LAYERS) for name in names}
    for path in PACKAGE.glob("*.py"):
        if path.name == "__init__.py":
            continue
        assert path.stem in level, f"{path.name} has no layer yet: give it one"
        for name in imports(path):
            words = name.split(".")
            if words[0] != "ptquiz" or words[1:2] in (["worker"], ["simcuda"]):
                continue
            if (path.stem, words[1]) not in BEGINNINGS:
                assert level[words[1]] <= level[path.stem], f"{path.name} imports {name}"


def test_the_worker_imports_nothing_of_the_trainer() -> None:
    """It gets a request and returns records."""
    for path in (PACKAGE / "worker").rglob("*.py"):
        for name in imports(path):
            words = name.split(".")
            assert words[0] != "ptquiz" or words[1] in ("worker", "simcuda"), (path, name)


def test_light_commands_import_no_heavy_module(bank_root: Path, home: Path) -> None:
    """`list` imports nothing of grading, no asyncio, no pydantic, no lexers, no Markdown."""
    look = "import sys; from ptquiz.entry import main; main(['list']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=120
    )
    heavy = {
        "torch",
        "pytest",
        "asyncio",
        "pydantic",
        "numpy",
        "pygments.lexers",
        "markdown_it",
        "watchfiles",
    }
    assert not (heavy | {"ptquiz.grader"}) & set(done.stderr.split())


def run(*command: str, where: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=where, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing(repository: Path) -> None:
    """Rules and their exceptions are in pyproject.toml."""
    pytest.importorskip("ruff")
    run("ruff", "check", "--no-cache", ".", where=repository)


def test_ruff_would_format_nothing(repository: Path) -> None:
    """One layout for all."""
    pytest.importorskip("ruff")
    run("ruff", "format", "--check", "--no-cache", "ptquiz", "tests", "benchmarks", where=repository)


def test_mypy_is_content(repository: Path, tmp_path: Path) -> None:
    """Strict, on the whole package."""
    pytest.importorskip("mypy")
    run("mypy", "--cache-dir", str(tmp_path), where=repository)
