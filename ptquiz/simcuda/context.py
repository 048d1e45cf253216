"""Opening and closing the simulated device: patch torch, enter the mode, and put everything back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _pop_mode, _push_mode

from ptquiz.simcuda import patches, storage
from ptquiz.simcuda.dispatch import SimMode
from ptquiz.simcuda.machine import Machine

__all__ = ["Patcher", "current_machine", "simulated_cuda"]

_MISSING: Any = object()
_opening = threading.Lock()
_current: Machine | None = None


def current_machine() -> Machine | None:
    """The machine that is open, if one is."""
    return _current


class Patcher:
    """Replaces attributes, and restores every one of them in reverse order."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []
        self._calls: list[Any] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Sets `owner.name`, noting what `owner` itself had there (an inherited attribute counts as
        nothing)."""
        self._undo.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)

    def on_close(self, call: Any) -> None:
        """Calls `call()` when the device is closed, before the attributes are restored; last come, first
        served."""
        self._calls.append(call)

    def restore(self) -> None:
        """Puts everything back; one failing closer does not keep the others from running."""
        failed: BaseException | None = None
        while self._calls:
            try:
                self._calls.pop()()
            except BaseException as error:
                failed = failed or error
        while self._undo:
            owner, name, value = self._undo.pop()
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
        if failed is not None:
            raise failed


@contextmanager
def simulated_cuda(devices: int = 1, memory: str | int = "16GiB") -> Iterator[Machine]:
    """Opens a simulated machine with `devices` GPUs of `memory` each; yields the Machine.

    Inside, unmodified `torch.cuda` code runs. Raises RuntimeError when one is already open, ValueError for a
    size that cannot be read. On leaving, everything in torch is as it was.
    """
    global _current
    machine = Machine(devices, memory)
    with _opening:
        if _current is not None:
            raise RuntimeError("a simulated CUDA device is already open")
        _current = machine
    patcher = Patcher()
    mode = SimMode(machine)
    machine.mode = mode
    entered = False
    try:
        patcher.set(torch.UntypedStorage, storage.ATTRIBUTE, None)
        for module in patches.modules():
            module.install(machine, patcher)
        _push_mode(mode)
        entered = True
        yield machine
    finally:
        try:
            if entered:
                _pop_mode()
            machine.close()
        finally:
            patcher.restore()
            _current = None
