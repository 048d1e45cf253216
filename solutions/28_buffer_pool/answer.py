"""Exercise 28, reference answer."""

from dataclasses import dataclass

import torch


@dataclass
class _Buffer:
    """Raw bytes, and the end of the work that was submitted before they were last released."""

    memory: torch.Tensor  # uint8
    last_use: torch.cuda.Event | None = None


class BufferPool:
    """Hands out tensors on the current CUDA device and keeps their memory; at most `capacity` bytes of it."""

    def __init__(self, capacity: int) -> None:
        self._free_capacity = capacity
        self._idle: list[_Buffer] = []
        # By identity, not by address: a stale tensor has the same address as the buffer's next user. The tensor is
        # kept too, so that no other object can get its id while the buffer is in use.
        self._in_use: dict[int, tuple[torch.Tensor, _Buffer]] = {}

    def acquire(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A contiguous tensor in the smallest idle buffer that is large enough, else in a new buffer."""
        nbytes = dtype.itemsize
        for extent in shape:
            nbytes *= extent
        buffer = self._best_fit(nbytes) or self._new(nbytes)
        if buffer.last_use is not None:
            # The *stream* waits, the host goes on. On the releasing stream itself this costs next to nothing.
            torch.cuda.current_stream().wait_event(buffer.last_use)
        tensor = buffer.memory[:nbytes].view(dtype).view(shape)  # the same bytes, read as another dtype
        self._in_use[id(tensor)] = (tensor, buffer)
        return tensor

    def release(self, tensor: torch.Tensor) -> None:
        """Take back a tensor that `acquire` returned; the current stream may still be working with it."""
        if id(tensor) not in self._in_use:
            raise ValueError("this tensor is not in use: it is not from this pool, or was released before")
        _, buffer = self._in_use.pop(id(tensor))
        buffer.last_use = torch.cuda.current_stream().record_event()
        self._idle.append(buffer)

    def _best_fit(self, nbytes: int) -> _Buffer | None:
        fitting = [i for i, b in enumerate(self._idle) if b.memory.numel() >= nbytes]
        if not fitting:
            return None
        return self._idle.pop(min(fitting, key=lambda i: self._idle[i].memory.numel()))

    def _new(self, nbytes: int) -> _Buffer:
        if nbytes > self._free_capacity:
            raise RuntimeError(f"{nbytes} bytes asked for, {self._free_capacity} of the capacity are left")
        memory = torch.empty(nbytes, dtype=torch.uint8, device="cuda")  # may raise OutOfMemoryError: counted after
        self._free_capacity -= nbytes
        return _Buffer(memory)
