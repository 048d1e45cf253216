"""The devices' random number generators.

Each is a Mersenne twister of its own, as the CPU's is: equal seeds give equal numbers on the host and on
every device, which no real GPU promises.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import torch

__all__ = ["DeviceGenerator", "Random"]

_default = torch.default_generator
_Generator = torch.Generator
_known: dict[int, torch.device] = {}  # C++ hands generators on in new wrappers: known by their address


class DeviceGenerator(_Generator):
    """A generator that says it lives on a device."""

    _device: torch.device
    _cdata: int  # address of the C++ object

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where its numbers are drawn."""
        return self._device

    def clone_state(self) -> DeviceGenerator:
        """A generator in the same state."""
        other = device_generator(self._device)
        other.set_state(self.get_state())
        return other


def device_generator(device: torch.device) -> DeviceGenerator:
    """A fresh generator of the device."""
    generator = DeviceGenerator()
    generator._device = device
    _known[generator._cdata] = device
    weakref.finalize(generator, _known.pop, generator._cdata, None)
    return generator


class Random:
    """One generator a device; operators that take none borrow the default one for the time of the call."""

    def __init__(self, devices: list[torch.device]) -> None:
        self.generators = tuple(device_generator(device) for device in devices)
        for generator in self.generators:
            generator.manual_seed(_default.initial_seed())
        self._lock = threading.Lock()

    def run(self, device: int, plan: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the operator on the device's generator, or on an explicit one, which must be of the device."""
        if plan.generator:
            given = given_generator(args, kwargs)
            if given is None:
                kwargs = {**kwargs, "generator": self.generators[device]}
            elif kind_of(given) != "cuda":
                raise wrong_generator("cuda", given)
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


def given_generator(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The generator among an operator's arguments, if there is one."""
    given = kwargs.get("generator")
    if given is None:
        given = next((a for a in args if isinstance(a, _Generator)), None)
    return given


def kind_of(generator: Any) -> str:
    """The type of device that a generator belongs to."""
    return "cuda" if generator._cdata in _known else "cpu"


def wrong_generator(wanted: str, given: Any) -> RuntimeError:
    """What PyTorch says of a generator that belongs to another kind of device."""
    return RuntimeError(f"Expected a '{wanted}' device type for generator but found '{kind_of(given)}'")
