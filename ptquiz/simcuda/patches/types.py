"""The old type names: `torch.cuda.FloatTensor`, `isinstance(x, torch.cuda.FloatTensor)`, the default type."""

from __future__ import annotations

from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.placement import TYPES, parse_type

__all__ = ["install"]

Tensor = torch.Tensor
_Plain: Any = type(torch.FloatTensor)


class _OldType(type):
    """The type of `torch.cuda.FloatTensor`: calling it makes a tensor on the current device."""

    simulated_name: str
    dtype: torch.dtype

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.is_cuda and instance.dtype is cls.dtype

    def __call__(cls, *args: Any, device: Any = None, **kwargs: Any) -> Any:
        device = "cuda" if device is None else device
        if not args:
            return torch.empty(0, dtype=cls.dtype, device=device)
        if isinstance(args[0], (int, torch.Size)):
            return torch.empty(*args, dtype=cls.dtype, device=device)
        return torch.tensor(args[0], dtype=cls.dtype, device=device)

    def __repr__(cls) -> str:
        return f"<class '{cls.simulated_name}'>"


def install(machine: Machine, patcher: Patcher) -> None:
    """The type objects in torch.cuda, and whatever was left as the default device is taken back."""
    for dtype, name in TYPES.items():
        if dtype.is_complex:
            continue
        short = name.rpartition(".")[2]
        full = f"torch.cuda.{short}"
        old = _OldType(short, (), {"simulated_name": full, "dtype": dtype, "__module__": "torch.cuda"})
        patcher.set(torch.cuda, short, old)
    _default_type(patcher)


def _default_type(patcher: Patcher) -> None:
    original = torch.set_default_tensor_type
    device, dtype = torch.get_default_device(), torch.get_default_dtype()

    def set_default_tensor_type(kind: Any) -> None:
        wanted = parse_type(kind)
        if wanted is None or not wanted[0]:
            torch.set_default_device(None)
            original(kind)
            return
        torch.set_default_dtype(wanted[1])
        torch.set_default_device("cuda")

    def put_back() -> None:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)

    patcher.set(torch, "set_default_tensor_type", set_default_tensor_type)
    patcher.on_close(put_back)
