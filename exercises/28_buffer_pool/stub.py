import torch
from torch import Tensor


class BufferPool:
    """Lends buffers on device, at most capacity bytes in all."""

    def __init__(self, capacity: int, device: torch.device | str) -> None:
        # TODO
        raise NotImplementedError

    def acquire(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor of that shape and dtype; MemoryError if the pool would exceed its capacity."""
        # TODO: the best fitting free buffer, else a new one; order the current stream after its last use
        raise NotImplementedError

    def release(self, tensor: Tensor) -> None:
        """Take back what acquire returned; ValueError for anything else."""
        # TODO
        raise NotImplementedError
