"""Where a tensor lives: state kept on its storage.

Every tensor is an ordinary CPU tensor. What makes one a device tensor is a `State` on its
`untyped_storage()`, which lives exactly as long as the memory, views and the autograd graph included.
Storages without one (the class says None while a simulated device is open) belong to the ordinary host.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import torch

from ptquiz.simcuda.core.footprint import Footprint, strided
from ptquiz.simcuda.errors import not_modelled

__all__ = [
    "ATTRIBUTE",
    "CPU",
    "FLOATING",
    "HOST",
    "PINNED",
    "State",
    "footprint",
    "state_of",
    "storage_of",
    "unwrapped",
]

ATTRIBUTE = "_simcuda"
PINNED = -1  # the space of pinned host memory, as the engine counts spaces
CPU = -2  # ordinary host memory
HOST = torch.device("cpu")
"""This very object as `device=` means: one of our wrappers is calling, and has said where in
`tls.placement`. A torch function mode hands such a call to the wrapper once more."""


class State:
    """What the simulated machine knows of one piece of memory.

    `device`: index of the device, or PINNED. `block`: the allocator's. `address`: of the first byte.
    `nbytes`: what was asked for. When the memory goes, the block is put on `freed`, and the next operation
    gives it back: Python may run this in any thread and in the middle of anything, so that nothing else
    may happen here.
    """

    __slots__ = ("address", "block", "device", "floating", "freed", "nbytes")

    def __init__(self, device: int, block: Any, nbytes: int, freed: deque[Any] | None) -> None:
        self.device = device
        self.block = block
        self.address: int = block.address if block is not None else 0
        self.nbytes = nbytes
        self.freed = freed
        self.floating = False  # it joins whatever it is used with; until then `device` is a guess

    def __del__(self) -> None:
        if self.freed is not None:
            self.freed.append((self.device, self.block))


FLOATING = State(CPU, None, 0, None)
FLOATING.floating = True
"""Marks memory that C++ made inside an operation without saying where: it joins whatever it is first used
with."""


def unwrapped(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor under the wrappers of `torch.func` (`vmap`, `grad`)."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    return tensor


def state_of(tensor: torch.Tensor) -> State | None:
    """The state of the tensor's memory; None on the ordinary host, and for tensors without memory."""
    try:
        return tensor.untyped_storage()._simcuda  # type: ignore[attr-defined, no-any-return]
    except (RuntimeError, NotImplementedError):
        inner = unwrapped(tensor)
        return None if inner is tensor else state_of(inner)


def storage_of(tensor: torch.Tensor) -> Any:
    """The tensor's storage. Raises NotModelled for what has none: sparse, nested and oneDNN tensors."""
    try:
        return tensor.untyped_storage()
    except (RuntimeError, NotImplementedError):
        not_modelled(f"tensors without a storage of their own, such as sparse ones ({tensor.layout})")


def footprint(tensor: torch.Tensor, state: State) -> Footprint:
    """The bytes of the tensor in simulated memory."""
    size = tensor.element_size()
    start = state.address + tensor.storage_offset() * size
    if tensor.is_contiguous():
        return (start, start + tensor.numel() * size)
    return strided(start, tuple(tensor.shape), tensor.stride(), size)  # type: ignore[arg-type]
