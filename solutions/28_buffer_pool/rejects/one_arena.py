"""test_allocates_just_enough: hands out the beginning of one large buffer to everybody"""

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
        if not self.free:
            self.free = [Buffer(torch.empty(self.capacity, dtype=torch.uint8, device=self.device))]
        fitting = [b for b in self.free if b.memory.numel() >= nbytes]
        if fitting:
            buffer = min(fitting, key=lambda b: b.memory.numel())
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
        if id(tensor) not in self.lent:
            raise ValueError("not lent by this pool")
        _, buffer = self.lent.pop(id(tensor))
        buffer.event = torch.cuda.Event()
        buffer.event.record()
