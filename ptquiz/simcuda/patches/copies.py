"""Conversions: `.to`, `.cuda`, `.cpu`, `copy_`. Moving to another device keeps the gradient's way back."""

from __future__ import annotations

from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.placement import parse_type, resolve, type_name
from ptquiz.simcuda.storage import CPU, HOST, state_of

__all__ = ["install"]

Tensor = torch.Tensor
_to = torch.Tensor.to


class _Move(torch.autograd.Function):
    """A copy to another device; its gradient is copied back, to the device and type that it came from."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, machine: Machine, target: int, options: dict[str, Any]) -> Tensor:
        return _copied(machine, x, target, options)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, ctx.machine, _, _ = inputs
        ctx.source = _index(x)
        ctx.dtype = x.dtype

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        options = {"dtype": ctx.dtype}
        return moved(ctx.machine, grads[0], ctx.source, options), None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return None if tangents[0] is None else tangents[0].to(ctx.target)


_Move.__name__ = _Move.__qualname__ = "ToCopy"


def _index(tensor: Tensor) -> int:
    state = state_of(tensor)
    return CPU if state is None or state.device < 0 else state.device


def _copied(machine: Machine, x: Tensor, target: int, options: dict[str, Any]) -> Tensor:
    tls = machine.tls
    before, tls.placement = tls.placement, target
    try:
        return _to(x, device=HOST, copy=True, **options)
    finally:
        tls.placement = before


def moved(machine: Machine, x: Tensor, target: int, options: dict[str, Any]) -> Tensor:
    """A copy of `x` on the device `target` (CPU: the host), differentiable."""
    if x.requires_grad and torch.is_grad_enabled():
        out: Tensor = _Move.apply(x, machine, target, options)
        return out
    return _copied(machine, x, target, options)


def _parsed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments of `.to` by name; `device` and `dtype` of `other` filled in. None: nothing about a
    device."""
    names: tuple[str, ...] = ("device", "dtype", "non_blocking", "copy")
    if args and isinstance(args[0], Tensor):
        names = ("other", "non_blocking", "copy")
    elif args and isinstance(args[0], torch.dtype):
        names = ("dtype", "non_blocking", "copy")
    if len(args) > len(names):
        return None
    given = dict(zip(names, args, strict=False))
    if given.keys() & kwargs.keys():
        return None
    given.update(kwargs)
    if isinstance(given.get("other"), Tensor):
        other = given.pop("other")
        given["device"], given["dtype"] = other.device, other.dtype
    return given if given.get("device") is not None else None


def install(machine: Machine, patcher: Patcher) -> None:
    """`Tensor.to` and its relatives."""

    def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        given = None if kwargs.get("device") is HOST else _parsed(args, kwargs)
        if given is None:
            return _to(self, *args, **kwargs)
        target = resolve(machine, given.pop("device"))
        if target is None:
            return _to(self, *args, **kwargs)
        options = {name: value for name, value in given.items() if value is not None}
        if target == _index(self):
            return _to(self, **options) if options else self
        options.pop("copy", None)
        return moved(machine, self, target, options)

    _install_to(machine, patcher, to)
    _install_copy(machine, patcher)
    _install_type(machine, patcher)


def _install_to(machine: Machine, patcher: Patcher, to: Any) -> None:
    def cuda(
        self: Tensor,
        device: Any = None,
        non_blocking: bool = False,
        memory_format: Any = torch.preserve_format,
    ) -> Tensor:
        if device is None:
            device = machine.devices[machine.tls.device]
        elif not isinstance(device, int) and torch.device(device).type != "cuda":
            raise RuntimeError(f"Invalid device, must be cuda device, but got {torch.device(device)}")
        return to(self, device, non_blocking=non_blocking, memory_format=memory_format)  # type: ignore[no-any-return]

    def cpu(self: Tensor, memory_format: Any = torch.preserve_format) -> Tensor:
        return to(self, "cpu", memory_format=memory_format)  # type: ignore[no-any-return]

    patcher.set(Tensor, "to", to)
    patcher.set(Tensor, "cuda", cuda)
    patcher.set(Tensor, "cpu", cpu)


def _install_copy(machine: Machine, patcher: Patcher) -> None:
    original = Tensor.copy_

    def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
        if isinstance(src, Tensor) and src.requires_grad and torch.is_grad_enabled():
            there = _index(self)
            if there != _index(src):
                src = moved(machine, src, there, {"non_blocking": non_blocking})
        return original(self, src, non_blocking)

    patcher.set(Tensor, "copy_", copy_)


def _install_type(machine: Machine, patcher: Patcher) -> None:
    original = Tensor.type

    def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
        if dtype is None:
            return type_name(self, _index(self)) if self.is_cuda else original(self)
        wanted = parse_type(dtype)
        if wanted is None:
            return original(self, dtype, non_blocking, **kwargs)
        on_device, kind = wanted
        if on_device == self.is_cuda:
            return self.to(kind, non_blocking=non_blocking)
        return self.to("cuda" if on_device else "cpu", kind, non_blocking=non_blocking)

    patcher.set(Tensor, "type", type_)
