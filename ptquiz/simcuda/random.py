"""The devices' random number generators. Each is a Mersenne twister of its own, as the CPU's is: equal seeds give
equal numbers on the host and on every device, which no real GPU promises."""

from __future__ import annotations

import threading
from typing import Any

import torch

__all__ = ["Random"]

_default = torch.default_generator


class Random:
    """One generator a device; operators that take none borrow the default generator for the time of the call."""

    def __init__(self, devices: int) -> None:
        self.generators = [torch.Generator() for _ in range(devices)]
        for generator in self.generators:
            generator.manual_seed(_default.initial_seed())
        self._lock = threading.Lock()

    def run(self, device: int, plan: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the operator on the device's generator. An explicit generator stays what it is."""
        if plan.generator:
            if kwargs.get("generator") is None and not any(isinstance(a, torch._C.Generator) for a in args):
                kwargs = {**kwargs, "generator": self.generators[device]}
            return plan.func(*args, **kwargs)
        own = self.generators[device]
        with self._lock:
            saved = _default.get_state()
            _default.set_state(own.get_state())
            try:
                return plan.func(*args, **kwargs)
            finally:
                own.set_state(_default.get_state())
                _default.set_state(saved)
