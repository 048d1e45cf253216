"""The installed program: the wheel carries the exercises and runs from anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network and unpacked as pip would."""
    root = Path(__file__).resolve().parent.parent.parent
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PTQUIZ_HOME": str(where / "home")}
    return subprocess.run(
        [sys.executable, "-m", "ptquiz", *arguments],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_wheel_carries_every_exercise_and_solution(installed: Path, repository: Path) -> None:
    """File for file, and nothing that Python left behind."""
    for part in ("exercises", "solutions"):
        there = {p.relative_to(repository / part) for p in (repository / part).rglob("*") if p.is_file()}
        carried = installed / "ptquiz" / "data" / part
        found = {p.relative_to(carried) for p in carried.rglob("*") if p.is_file()}
        wanted = {p for p in there if "__pycache__" not in p.parts and not p.name.startswith(".")}
        assert wanted == {p for p in found if not p.name.startswith(".")}


def test_the_wheel_holds_the_package_and_nothing_else(installed: Path) -> None:
    """No tests, no benchmarks, no top-level exercises."""
    names = {p.name for p in installed.iterdir() if not p.name.endswith(".dist-info")}
    assert names == {"ptquiz"}
    assert (installed / "ptquiz" / "py.typed").is_file()


@pytest.mark.processes
def test_it_runs_from_an_empty_folder(installed: Path, tmp_path: Path, repository: Path) -> None:
    """With its own exercises, not those of a checkout."""
    done = run(installed, tmp_path, "list", "--json")
    assert done.returncode == 0, done.stderr
    numbers = [e["number"] for e in json.loads(done.stdout)["exercises"]]
    folders = [p for p in (repository / "exercises").iterdir() if p.is_dir() and p.name[0].isdigit()]
    assert len(numbers) == len(folders)
    where = run(installed, tmp_path, "start", "1")
    assert where.returncode == 0 and str(tmp_path / "home" / "01_simple_mlp.py") in where.stdout


@pytest.mark.processes
def test_the_installed_program_grades(installed: Path, tmp_path: Path) -> None:
    """A whole cold check of the packaged answer, as the learner's own file."""
    answer = installed / "ptquiz" / "data" / "solutions" / "01_simple_mlp" / "answer.py"
    mine = tmp_path / "mine.py"
    mine.write_text(answer.read_text(encoding="utf-8"), encoding="utf-8")
    done = run(installed, tmp_path, "check", "1", "--file", "mine.py", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["verdict"] == "passed"


def test_the_command_is_declared(repository: Path) -> None:
    """`ptquiz` begins where `python -m ptquiz` does."""
    import tomllib

    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"ptquiz": "ptquiz.entry:main"}
