"""Notices when a submission replaces what checks and graders stand on, names it, and puts it back."""

from __future__ import annotations

import builtins
import functools
import operator
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

# Whole modules whose functions and classes checks use; and classes whose methods they use.
_MODULES = """
    builtins math operator random copy functools itertools inspect threading time
    torch torch._C torch._tensor torch.functional torch.nn torch.nn.functional torch.nn.init
    torch.nn.modules.module torch.testing torch.testing._comparison torch.autograd torch.autograd.graph
    torch.autograd.gradcheck torch.autograd.function torch.optim torch.random torch.serialization
    torch.func torch.overrides torch.utils.data torch.linalg torch.special torch.utils.checkpoint
""".split()  # noqa: SIM905  (a list literal of forty strings is no easier to read)
_CLASSES = (
    torch.Tensor,
    torch.nn.Module,
    torch.nn.Parameter,
    torch.Generator,
    torch.Size,
    torch.autograd.Function,
)
_CODE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
# Meant to be assigned to, or changed by Python itself.
_FREE = ("__annotate__", "__annotations__", "excepthook")
_GUARDED = (*_CODE, type, types.GetSetDescriptorType, classmethod, staticmethod, property, types.MethodType)


_is, _code = operator.is_, operator.attrgetter("__code__")
_BUILTINS = dict(vars(builtins))


def _restored_builtins() -> list[str]:
    """The builtins that were replaced; they are put back, without the help of any of them."""
    found = []
    space = builtins.__dict__
    for name, value in _BUILTINS.items():
        if name != "_" and space.get(name) is not value:
            found.append(name)
            space[name] = value
    return found


class Guard:
    """A snapshot of what is stood on; `changes` says what was replaced since, and restores it."""

    def __init__(self, *extra: types.ModuleType) -> None:
        checks = (pair for module in extra for pair in _with_classes(module, "checks"))
        self._parts = [*_ahead, _Part([*_torchs(), *_graders(_seen_ahead), *checks])]
        self._classes = [(cls, _named(cls), frozenset(vars(cls))) for cls in _CLASSES]

    def changes(self) -> list[str]:
        """What was replaced, as `torch.allclose` and so on; everything is put back."""
        found = _restored_builtins()  # first: what follows is written with them
        for part in self._parts:
            if not part.kept():
                found += [*part.replaced(), *part.rewritten()]
        for cls, label, known in self._classes:
            if len(vars(cls)) != len(known):
                found += _uncovered(cls, label, known)
        return found


_ahead: list[_Part] = []
_seen_ahead: set[str] = set()


def take_ahead() -> None:
    """Take the part of the snapshot that all gradings share, before the fork: its pages stay shared."""
    _ahead[:] = [_Part(_graders(set()))]
    _seen_ahead.update(name for name, _ in _grader_modules())


class _Part:
    """The snapshot of some modules and classes."""

    def __init__(self, owners: Iterable[tuple[Any, str]]) -> None:
        self._owners = [(owner, label, _guarded(owner)) for owner, label in owners]
        functions = {id(f): f for _, _, names in self._owners for f in _functions(names)}
        self._bodies = [(f, _Body.of(f)) for f in functions.values()]
        self._spaces = [_Space(vars(owner), names) for owner, _, names in self._owners]
        self._functions, self._codes = list(functions.values()), [body.code for _, body in self._bodies]
        self._rare = [(f, b) for f, b in self._bodies if b.defaults is not None or b.keywords is not None]

    def kept(self) -> bool:
        """Whether everything is as it was: a thousandth of a second for some ten thousand objects.

        It runs before and after every check. So it loops in C, over memory in its order, and leaves out what
        a function does not have; and it compares by identity: a stranger's `==` is not asked.
        """
        return (
            all(space.kept() for space in self._spaces)
            and all(map(_is, map(_code, self._functions), self._codes))
            and all(body.kept(function) for function, body in self._rare)
        )

    def replaced(self) -> Iterator[str]:
        for owner, label, names in self._owners:
            current = vars(owner)
            for name, value in names.items():
                if current.get(name) is not value and not _allowed(name, value, current.get(name)):
                    yield f"{label}.{name}".removeprefix("builtins.")
                    setattr(owner, name, value)

    def rewritten(self) -> Iterator[str]:
        for function, body in self._bodies:
            if not body.kept(function):
                yield f"{function.__module__}.{function.__qualname__}"
                body.restore(function)


class _Body(NamedTuple):
    """What a function does: its code, and the values of its parameters that a call leaves out."""

    code: types.CodeType
    defaults: tuple[Any, ...] | None
    keywords: dict[str, Any] | None
    values: dict[str, Any]

    @classmethod
    def of(cls, function: types.FunctionType) -> _Body:
        keywords = function.__kwdefaults__
        return cls(function.__code__, function.__defaults__, keywords, dict(keywords or {}))

    def kept(self, function: types.FunctionType) -> bool:
        same = function.__code__ is self.code and function.__defaults__ is self.defaults
        return same and function.__kwdefaults__ is self.keywords and self.kept_values()

    def kept_values(self) -> bool:
        now = self.keywords or {}
        return list(now) == list(self.values) and all(map(_is, now.values(), self.values.values()))

    def restore(self, function: types.FunctionType) -> None:
        if self.keywords is not None:
            self.keywords.clear()
            self.keywords.update(self.values)
        function.__code__, function.__defaults__ = self.code, self.defaults
        function.__kwdefaults__ = self.keywords


class _Space:
    """The guarded names of one module or class."""

    def __init__(self, space: Mapping[str, Any], names: dict[str, Any]) -> None:
        self._space, self._names, self._values = space, tuple(names), tuple(names.values())
        self._all = tuple(space.values())

    def kept(self) -> bool:
        """First over all that is there, in its order; names are looked up only where something is new."""
        now = self._space
        if len(now) == len(self._all) and all(map(_is, now.values(), self._all)):
            return True
        return all(map(_is, map(now.get, self._names), self._values))


def _uncovered(cls: type, label: str, known: frozenset[str]) -> list[str]:
    """Names that were put on a class and hide inherited ones; they are removed."""
    found = []
    for name in set(vars(cls)) - known:
        inherited = getattr(cls.__base__, name, None)
        hides = isinstance(inherited, _GUARDED) or callable(inherited)  # copy keeps a list, `__slotnames__`
        if hides and not _allowed(name, inherited, vars(cls)[name]):
            found.append(f"{label}.{name}")
            delattr(cls, name)
    return found


def _torchs() -> Iterator[tuple[Any, str]]:
    """Python's and torch's modules and classes; the simulated device has replaced some of it by now."""
    for name in _MODULES:
        if name in sys.modules:
            yield sys.modules[name], name
    for cls in _CLASSES:
        yield cls, _named(cls)
    for name in ("SGD", "Adam", "AdamW", "Optimizer"):
        yield getattr(torch.optim, name), f"torch.optim.{name}"


def _graders(seen: set[str]) -> Iterator[tuple[Any, str]]:
    """pytest's modules and our own, with their classes."""
    for name, module in _grader_modules():
        if name not in seen:
            yield from _with_classes(module, name)


def _grader_modules() -> list[tuple[str, types.ModuleType]]:
    ours = ("pytest", "_pytest", "pluggy", "ptquiz")
    return [(name, module) for name, module in list(sys.modules.items()) if name.split(".")[0] in ours]


def _named(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}".replace("torch._tensor", "torch")


def _with_classes(module: types.ModuleType, label: str) -> Iterator[tuple[Any, str]]:
    yield module, label
    for name, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield value, f"{label}.{name}"


def _guarded(owner: Any) -> dict[str, Any]:
    ours = getattr(owner, "__name__", "").startswith(("pytest", "_pytest", "ptquiz"))
    return {
        name: value
        for name, value in vars(owner).items()
        if (isinstance(value, _GUARDED) or (ours and callable(value))) and name not in _FREE
    }


def _functions(names: dict[str, Any]) -> Iterator[types.FunctionType]:
    for value in names.values():
        inner = getattr(value, "__func__", value)
        if isinstance(inner, types.FunctionType):
            yield inner


_HOME = str(Path(torch.__file__).parent)


def _allowed(name: str, old: Any, new: Any) -> bool:
    """torch itself wraps some of its functions, under the same name, when a part of it is first used."""
    if new is None or builtins.isinstance(new, functools.partial):
        return False
    if isinstance(old, type) and isinstance(new, type):  # torch.Storage follows the default dtype
        return name == "Storage" and (new.__module__ or "").startswith("torch")
    inner = getattr(new, "__func__", new)
    code = getattr(inner, "__code__", None)
    return code is not None and code.co_filename.startswith(_HOME) and _called(inner) == _called(old)


def _called(value: Any) -> str:
    return str(getattr(getattr(value, "__func__", value), "__name__", ""))
