"""Exercise 28: a pool of device buffers that are reused instead of allocated anew."""

import torch


class BufferPool:
    """Hands out tensors on the current CUDA device and keeps their memory; at most `capacity` bytes of it."""

    def __init__(self, capacity: int) -> None:
        """An empty pool. `capacity`: bytes of all buffers together, idle ones and those in use."""
        # TODO: what has to be remembered of a buffer in use, and of an idle one?
        raise NotImplementedError

    def acquire(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A contiguous tensor in the smallest idle buffer that is large enough, else in a new buffer.

        Its contents are arbitrary; it is safe to use on the current stream. RuntimeError where a new buffer
        would exceed the capacity; the pool then stays as it was.
        """
        # TODO: best fit, then the capacity, then a new buffer; order the streams
        raise NotImplementedError

    def release(self, tensor: torch.Tensor) -> None:
        """Take back a tensor that `acquire` returned; the current stream may still be working with it.

        ValueError for every other tensor, and for one that has been released already.
        """
        # TODO: recognise the tensor; remember what the next user has to wait for
        raise NotImplementedError
