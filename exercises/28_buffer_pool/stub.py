import torch
from torch import Tensor


class BufferPool:
    """Lends buffers on `device`, at most `capacity` bytes of them in all, lent and free."""

    def __init__(self, capacity: int, device: torch.device | str) -> None:
        # TODO: what has to be known of a lent buffer, and what of a free one?
        raise NotImplementedError

    def acquire(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor of that shape and dtype; MemoryError if the pool would exceed its capacity."""
        # TODO: the best fitting free buffer, else a new one; order the current stream after its last use
        raise NotImplementedError

    def release(self, tensor: Tensor) -> None:
        """Take back what acquire returned; ValueError for anything else, and a second time."""
        # TODO: recognise the tensor, and remember what the next user has to wait for
        raise NotImplementedError
