"""The state of the process that a submission can change, put back before each check."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

# (read, write) of the switches of torch that a submission might leave changed.
_SWITCHES: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, torch._C._set_grad_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    (lambda: torch.is_autocast_enabled("cpu"), lambda on: torch.set_autocast_enabled("cpu", on)),
    (lambda: torch.get_deterministic_debug_mode(), lambda mode: torch.set_deterministic_debug_mode(mode)),
)
_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGCHLD", "SIGPIPE")
    if hasattr(signal, name)
)


class State:
    """Taken once before the submission is imported; `restore` makes it so again."""

    def __init__(self) -> None:
        self._switches = [(read(), read, write) for read, write in _SWITCHES]
        self._environment = dict(os.environ)
        self._path, self._argv = list(sys.path), list(sys.argv)
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._filters = list(warnings.filters)
        self._recursion, self._umask = sys.getrecursionlimit(), _umask()
        self._hooks = sys.excepthook, threading.excepthook, sys.displayhook, sys.unraisablehook
        self._signals = [(number, signal.getsignal(number)) for number in _SIGNALS]
        self._modes = _modes()

    def restore(self, folder: Path, seed: int) -> None:
        """Back to the beginning, in `folder`, with every generator seeded by `seed`."""
        with contextlib.suppress(Exception):
            torch.set_default_device(None)
        _drop_modes(self._modes)
        for value, read, write in self._switches:
            if read() != value:
                write(value)
        self._python()
        os.chdir(folder)
        seed_all(seed)

    def _python(self) -> None:
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        sys.path[:], sys.argv[:] = self._path, self._argv
        sys.stdin, sys.stdout, sys.stderr = self._streams
        warnings.filters[:] = self._filters  # type: ignore[index]
        sys.setrecursionlimit(self._recursion)
        os.umask(self._umask)
        sys.excepthook, threading.excepthook, sys.displayhook, sys.unraisablehook = self._hooks
        sys.settrace(None)
        sys.setprofile(None)
        gc.enable()
        for number, handler in self._signals:
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def seed_all(seed: int) -> None:
    """Seed torch's, Python's and, where it is loaded, numpy's global generator."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        numpy.random.seed(seed % 2**32)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _modes() -> tuple[int, int]:
    return torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()


def _drop_modes(wanted: tuple[int, int]) -> None:
    """Leave the function and dispatch modes that a submission entered and did not leave."""
    while torch._C._len_torch_function_stack() > wanted[0]:
        torch._C._pop_torch_function_stack()
    while torch._C._len_torch_dispatch_stack() > wanted[1]:
        torch._C._pop_torch_dispatch_stack(None)
