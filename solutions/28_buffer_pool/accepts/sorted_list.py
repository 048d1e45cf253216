"""A list of free buffers sorted by size, bisected; the lent ones in a list searched by `is`."""

import bisect
import itertools

import torch


class BufferPool:
    def __init__(self, capacity, device):
        self.room = capacity
        self.device = device
        self.free = []
        self.lent = []
        self.number = itertools.count()

    def acquire(self, shape, dtype):
        wanted = torch.Size(shape).numel() * torch.empty((), dtype=dtype).element_size()
        place = bisect.bisect_left(self.free, (wanted, -1))
        if place < len(self.free):
            size, _, storage, event = self.free.pop(place)
            torch.cuda.current_stream().wait_event(event)
        else:
            if wanted > self.room:
                raise MemoryError("the pool is exhausted")
            storage = torch.empty(wanted, dtype=torch.uint8, device=self.device)
            self.room -= wanted
            size = wanted
        tensor = storage.narrow(0, 0, wanted).view(dtype).reshape(shape)
        self.lent.append((tensor, size, storage))
        return tensor

    def release(self, tensor):
        for index, (candidate, size, storage) in enumerate(self.lent):
            if candidate is tensor:
                break
        else:
            raise ValueError("not lent")
        self.lent.pop(index)
        event = torch.cuda.Event()
        event.record()
        bisect.insort(self.free, (size, next(self.number), storage, event))
