"""Random numbers: torch.cuda's generators, and `torch.Generator("cuda")`."""

from __future__ import annotations

from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.placement import resolve
from ptquiz.simcuda.random import device_generator

__all__ = ["install"]

_Generator = torch.Generator


class _GeneratorType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _Generator)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, _Generator)


def install(machine: Machine, patcher: Patcher) -> None:
    """`torch.cuda.default_generators` and `torch.Generator`."""

    def new(cls: Any, device: Any = "cpu") -> Any:
        index = resolve(machine, device)
        if index is None or index < 0:
            return _Generator(device)
        return device_generator(machine.devices[index])

    generator = _GeneratorType("Generator", (), {"__new__": new, "__module__": "torch._C"})
    patcher.set(torch, "Generator", generator)
    patcher.set(torch.cuda, "default_generators", machine.random.generators)
