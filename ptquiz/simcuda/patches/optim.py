"""Where C++ groups tensors by device, it would see one device only: foreach optimizers, clipping."""

from __future__ import annotations

from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.machine import Machine

__all__ = ["install"]


def install(machine: Machine, patcher: Patcher) -> None:
    """One grouping, by the simulated devices."""
    patcher.set(torch._C, "_group_tensors_by_device_and_dtype", _grouped)


def _grouped(lists: Any, with_indices: bool = False) -> dict[Any, Any]:
    """(lists of equal length, None allowed) -> {(device, dtype): (the same lists cut down, indices)}.

    A scalar state step stays on the host beside device parameters, as in PyTorch: the first list decides.
    """
    groups: dict[Any, Any] = {}
    for index, tensor in enumerate(lists[0]):
        if tensor is None:
            raise RuntimeError("Tensors of the first list of nested Tensor lists are supposed to be defined")
        key = (tensor.device, tensor.dtype)
        if key not in groups:
            groups[key] = ([[] for _ in lists], [])
        cut, indices = groups[key]
        for part, whole in zip(cut, lists, strict=True):
            if whole:
                part.append(whole[index])
        if with_indices:
            indices.append(index)
    return groups
