"""Exercise 14, reference answer."""

import math

import torch

ALIGNMENT = 256  # bytes


def reserve(nbytes: int, device: torch.device | str | int) -> torch.Tensor:
    """A workspace of exactly `nbytes` bytes (at least 1) on `device`: uint8, one dimension, one allocation."""
    return torch.empty(nbytes, dtype=torch.uint8, device=device)


def carve(
    workspace: torch.Tensor, specs: list[tuple[tuple[int, ...], torch.dtype]]
) -> list[torch.Tensor]:
    """One contiguous view of the workspace for each (shape, dtype), in order; nothing is allocated or copied."""
    places = []
    end = 0
    for shape, dtype in specs:
        begin = (end + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        end = begin + math.prod(shape) * dtype.itemsize
        places.append((begin, end))
    if end > workspace.numel():  # the last view ends last
        raise ValueError(f"these views need {end} bytes, the workspace has {workspace.numel()}")
    # A slice of bytes, read as another dtype: `view` never copies, `.to(dtype)` would.
    return [
        workspace[begin:end].view(dtype).view(shape)
        for (begin, end), (shape, dtype) in zip(places, specs, strict=True)
    ]
