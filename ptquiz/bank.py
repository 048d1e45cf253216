"""Exercise folders, found, parsed and validated into frozen objects.

A folder that breaks the format is refused by `ptquiz.schema` with file, line, field and remedy. What needs
more than `exercise.yaml` (the checks' source, the solutions) is looked at in `ptquiz.lint`.

The validated content is kept in the user's cache folder, so that `list` neither imports the YAML and schema
libraries nor parses thirty files (half of its time). A cache that is damaged, old or unwritable is ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ptquiz.cache import Cache
from ptquiz.errors import BankError, UnknownExercise, shown

FOLDER = re.compile(r"(\d{2,})_([a-z][a-z0-9_]*)")


class Text(NamedTuple):
    """One text in English and in Chinese."""

    en: str
    zh: str

    def get(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


class CheckSpec(NamedTuple):
    """One check: the test function's name, its title, and the earlier checks it stands on."""

    name: str
    title: Text
    needs: tuple[str, ...] = ()


class Limits(NamedTuple):
    """Time for one check and for all, in seconds; resident memory beyond the start, in MiB."""

    check_seconds: float = 10.0
    total_seconds: float = 30.0
    memory_mib: int = 2048


class Sim(NamedTuple):
    """The simulated machine: how many devices, and the memory of each ("256MiB", "16GiB")."""

    devices: int = 1
    memory: str = "16GiB"


class Solution(NamedTuple):
    """The folder with the reference answer; its files are looked up when they are asked for."""

    folder: Path

    @property
    def answer(self) -> Path:
        return self.folder / "answer.py"

    @property
    def explanations(self) -> dict[str, Path]:
        return {"en": self.folder / "explanation.md", "zh": self.folder / "explanation.zh.md"}

    @property
    def accepts(self) -> tuple[Path, ...]:
        return tuple(sorted(self.folder.glob("accepts/*.py")))

    @property
    def rejects(self) -> tuple[Path, ...]:
        return tuple(sorted(self.folder.glob("rejects/*.py")))


class Exercise(NamedTuple):
    """One exercise, as everything else in ptquiz sees it."""

    number: int
    slug: str
    folder: Path
    topic: str
    level: str
    minutes: int
    device: str
    after: tuple[int, ...]
    needs: tuple[str, ...]
    limits: Limits
    sim: Sim
    title: Text
    prompt: Text
    hints: tuple[Text, ...]
    checks: tuple[CheckSpec, ...]
    stub: Path
    checks_file: Path
    solution: Solution

    @property
    def name(self) -> str:
        """The folder's name, which is also the learner's file without its suffix: "07_custom_loss"."""
        return self.folder.name


def load_exercise(folder: Path, solutions: Path | None = None, cache: Cache | None = None) -> Exercise:
    """The exercise in `folder`; raises BankError with file, line, field and remedy."""
    found = FOLDER.fullmatch(folder.name)
    if not found:
        raise BankError(
            f"{shown(folder)}: the folder's name must be number_slug, like 07_custom_loss",
            "Rename the folder: two digits, an underscore, lower-case words joined by underscores.",
        )
    path = folder / "exercise.yaml"
    kept = cache.get(path) if cache else None
    if kept is None:
        from ptquiz.schema import read_card

        kept = read_card(path, int(found[1]))
        if cache:
            cache.put(path, kept)
    solution = Solution((solutions or folder.parent.parent / "solutions") / folder.name)
    exercise = _exercise(kept, found[2], folder, solution)
    for needed in (exercise.stub, exercise.checks_file, solution.answer):
        if not needed.is_file():
            says = f"{shown(needed)}: this file is missing"
            raise BankError(says, f"Write {needed.name}; the README says how to add an exercise.")
    return exercise


def _exercise(card: dict[str, Any], slug: str, folder: Path, solution: Solution) -> Exercise:
    """Plain data that `ptquiz.schema` has checked, as an Exercise."""
    return Exercise(
        number=card["number"],
        slug=slug,
        folder=folder,
        topic=card["topic"],
        level=card["level"],
        minutes=card["minutes"],
        device=card["device"],
        after=tuple(card["after"]),
        needs=tuple(card["needs"]),
        limits=Limits(**card["limits"]),
        sim=Sim(**card["sim"] or {}),
        title=Text(**card["title"]),
        prompt=Text(**card["prompt"]),
        hints=tuple(Text(**hint) for hint in card["hints"]),
        checks=tuple(CheckSpec(c["name"], Text(**c["title"]), tuple(c["needs"])) for c in card["checks"]),
        stub=folder / "stub.py",
        checks_file=folder / "checks.py",
        solution=solution,
    )


class Bank:
    """The exercises of one root folder; each is read when it is first asked for."""

    def __init__(self, exercises: Path, solutions: Path) -> None:
        self.root, self.solutions = exercises, solutions
        self._loaded: dict[str, Exercise | BankError] = {}
        self._folders = sorted(_candidates(exercises))
        self._cache = Cache.of(exercises)

    def __iter__(self) -> Iterator[Exercise]:
        return iter(self.exercises)

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """Those that can be used, by number."""
        found = [e for e in map(self._load, self._folders) if isinstance(e, Exercise)]
        self._cache.save()
        return tuple(sorted(found, key=lambda e: e.number))

    @property
    def problems(self) -> tuple[BankError, ...]:
        """Why the other folders cannot."""
        broken = [e for e in map(self._load, self._folders) if isinstance(e, BankError)]
        return (*broken, *self._crossed())

    @property
    def names(self) -> tuple[str, ...]:
        """Folder names, without reading a file: "07_custom_loss"."""
        return tuple(name for name in self._folders if FOLDER.fullmatch(name))

    def find(self, query: str | int) -> Exercise:
        """The exercise with that number, slug or part of a slug that names one; raises UnknownExercise."""
        found = self._load(self.resolve(query))
        self._cache.save()
        if isinstance(found, BankError):
            raise found
        return found

    def numbered(self, number: int) -> Exercise | None:
        """The usable exercise with that number, if there is one; reads no other."""
        for name in self.names:
            if int(name.split("_")[0]) == number and isinstance(found := self._load(name), Exercise):
                return found
        return None

    def path(self) -> list[Exercise]:
        """All usable exercises by number, except that what stands in `after` comes first."""
        return learning_path(self.exercises)

    def resolve(self, query: str | int) -> str:
        """The folder name that `query` means."""
        text = str(query).strip().lower().replace("-", "_").replace(" ", "_").removesuffix(".py")
        names = self.names
        if text.isdecimal():
            return self._only([n for n in names if int(n.split("_")[0]) == int(text)], query)
        exact = [n for n in names if text in (n, n.split("_", 1)[1])]
        return self._only(exact or [n for n in names if text and text in n.split("_", 1)[1]], query)

    def _only(self, found: list[str], query: str | int) -> str:
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(found)
            raise UnknownExercise(
                (f"{query!r} means more than one exercise: {names}", f"{query!r} 对应多道题：{names}"),
                ("Give the number, or more of the name.", "请写题号，或把名字写全一些。"),
            )
        near = self._nearest(str(query))
        raise UnknownExercise(
            (f"There is no exercise {str(query)!r}.", f"没有 {str(query)!r} 这道题。"),
            (
                f"Did you mean {near}? `ptquiz list` shows all.",
                f"是不是想找 {near}？`ptquiz list` 列出全部题目。",
            )
            if near
            else ("`ptquiz list` shows all.", "`ptquiz list` 列出全部题目。"),
        )

    def _nearest(self, query: str) -> str:
        import difflib

        names = self.names
        if query.isdecimal():
            close = sorted(names, key=lambda n: abs(int(n.split("_")[0]) - int(query)))[:3]
        else:
            keys = {part: n for n in names for part in (*n.split("_")[1:], n.split("_", 1)[1], n)}
            hits = difflib.get_close_matches(query.lower().replace("-", "_"), keys, n=3, cutoff=0.5)
            close = list(dict.fromkeys(keys[h] for h in hits))
        return ", ".join(close)

    def _load(self, name: str) -> Exercise | BankError:
        if name not in self._loaded:
            try:
                self._loaded[name] = load_exercise(self.root / name, self.solutions, self._cache)
            except BankError as error:
                self._loaded[name] = error
        return self._loaded[name]

    def _crossed(self) -> list[BankError]:
        """What no folder can see alone: a number used twice, `after` without an end or a target."""
        found, by_number = [], {e.number: e for e in self.exercises}
        for e in self.exercises:
            if by_number[e.number] is not e:
                found.append(
                    _at(e.folder / "exercise.yaml", "number", f"number {e.number} is taken", "Renumber.")
                )
            for other in e.after:
                if other not in by_number and not any(n.startswith(f"{other:02}_") for n in self._folders):
                    says = f"after: there is no exercise {other}"
                    found.append(_at(e.folder / "exercise.yaml", "after", says, "Name one that exists."))
        if circle := _circle({n: e.after for n, e in by_number.items()}):
            says = "after goes in a circle: " + " → ".join(map(str, circle))
            path = by_number[circle[0]].folder / "exercise.yaml"
            found.append(_at(path, "after", says, "Remove one of them."))
        return found


def _at(path: Path, field: str, says: str, remedy: str) -> BankError:
    from ptquiz import schema  # only where something is wrong: it imports YAML

    return schema.at(path, field, says, remedy)


def _circle(after: dict[int, tuple[int, ...]]) -> list[int]:
    """A path that ends where it began, or nothing."""
    done: set[int] = set()

    def walk(at: int, path: list[int]) -> list[int]:
        if at in path:
            return [*path[path.index(at) :], at]
        if at in done:
            return []
        for other in after.get(at, ()):
            if found := walk(other, [*path, at]):
                return found
        done.add(at)
        return []

    return next((found for n in after if (found := walk(n, []))), [])


def _candidates(exercises: Path) -> Iterator[str]:
    """Every folder is meant as an exercise, unless it is hidden or a cache."""
    try:
        entries = list(os.scandir(exercises))
    except OSError as error:
        raise BankError(
            f"{shown(exercises)}: {error.strerror}", "Reinstall ptquiz, or set PTQUIZ_BANK."
        ) from None
    for entry in entries:
        if not entry.name.startswith((".", "__")) and entry.is_dir():
            yield entry.name


def bank_root() -> Path:
    """The folder that holds exercises/ and solutions/: $PTQUIZ_BANK, the package's data, or the checkout."""
    if own := os.environ.get("PTQUIZ_BANK"):
        return Path(own)
    here = Path(__file__).resolve().parent
    packaged = here / "data"
    return packaged if (packaged / "exercises").is_dir() else here.parent


def load_bank(root: Path | None = None) -> Bank:
    """The bank under `root` (a folder with exercises/ and solutions/), by default the one that came along."""
    root = bank_root() if root is None else Path(root)
    return Bank(root / "exercises", root / "solutions")


def learning_path(exercises: tuple[Exercise, ...]) -> list[Exercise]:
    """By number, except that what stands in `after` comes first."""
    by_number = {e.number: e for e in exercises}
    order: dict[int, None] = {}

    def visit(number: int, above: tuple[int, ...]) -> None:
        if number in order or number in above or number not in by_number:
            return
        for before in by_number[number].after:
            visit(before, (*above, number))
        order[number] = None

    for e in sorted(exercises, key=lambda e: e.number):
        visit(e.number, ())
    return [by_number[n] for n in order]
