"""test_stale_tensor: takes any tensor of a lent shape on its device for its own"""

import math

import torch


class Buffer:
    def __init__(self, memory):
        self.memory = memory
        self.event = None


class BufferPool:
    def __init__(self, capacity, device):
        self.capacity = capacity
        self.device = device
        self.owned = 0
        self.free = []
        self.lent = {}

    def acquire(self, shape, dtype):
        nbytes = math.prod(shape) * dtype.itemsize
        fitting = [b for b in self.free if b.memory.numel() >= nbytes]
        if fitting:
            buffer = min(fitting, key=lambda b: b.memory.numel())
            self.free.remove(buffer)
        else:
            if self.owned + nbytes > self.capacity:
                raise MemoryError("the pool is full")
            buffer = Buffer(torch.empty(nbytes, dtype=torch.uint8, device=self.device))
            self.owned += nbytes
        if buffer.event is not None:
            torch.cuda.current_stream().wait_event(buffer.event)
        tensor = buffer.memory[:nbytes].view(dtype).view(shape)
        self.lent[id(tensor)] = (tensor, buffer)
        return tensor

    def release(self, tensor):
        found = [k for k, (t, _) in self.lent.items() if t.shape == tensor.shape and t.dtype == tensor.dtype and t.device == tensor.device]
        if not found:
            raise ValueError("not lent by this pool")
        key = id(tensor) if id(tensor) in self.lent else found[0]
        _, buffer = self.lent.pop(key)
        buffer.event = torch.cuda.Event()
        buffer.event.record()
        self.free.append(buffer)
