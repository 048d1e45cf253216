"""One allocation on the device, cut into aligned typed views."""

import math

import torch
from torch import Tensor

ALIGNMENT = 256  # bytes


def reserve(nbytes: int, device: torch.device | str | int) -> Tensor:
    # uint8: one byte an element. empty: nothing is written, so nothing runs on the device.
    return torch.empty(nbytes, dtype=torch.uint8, device=device)


def carve(workspace: Tensor, specs: list[tuple[tuple[int, ...], torch.dtype]]) -> list[Tensor]:
    base = workspace.data_ptr()
    spans, end = [], 0  # byte offsets in the workspace
    for shape, dtype in specs:
        size = math.prod(shape) * dtype.itemsize
        # The address decides, since the workspace itself may begin anywhere. Empty pieces stay put.
        begin = _round_up(base + end) - base if size else 0
        spans.append((begin, begin + size))
        end = max(end, begin + size)
    # All is laid out before the first view is made: a failure hands out nothing.
    if end > workspace.numel():
        raise ValueError(f"{end} bytes are needed, the workspace has {workspace.numel()}")
    return [
        # view(dtype) reinterprets the bytes; the address is aligned, so it is for every dtype.
        workspace[begin:stop].view(dtype).view(shape)
        if stop > begin
        else workspace.new_empty(shape, dtype=dtype)
        for (begin, stop), (shape, dtype) in zip(spans, specs, strict=True)
    ]


def _round_up(address: int) -> int:
    return -(-address // ALIGNMENT) * ALIGNMENT
