"""The small bank, a home of one's own, and the commands run in this process."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ptquiz import entry

_spec = importlib.util.spec_from_file_location("small_bank", Path(__file__).with_name("small_bank.py"))
assert _spec is not None and _spec.loader is not None
small_bank = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("small_bank", small_bank)
_spec.loader.exec_module(small_bank)


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def bank_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three small exercises; PTQUIZ_BANK names them."""
    root = small_bank.write_bank(tmp_path / "bank")
    monkeypatch.setenv("PTQUIZ_BANK", str(root))
    return root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that does not exist yet."""
    folder = tmp_path / "home"
    monkeypatch.setenv("PTQUIZ_HOME", str(folder))
    return folder


@pytest.fixture
def ptquiz(
    bank_root: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Run one command in this process, without the worker that `check` starts ahead."""
    monkeypatch.setattr(entry, "_begin_worker", lambda arguments: None)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = entry.main(list(arguments))
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run
