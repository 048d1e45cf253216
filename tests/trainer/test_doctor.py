"""doctor: what is missing is named, with what to run. Imports are tried on stand-ins, not on torch itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ptquiz import doctor
from ptquiz.session import Session

Run = Callable[..., "tuple[int, str, str]"]

GOOD = {
    "torch": ("ok", '["2.14.1", []]'),
    "torchvision": ("ok", "0.29.1"),
    "pytest": ("ok", "9.2.0"),
}


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, str]]:
    """What the children would have answered."""
    answers = dict(GOOD)
    monkeypatch.setattr(doctor, "imported", lambda name, say: answers[name])
    return answers


def test_a_good_installation_is_all_ok(ptquiz: Run, imports: dict[str, tuple[str, str]]) -> None:
    """Exit code 0; what works without (a GPU, bwrap) is a note."""
    code, out, err = ptquiz("doctor")
    assert (code, err) == (0, "")
    for part in ("python", "2.14.1", "0.29.1", "9.2.0", "workspace", "progress", "exercises", "simulated"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80 or str(Path(sys.executable).parent) in out


def test_json_is_one_object(ptquiz: Run, imports: dict[str, tuple[str, str]]) -> None:
    """With every finding."""
    found = json.loads(ptquiz("doctor", "--json")[1])
    assert found["ok"] is True
    assert {f["name"] for f in found["findings"]} >= {
        "python",
        "torch",
        "gpu",
        "torchvision",
        "progress",
        "bwrap",
    }


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("torch", "ModuleNotFoundError: No module named 'torch'", "pip install --upgrade torch"),
        ("torchvision", "ModuleNotFoundError: No module named 'torchvision'", "not installed"),
        (
            "torchvision",
            "RuntimeError: operator torchvision::nms does not exist",
            "does not fit the installed",
        ),
        ("pytest", "ModuleNotFoundError: No module named 'pytest'", "pip install --upgrade pytest"),
    ],
)
def test_what_does_not_import_gets_a_command(
    ptquiz: Run, imports: dict[str, tuple[str, str]], name: str, error: str, says: str
) -> None:
    """Exit code 1, and what to run."""
    imports[name] = ("bad", error)
    code, out, _ = ptquiz("doctor")
    flat = " ".join(out.split())
    assert code == 1 and says in flat and "pip install" in flat


def test_a_gpu_is_named(ptquiz: Run, imports: dict[str, tuple[str, str]]) -> None:
    """As torch names it."""
    imports["torch"] = ("ok", 'a warning\n["2.14.1", ["NVIDIA H200"]]')
    assert "NVIDIA H200" in ptquiz("doctor")[1]


def test_a_home_that_cannot_be_used_is_bad(
    ptquiz: Run, imports: dict[str, tuple[str, str]], home: Path
) -> None:
    """Named, with PTQUIZ_HOME as the way out."""
    home.write_text("a file")
    code, out, _ = ptquiz("doctor")
    assert code == 1 and "PTQUIZ_HOME" in out


def test_a_broken_exercise_is_bad(ptquiz: Run, imports: dict[str, tuple[str, str]], bank_root: Path) -> None:
    """With its file and line."""
    card = bank_root / "exercises" / "01_double_it" / "exercise.yaml"
    card.write_text(card.read_text(encoding="utf-8").replace("easy", "eazy"), encoding="utf-8")
    code, out, _ = ptquiz("doctor", "--json")
    assert code == 1 and "exercise.yaml:3" in out


def test_a_mismatched_torchvision_is_told_by_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For real: an import that raises, in a process of its own."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert doctor.imported("torchvision", "") == (
        "bad",
        "RuntimeError: operator torchvision::nms does not exist",
    )


def test_an_import_that_ends_its_process_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on stderr: the exit code then; and what it prints on success."""
    (tmp_path / "ends.py").write_text("import os\nos._exit(7)\n")
    (tmp_path / "works.py").write_text("version = 3\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert doctor.imported("ends", "") == ("bad", "exit code 7")
    assert doctor.imported("works", "print(works.version)") == ("ok", "3")


def test_an_old_python_is_bad(bank_root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the version that is needed."""
    monkeypatch.setattr(doctor, "LEAST_PYTHON", (99, 0))
    (finding,) = doctor.python(Session())
    assert finding.state == "bad"
