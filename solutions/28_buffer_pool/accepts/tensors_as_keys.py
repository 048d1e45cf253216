"""Tensors hash by identity; the first tensor of a buffer is the buffer, seen as bytes where needed."""

from heapq import heappop, heappush
from itertools import count

import torch


class BufferPool:
    def __init__(self, capacity: int, device):
        self.room = capacity
        self.device = torch.device(device)
        self.order = count()
        self.heap = []  # (bytes, number, buffer, event); the number keeps heapq from comparing tensors
        self.lent = {}

    def acquire(self, shape, dtype):
        wanted = dtype.itemsize
        for n in shape:
            wanted *= n
        small = []
        while self.heap and self.heap[0][0] < wanted:
            small.append(heappop(self.heap))
        found = heappop(self.heap) if self.heap else None
        for item in small:
            heappush(self.heap, item)
        if found is None:
            if wanted > self.room:
                raise MemoryError("capacity exceeded")
            base = torch.empty(shape, dtype=dtype, device=self.device)
            self.room -= wanted
        else:
            base = found[2]
            found[3].wait()
        out = base.view(-1).view(torch.uint8)[:wanted].view(dtype).view(shape)
        self.lent[out] = base
        return out

    def release(self, tensor):
        if tensor not in self.lent:
            raise ValueError("this tensor is not lent")
        base = self.lent.pop(tensor)
        done = torch.cuda.Event()
        done.record()
        heappush(self.heap, (base.numel() * base.element_size(), next(self.order), base, done))
