"""What exercise.yaml may say: decoded into one frozen struct, or refused with line, field and remedy.

Imported only when a folder is read for the first time or has changed; see `ptquiz.bank`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from ptquiz.errors import BankError, shown

LEVELS = ("easy", "medium", "hard")
TOPICS = ("fundamentals", "distributed", "devices", "memory", "streams")

Written = Annotated[str, Meta(pattern=r"\S")]
Positive = Annotated[float, Meta(gt=0)]


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    """One text in English and in Chinese."""

    en: Written
    zh: Written


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


def read_card(path: Path, number: int) -> dict[str, Any]:
    """The checked content of one exercise.yaml as plain data; raises BankError."""
    card = _read(path)
    _consistent(card, number, path)
    found: dict[str, Any] = msgspec.to_builtins(card)
    return found


def _read(path: Path) -> Card:
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
        raise at(
            path,
            "number",
            f"number is {card.number}, but the folder's name says {number}",
            "Make them equal.",
        )
    if card.sim and card.device == "cpu":
        raise at(path, "sim", "sim is only for device: gpu", "Remove sim, or say device: gpu.")
    if card.number in card.after:
        raise at(path, "after", "after names the exercise itself", "Remove it from after.")
    earlier: set[str] = set()
    for index, check in enumerate(card.checks):
        if check.name in earlier:
            raise at(path, "checks", f"checks[{index}]: {check.name} is there twice", "Remove one.", index)
        if unknown := [n for n in check.needs if n not in earlier]:
            raise at(
                path,
                "checks",
                f"checks[{index}].needs: {unknown[0]} is no earlier check",
                f"Name one of the checks above it: {', '.join(sorted(earlier)) or 'there is none'}.",
                index,
            )
        earlier.add(check.name)


def at(path: Path, field: str, says: str, remedy: str, *more: int) -> BankError:
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    line, _ = _locate(root, [field, *more])
    return BankError(f"{shown(path)}:{line}: {says}", remedy)
