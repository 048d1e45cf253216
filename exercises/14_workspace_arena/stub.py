"""Exercise 14: one allocation, many typed views of it."""

import torch


def reserve(nbytes: int, device: torch.device | str | int) -> torch.Tensor:
    """A workspace of exactly `nbytes` bytes (at least 1) on `device`: uint8, one dimension, one allocation."""
    # TODO: one request to the allocator
    raise NotImplementedError


def carve(
    workspace: torch.Tensor, specs: list[tuple[tuple[int, ...], torch.dtype]]
) -> list[torch.Tensor]:
    """One contiguous view of the workspace for each (shape, dtype), in order; nothing is allocated or copied.

    The first begins at the workspace's first byte, each other one at the first multiple of 256 bytes after the end of
    the one before. ValueError, before anything is handed out, where the workspace is too small.
    """
    # TODO: find all places first, then make the views
    raise NotImplementedError
