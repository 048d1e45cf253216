"""Whatever is around the grader, in the environment or in the current folder, changes no verdict."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ptquiz import grader, sandbox
from ptquiz.bank import load_bank
from ptquiz.errors import UsageError

pytestmark = pytest.mark.processes

ROOT = Path(grader.__file__).parent.parent
BANK = Path(__file__).parent.parent / "hostile" / "bank"
GRADE = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ptquiz.bank import Limits, load_bank
from ptquiz.grader import grade
probe = load_bank(Path(sys.argv[2])).find(1)._replace(limits=Limits(90.0, 180.0))
print(grade(probe, Path(sys.argv[3]), seed=5).verdict)
"""
RAISES = "raise RuntimeError('this file must not be imported')\n"


def hostile_folder(folder: Path) -> Path:
    """A folder full of what Python and pytest like to pick up."""
    folder.mkdir(exist_ok=True)
    for name in ("torch", "pytest", "random", "checks", "conftest", "sitecustomize", "numpy", "msgspec"):
        (folder / f"{name}.py").write_text(RAISES)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (folder / "setup.cfg").write_text("[tool:pytest]\naddopts = --no-such-option\n")
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--no-such-option'\n")
    return folder


def verdict(tmp_path: Path, environment: dict[str, str], source: str = "", **options: object) -> str:
    """Grade the probe in a process of its own, there."""
    path = tmp_path / "answer.py"
    path.write_text(source or "def double(x):\n    return x * 2\n")
    command = [sys.executable, "-P", "-c", GRADE, str(ROOT), str(BANK), str(path)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHON"))}
    result = subprocess.run(
        command, env=clean | environment, capture_output=True, text=True, check=False, timeout=240, **options
    )  # type: ignore[call-overload]
    assert result.returncode == 0, result.stderr
    return str(result.stdout.split()[-1])


def test_the_current_folder_is_not_looked_into(tmp_path: Path) -> None:
    """torch.py, conftest.py, pytest.ini and the like in the current folder, and beside the file."""
    hostile_folder(tmp_path)
    assert verdict(tmp_path, {}, cwd=tmp_path) == "passed"


def test_nonsense_in_the_environment_reaches_no_worker(tmp_path: Path) -> None:
    """PYTHONPATH, PYTEST_ADDOPTS and the rest are kept away from it; a narrow locale does no harm."""
    folder = hostile_folder(tmp_path / "path")
    (folder / "sitecustomize.py").unlink()  # the parent itself would meet it
    nonsense = {
        "PYTEST_ADDOPTS": "--no-such-option",
        "PYTEST_PLUGINS": "no_such_plugin",
        "PYTHONSTARTUP": str(folder / "conftest.py"),
        "PYTHONWARNINGS": "error",
        "PYTHONINSPECT": "1",
        "TORCH_LOGS": "nonsense",
        "LC_ALL": "C",
        "LANG": "C",
        "PYTHONIOENCODING": "ascii",
    }
    assert verdict(tmp_path, nonsense, "print('末')\n\ndef double(x):\n    return x * 2\n") == "passed"


def test_a_pythonpath_full_of_traps_reaches_no_worker(tmp_path: Path) -> None:
    """A torch.py on PYTHONPATH is not the torch that grades."""
    folder = tmp_path / "path"
    folder.mkdir()
    for name in ("torch", "pytest", "checks", "numpy"):
        (folder / f"{name}.py").write_text(RAISES)
    assert verdict(tmp_path, {"PYTHONPATH": str(folder)}) == "passed"


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    """Grading needs no home directory."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o500)
    assert verdict(tmp_path, {"HOME": str(home), "XDG_CACHE_HOME": str(home / "no")}) == "passed"
    assert verdict(tmp_path, {"HOME": "/nonexistent"}) == "passed"


def test_closed_standard_streams(tmp_path: Path) -> None:
    """Started without a stdin, as from cron."""
    assert verdict(tmp_path, {}, stdin=subprocess.DEVNULL) == "passed"


def test_the_folder_of_the_exercise_stays_clean() -> None:
    """No byte code and no cache is left beside the checks."""
    exercise = load_bank(BANK).find(1)
    grader.grade(exercise, exercise.solution.answer)
    left = [p for p in exercise.folder.rglob("*") if p.name not in ("exercise.yaml", "stub.py", "checks.py")]
    assert left == []


# --- the sandbox


def can_sandbox() -> bool:
    exercise = load_bank(BANK).find(1)
    try:
        sandbox.command(exercise, exercise.solution.answer, Path("/tmp"))
    except UsageError:
        return False
    return True


needs_bubblewrap = pytest.mark.skipif(not can_sandbox(), reason="bubblewrap does not work on this machine")

INSIDE = """
import os
import socket

FOUND = []
if os.path.exists({secret!r}):
    FOUND.append("a file of /tmp")
if os.path.exists({answer!r}):
    FOUND.append("the answer")
for folder in (os.path.dirname(__file__), os.path.expanduser("~"), "/"):
    try:
        open(os.path.join(folder, "written-by-a-submission"), "w").close()
        FOUND.append("a writable " + folder)
    except OSError:
        pass
try:
    socket.create_connection(("192.0.2.1", 80), 1)
    FOUND.append("the network")
except OSError as error:
    if "timed out" in str(error):
        FOUND.append("the network")
if sum(name.isdigit() for name in os.listdir("/proc")) > 10:
    FOUND.append("other processes")


def double(x):
    if FOUND:
        raise RuntimeError(str(FOUND))
    return x * 2
"""


@needs_bubblewrap
def test_the_sandbox_hides_and_locks(tmp_path: Path) -> None:
    """No network, nothing writable, a private /tmp, no solutions, no other processes."""
    exercise = load_bank(BANK).find(1)
    folder = tmp_path / "mine"
    folder.mkdir()
    path, secret = folder / "a.py", tmp_path / "secret"
    secret.write_text("x")
    path.write_text(INSIDE.format(secret=str(secret), answer=str(exercise.solution.answer)))
    patient = exercise._replace(limits=exercise.limits._replace(check_seconds=90.0, total_seconds=180.0))
    report = grader.grade(patient, path, sandbox=True)
    assert report.verdict == "passed", report


@needs_bubblewrap
def test_limits_hold_in_the_sandbox(tmp_path: Path) -> None:
    """A loop there is stopped, and its line is named."""
    exercise = load_bank(BANK).find(1)
    path = tmp_path / "a.py"
    path.write_text("while True:\n    pass\n")
    hasty = exercise._replace(limits=exercise.limits._replace(check_seconds=2.0))
    report = grader.grade(hasty, path, sandbox=True)
    assert report.cause == "timeout", report
    assert "a.py:1" in report.message or "a.py:2" in report.message


def test_without_bubblewrap_the_sandbox_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for safety that is not there is an error with a remedy, never a grading without it."""
    monkeypatch.setenv("PATH", "")
    exercise = load_bank(BANK).find(1)
    with pytest.raises(UsageError) as caught:
        grader.grade(exercise, exercise.solution.answer, sandbox=True)
    assert "bubblewrap" in caught.value.text("en")
    assert "apt install bubblewrap" in caught.value.remedy("zh")
