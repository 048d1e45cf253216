"""Notices when a submission replaces what checks and graders stand on, names it, and puts it back."""

from __future__ import annotations

import builtins
import functools
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


class Guard:
    """A snapshot of what is stood on; `changes` says what was replaced since, and restores it."""

    def __init__(self, *extra: types.ModuleType) -> None:
        self._owners = [(owner, label, _guarded(owner)) for owner, label in _owners(extra)]
        self._classes = [(cls, _named(cls), frozenset(vars(cls))) for cls in _CLASSES]
        functions = {id(f): f for _, _, names in self._owners for f in _functions(names)}
        self._bodies = [(f, f.__code__, f.__defaults__, f.__kwdefaults__) for f in functions.values()]

    def changes(self) -> list[str]:
        """What was replaced, as `torch.allclose` and so on; everything is put back."""
        found = []
        for owner, label, names in self._owners:
            current = vars(owner)
            for name, value in names.items():
                if current.get(name) is not value and not _allowed(name, value, current.get(name)):
                    found.append(f"{label}.{name}".removeprefix("builtins."))
                    setattr(owner, name, value)
        for cls, label, known in self._classes:
            if len(vars(cls)) != len(known):
                found += _uncovered(cls, label, known)
        for function, code, defaults, keywords in self._bodies:
            if function.__code__ is not code or function.__defaults__ is not defaults:
                found.append(f"{function.__module__}.{function.__qualname__}")
                function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, keywords
        return found


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


def _owners(extra: tuple[types.ModuleType, ...]) -> Iterator[tuple[Any, str]]:
    for name in _MODULES:
        if name in sys.modules:
            yield sys.modules[name], name
    for cls in _CLASSES:
        yield cls, _named(cls)
    for name in ("SGD", "Adam", "AdamW", "Optimizer"):
        yield getattr(torch.optim, name), f"torch.optim.{name}"
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("pytest", "_pytest", "pluggy") or name.startswith("ptquiz."):
            yield from _with_classes(module, name)
    for module in extra:
        yield from _with_classes(module, "checks")


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
