"""The tensor itself carries its buffer, as a Python attribute that no view of it and no other tensor has."""

import torch


class Buffer:
    def __init__(self, pool, nbytes):
        self.pool, self.nbytes = pool, nbytes
        self.memory = torch.zeros(nbytes, dtype=torch.uint8, device=pool.device)
        self.event = torch.cuda.Event()

    def lend(self, shape, dtype):
        torch.cuda.current_stream().wait_event(self.event)
        tensor = (
            self.memory.narrow(0, 0, torch.Size(shape).numel() * dtype.itemsize).view(dtype).reshape(shape)
        )
        tensor.buffer = self
        return tensor


class BufferPool:
    def __init__(self, capacity, device):
        self.capacity, self.device = capacity, device
        self.buffers, self.idle = set(), set()

    def acquire(self, shape, dtype):
        nbytes = torch.Size(shape).numel() * dtype.itemsize
        best = min((b for b in self.idle if b.nbytes >= nbytes), key=lambda b: b.nbytes, default=None)
        if best is None:
            if sum(b.nbytes for b in self.buffers) + nbytes > self.capacity:
                raise MemoryError(f"the pool of {self.capacity} bytes has no room for {nbytes} more")
            best = Buffer(self, nbytes)
            self.buffers.add(best)
        self.idle.discard(best)
        return best.lend(shape, dtype)

    def release(self, tensor):
        buffer = getattr(tensor, "buffer", None)
        if buffer is None or buffer.pool is not self:
            raise ValueError("not handed out by this pool, or released before")
        del tensor.buffer
        buffer.event.record(torch.cuda.current_stream())
        self.idle.add(buffer)
