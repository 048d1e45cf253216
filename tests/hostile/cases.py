"""The hostile submissions as data: what each file's docstring says must come of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
BANK = HERE / "bank"


class Case(NamedTuple):
    """One file. `cause` "*" is any; `check` is the first that must fail, "" where it does not matter."""

    name: str
    path: Path
    exercise: int
    verdict: str
    cause: str | None
    message: str
    check: str
    check_seconds: float


def cases() -> list[Case]:
    """All of them, by name."""
    return [_case(path) for path in sorted((HERE / "files").glob("*.py"))]


def _case(path: Path) -> Case:
    source = path.read_text(encoding="utf-8")
    header = _header(source)
    verdict, _, cause = header["expect"].partition(" ")
    return Case(
        name=path.stem,
        path=path,
        exercise=int(header.get("exercise", "1")),
        verdict=verdict,
        cause=cause or None,
        message=header.get("message", ""),
        check=header.get("check", ""),
        check_seconds=float(header.get("check_seconds", "0")),
    )


def _header(source: str) -> dict[str, str]:
    found = re.match(r'"""(.*?)"""', source, re.S)  # some do not parse
    assert found, "a hostile file begins with a docstring"
    text = found[1] if "\\" not in found[1] else ast.literal_eval(f'r"""{found[1]}"""')
    return dict(re.findall(r"^(\w+): (.+)$", text, re.M))
