"""test_stale_tensor: a stale tensor has the storage of the buffer's present user, who loses it."""

import torch


class BufferPool:
    def __init__(self, capacity, device):
        self.device = device
        self.capacity = capacity
        self.total = 0
        self.idle = []
        self.used = {}

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
        self.used[tensor.untyped_storage().data_ptr()] = memory
        return tensor

    def release(self, tensor):
        key = tensor.untyped_storage().data_ptr()
        if key not in self.used:
            raise ValueError("not in use")
        memory = self.used.pop(key)
        self.idle.append((memory, torch.cuda.current_stream().record_event()))
