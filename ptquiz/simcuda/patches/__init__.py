"""What is replaced in torch while a simulated device is open: one module a subject, each with `install`.

`install(machine, patcher)` replaces attributes with `patcher.set(owner, name, value)`, which restores them on
leaving.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

__all__ = ["modules"]

# In this order; a later one may wrap what an earlier one has set.
_NAMES: tuple[str, ...] = (
    "device",
    "streams",
    "threads",
    "autograd",
    "memory",
    "tensors",
    "factories",
    "copies",
    "rng",
    "optim",
    "parallel",
    "serialization",
    "backends",
    "gradients",
    "amp",
    "types",
    "refused",
)


def modules() -> Iterator[ModuleType]:
    """The patch modules, imported at first use."""
    for name in _NAMES:
        yield import_module(f"ptquiz.simcuda.patches.{name}")
