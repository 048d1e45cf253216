"""Exercise folders, found, parsed and validated into frozen objects.

A folder is read once, by `load_exercise`, and refused with file, line, field and remedy where it breaks the
format. What needs more than `exercise.yaml` (the checks' source, the solutions) is looked
at in `ptquiz.lint`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from ptquiz.errors import BankError, UnknownExercise

LEVELS = ("easy", "medium", "hard")
TOPICS = ("fundamentals", "distributed", "devices", "memory", "streams")
FOLDER = re.compile(r"(\d{2,})_([a-z][a-z0-9_]*)")

Written = Annotated[str, Meta(pattern=r"\S")]
Positive = Annotated[float, Meta(gt=0)]


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    """One text in English and in Chinese."""

    en: Written
    zh: Written

    def get(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


class CheckSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One check: the test function's name, its title, and the earlier checks it stands on."""

    name: Annotated[str, Meta(pattern=r"^test_\w+$")]
    title: Text
    needs: tuple[str, ...] = ()


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Time for one check and for all, in seconds; resident memory beyond the start, in MiB."""

    check_seconds: Positive = 10.0
    total_seconds: Positive = 30.0
    memory_mib: Annotated[int, Meta(ge=1)] = 2048


class Sim(Struct, frozen=True, forbid_unknown_fields=True):
    """The simulated machine: how many devices, and the memory of each ("256MiB", "16GiB")."""

    devices: Annotated[int, Meta(ge=1, le=16)] = 1
    memory: Annotated[str, Meta(pattern=r"^[1-9]\d*(KiB|MiB|GiB)$")] = "16GiB"


class Card(Struct, frozen=True, forbid_unknown_fields=True):
    """What exercise.yaml holds, field for field."""

    number: Annotated[int, Meta(ge=1)]
    topic: Literal["fundamentals", "distributed", "devices", "memory", "streams"]
    level: Literal["easy", "medium", "hard"]
    minutes: Annotated[int, Meta(ge=1)]
    device: Literal["cpu", "gpu"]
    title: Text
    prompt: Text
    hints: Annotated[tuple[Text, ...], Meta(min_length=2, max_length=4)]
    checks: Annotated[tuple[CheckSpec, ...], Meta(min_length=1)]
    after: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    limits: Limits = Limits()
    sim: Sim | None = None


class Solution(Struct, frozen=True):
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


class Exercise(Struct, frozen=True):
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


def load_exercise(folder: Path, solutions: Path | None = None) -> Exercise:
    """The exercise in `folder`; raises BankError with file, line, field and remedy."""
    number, slug = _folder_name(folder)
    path = folder / "exercise.yaml"
    card = _read_card(path)
    _consistent(card, number, path)
    solution = (solutions or folder.parent.parent / "solutions") / folder.name
    exercise = Exercise(
        number=card.number,
        slug=slug,
        folder=folder,
        topic=card.topic,
        level=card.level,
        minutes=card.minutes,
        device=card.device,
        after=card.after,
        needs=card.needs,
        limits=card.limits,
        sim=card.sim or Sim(),
        title=card.title,
        prompt=card.prompt,
        hints=card.hints,
        checks=card.checks,
        stub=folder / "stub.py",
        checks_file=folder / "checks.py",
        solution=Solution(solution),
    )
    _files_present(exercise)
    return exercise


def _folder_name(folder: Path) -> tuple[int, str]:
    found = FOLDER.fullmatch(folder.name)
    if not found:
        raise BankError(
            f"{shown(folder)}: the folder's name must be number_slug, like 07_custom_loss",
            "Rename the folder: two digits, an underscore, lower-case words joined by underscores.",
        )
    return int(found[1]), found[2]


def _files_present(exercise: Exercise) -> None:
    for path in (exercise.stub, exercise.checks_file, exercise.solution.answer):
        if not path.is_file():
            raise BankError(
                f"{shown(path)}: this file is missing", f"Write {path.name} (README: adding one)."
            )


def _read_card(path: Path) -> Card:
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BankError(f"{shown(path)}: this file is missing", "Write exercise.yaml.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BankError(f"{shown(path)}:{line}: not UTF-8", "Save the file as UTF-8.") from None
    except OSError as error:
        raise BankError(f"{shown(path)}: {error.strerror}", "Make the file readable.") from None
    try:
        return msgspec.convert(yaml.load(source, Loader=_Loader), Card)
    except yaml.YAMLError as error:
        raise _not_yaml(path, error) from None
    except msgspec.ValidationError as error:
        raise _explained(path, source, str(error)) from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """libyaml's loader (ten times the speed), which also refuses a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        found = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            _refuse_twice(node)
        return found


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
        seen.add(key.value)


def _not_yaml(path: Path, error: yaml.YAMLError) -> BankError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = f":{mark.line + 1}" if mark else ""
    return BankError(
        f"{shown(path)}{line}: not valid YAML: {problem}",
        "Mend that line; texts of more than a line are block scalars (`en: |`).",
    )


def _explained(path: Path, source: str, problem: str) -> BankError:
    """Turn msgspec's sentence about `$.checks[0].title` into file, line, field and remedy."""
    what, _, where = problem.rpartition(" - at `")
    if not what:
        what, where = problem, "$"
    if where.startswith("key"):  # "key` in `$…": where is no path to it
        what, where = "the fields' names must be text", "$"
    steps = [int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]`$]+", where)]
    root = yaml.compose(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    missing = re.match(r"Object (?:missing required|contains unknown) field `(\w+)`", what)
    line, value = _locate(root, [*steps, missing[1]] if missing and "unknown" in what else steps)
    field = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps).lstrip(".")
    says, remedy = _sentence(what, field, value)
    return BankError(f"{shown(path)}:{line}: {says}", remedy)


def _locate(node: yaml.Node | None, steps: list[Any]) -> tuple[int, str]:
    """The line of the node at the end of `steps`, and its text where it is a scalar."""
    line = 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line, node.value if isinstance(node, yaml.ScalarNode) else ""


_REMEDIES = {
    "level": f"must be one of {', '.join(LEVELS)}",
    "topic": f"must be one of {', '.join(TOPICS)}",
    "device": "must be one of cpu, gpu",
    "name": "must be the name of a test function, like test_gradient",
    "memory": "must be a size like 256MiB or 16GiB",
    "hints": "must hold two to four hints",
    "checks": "must list every test function of checks.py",
    "en": "must be a text that is not empty",
    "zh": "must be a text that is not empty",
}


def _sentence(what: str, field: str, value: str) -> tuple[str, str]:
    inside = f"{field}: " if field else ""
    if found := re.match(r"Object missing required field `(\w+)`", what):
        both = found[1] in {"en", "zh", "title", "prompt"}
        remedy = "Add it; every text exists in en and in zh." if both else f"Add `{found[1]}: …`."
        return f"{inside}{found[1]} is missing", remedy
    if found := re.match(r"Object contains unknown field `(\w+)`", what):
        owner = {"limits": Limits, "sim": Sim, "": Card}.get(field, CheckSpec if "checks" in field else Text)
        owner = Text if field.endswith("title") else owner
        known = ", ".join(owner.__struct_fields__)
        return f"{inside}unknown field {found[1]}", f"Remove it or mend its name; known here: {known}."
    got = f" (got {value!r})" if value else ""
    last = re.split(r"[.\[]", field)[-1]
    expected = _REMEDIES.get(last) or "must be " + what.removeprefix("Expected ").replace("`", "")
    expected = expected.replace(", got ", ", not ")
    return f"{field or 'the file'} {expected}{got}", "Change the value on that line."


def _consistent(card: Card, number: int, path: Path) -> None:
    """What one field says about another."""
    if card.number != number:
        raise _at(
            path,
            "number",
            f"number is {card.number}, but the folder's name says {number}",
            "Make them equal.",
        )
    if card.sim and card.device == "cpu":
        raise _at(path, "sim", "sim is only for device: gpu", "Remove sim, or say device: gpu.")
    if card.number in card.after:
        raise _at(path, "after", "after names the exercise itself", "Remove it from after.")
    earlier: set[str] = set()
    for at, check in enumerate(card.checks):
        if check.name in earlier:
            raise _at(path, "checks", f"checks[{at}]: {check.name} is there twice", "Remove one.", at)
        if unknown := [n for n in check.needs if n not in earlier]:
            raise _at(
                path,
                "checks",
                f"checks[{at}].needs: {unknown[0]} is no earlier check",
                f"Name one of the checks above it: {', '.join(sorted(earlier)) or 'there is none'}.",
                at,
            )
        earlier.add(check.name)


def _at(path: Path, field: str, says: str, remedy: str, *more: int) -> BankError:
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    line, _ = _locate(root, [field, *more])
    return BankError(f"{shown(path)}:{line}: {says}", remedy)


def shown(path: Path) -> str:
    """A path as one would write it here: relative where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


class Bank:
    """The exercises of one root folder; each is read when it is first asked for."""

    def __init__(self, exercises: Path, solutions: Path) -> None:
        self.root, self.solutions = exercises, solutions
        self._loaded: dict[str, Exercise | BankError] = {}
        self._folders = sorted(_candidates(exercises))

    def __iter__(self) -> Iterator[Exercise]:
        return iter(self.exercises)

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """Those that can be used, by number."""
        found = [e for e in map(self._load, self._folders) if isinstance(e, Exercise)]
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
                self._loaded[name] = load_exercise(self.root / name, self.solutions)
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
