"""Files and copies of storages: the tag `cuda:0`, `map_location`, deepcopy, pickle."""

from __future__ import annotations

from typing import Any

import torch
from torch import serialization

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.copying import read_by_host, transfer
from ptquiz.simcuda.errors import not_modelled
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.placement import resolve
from ptquiz.simcuda.storage import ATTRIBUTE, CPU

__all__ = ["install"]

_Storage: Any = torch.UntypedStorage


def install(machine: Machine, patcher: Patcher) -> None:
    """Storage tags, and the storages' own ways to other places."""
    _tags(machine, patcher)
    _storages(machine, patcher)


def _tags(machine: Machine, patcher: Patcher) -> None:
    def tag(storage: Any) -> str | None:
        index = storage.get_device() if isinstance(storage, _Storage) else -1
        return f"cuda:{index}" if index >= 0 else None

    def restore(storage: Any, location: str) -> Any:
        if not location.startswith("cuda"):
            return None
        return move(machine, storage, _checked(machine, location))

    before = list(serialization._package_registry)
    serialization.register_package(0, tag, restore)
    patcher.on_close(lambda: serialization._package_registry.__setitem__(slice(None), before))


def _checked(machine: Machine, location: str) -> int:
    """The index of a tag. Raises torch.load's error for a device that is not there."""
    index = torch.device(location).index
    index = machine.tls.device if index is None else index
    if index >= machine.count:
        raise RuntimeError(
            f"Attempting to deserialize object on CUDA device {index} but torch.cuda.device_count() is "
            f"{machine.count}. Please use torch.load with map_location to map your storages to an existing "
            "device."
        )
    return index


def view(storage: Any) -> torch.Tensor:
    """The storage's bytes as a tensor that shares them."""
    return torch.empty(0, dtype=torch.uint8).set_(storage)


def move(machine: Machine, storage: Any, target: int, non_blocking: bool = False) -> Any:
    """A copy of the storage on the device `target`, or on the host."""
    out = _Storage(storage.nbytes())
    if storage.nbytes():
        with torch.no_grad():
            machine.tls.paused += 1
            try:
                here, there = view(storage), view(out)
                there.copy_(here)
            finally:
                machine.tls.paused -= 1
    else:
        here, there = torch.empty(0), torch.empty(0)
    to = machine.place(there, target) if target >= 0 and storage.nbytes() else None
    if target >= 0 and to is None:
        setattr(out, ATTRIBUTE, machine.allocate(target, 0))
    elif storage.nbytes():
        transfer(machine, there, to, here, storage._simcuda, non_blocking)
    return out


def _storages(machine: Machine, patcher: Patcher) -> None:
    originals = {
        name: getattr(_Storage, name) for name in ("cpu", "clone", "tolist", "resize_", "to", "copy_")
    }

    def where(storage: Any) -> int:
        index: int = storage.get_device()
        return index if index >= 0 else CPU

    def to(self: Any, *, device: Any, non_blocking: bool = False) -> Any:
        target = resolve(machine, device)
        if target is None:
            return originals["to"](self, device=device, non_blocking=non_blocking)
        return self if target == where(self) else move(machine, self, target, non_blocking)

    def cuda(self: Any, device: Any = None, non_blocking: bool = False) -> Any:
        return to(self, device="cuda" if device is None else device, non_blocking=non_blocking)

    def clone(self: Any) -> Any:
        return move(machine, self, where(self)) if where(self) >= 0 else originals["clone"](self)

    def copy_(self: Any, source: Any, non_blocking: Any = None) -> Any:
        if where(self) < 0 and where(source) < 0:
            return originals["copy_"](self, source, non_blocking)
        with torch.no_grad():
            view(self).copy_(view(source), bool(non_blocking))
        return self

    def tolist(self: Any) -> Any:
        if where(self) >= 0:
            read_by_host(machine, view(self), "UntypedStorage.tolist")
        return originals["tolist"](self)

    def resize_(self: Any, size: int) -> Any:
        originals["resize_"](self, size)
        if where(self) >= 0:
            machine.resized(self)
        return self

    patcher.set(_Storage, "to", to)
    patcher.set(_Storage, "cuda", cuda)
    patcher.set(_Storage, "cpu", lambda self: to(self, device="cpu"))
    patcher.set(_Storage, "clone", clone)
    patcher.set(_Storage, "copy_", copy_)
    patcher.set(_Storage, "tolist", tolist)
    patcher.set(_Storage, "resize_", resize_)
    patcher.set(_Storage, "_share_cuda_", _no_sharing)


def _no_sharing(self: Any, *args: Any, **kwargs: Any) -> Any:
    not_modelled("sharing device memory between processes (CUDA IPC)")
