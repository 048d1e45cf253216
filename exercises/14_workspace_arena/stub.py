import torch
from torch import Tensor

ALIGNMENT = 256  # bytes


def reserve(nbytes: int, device: torch.device | str | int) -> Tensor:
    """A workspace: uint8, shape (nbytes,), on device, from one allocation."""
    # TODO: one request to the allocator
    raise NotImplementedError


def carve(workspace: Tensor, specs: list[tuple[tuple[int, ...], torch.dtype]]) -> list[Tensor]:
    """Aligned, disjoint views of workspace, one for each (shape, dtype); ValueError if they do not fit."""
    # TODO: lay the pieces out, then cut them
    raise NotImplementedError
