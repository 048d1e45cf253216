"""test_across_three_streams: a later release moves the only event, and earlier ones are no longer waited for."""

import torch


class BufferPool:
    def __init__(self, capacity, device):
        self.device = device
        self.capacity = capacity
        self.total = 0
        self.idle = []
        self.used = {}
        self.released = torch.cuda.Event()

    def acquire(self, shape, dtype):
        nbytes = torch.Size(shape).numel() * dtype.itemsize
        fitting = [entry for entry in self.idle if entry[0].numel() >= nbytes]
        if fitting:
            entry = min(fitting, key=lambda e: e[0].numel())
            self.idle = [e for e in self.idle if e is not entry]
            memory, done = entry
            torch.cuda.current_stream().wait_event(done)
        elif self.total + nbytes <= self.capacity:
            memory = torch.empty(nbytes, dtype=torch.uint8, device=self.device)
            self.total += nbytes
        else:
            raise MemoryError("the pool is full")
        tensor = memory[:nbytes].view(dtype).view(shape)
        self.used[id(tensor)] = (tensor, memory)
        return tensor

    def release(self, tensor):
        if id(tensor) not in self.used:
            raise ValueError("not in use")
        memory = self.used.pop(id(tensor))[1]
        self.released.record()
        self.idle.append((memory, self.released))
