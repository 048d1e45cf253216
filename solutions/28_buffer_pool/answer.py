"""A pool that lends buffers: best fit, a capacity in bytes, and order across streams."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class _Buffer:
    memory: Tensor  # flat uint8
    idle: torch.cuda.Event | None = None  # when its last user's work is done


class BufferPool:
    def __init__(self, capacity: int, device: torch.device | str) -> None:
        self.capacity, self.device = capacity, torch.device(device)
        self.owned = 0  # bytes, lent and free
        self._free: list[_Buffer] = []
        # By identity, and with the tensor kept alive: an address, or an id of a dead object, comes again.
        self._lent: dict[int, tuple[Tensor, _Buffer]] = {}

    def acquire(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        nbytes = math.prod(shape) * dtype.itemsize
        buffer = self._best(nbytes) or self._new(nbytes)
        if buffer.idle is not None:
            # The stream waits, not the host.
            torch.cuda.current_stream(self.device).wait_event(buffer.idle)
        tensor = buffer.memory[:nbytes].view(dtype).view(shape)
        self._lent[id(tensor)] = tensor, buffer
        return tensor

    def release(self, tensor: Tensor) -> None:
        held, buffer = self._lent.get(id(tensor), (None, None))
        if buffer is None or held is not tensor:
            raise ValueError("this tensor is not lent by this pool")
        del self._lent[id(tensor)]
        # Here, not at the next acquire: what is enqueued from now on has nothing to do with the buffer.
        buffer.idle = torch.cuda.current_stream(self.device).record_event()
        self._free.append(buffer)

    def _best(self, nbytes: int) -> _Buffer | None:
        fitting = [buffer for buffer in self._free if buffer.memory.numel() >= nbytes]
        if not fitting:
            return None
        best = min(fitting, key=lambda buffer: buffer.memory.numel())
        self._free = [buffer for buffer in self._free if buffer is not best]
        return best

    def _new(self, nbytes: int) -> _Buffer:
        if self.owned + nbytes > self.capacity:
            raise MemoryError(f"{self.owned} of {self.capacity} bytes in use, {nbytes} more wanted")
        memory = torch.empty(nbytes, dtype=torch.uint8, device=self.device)
        self.owned += nbytes  # after the allocation: if that fails, nothing has changed
        return _Buffer(memory)
