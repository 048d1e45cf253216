from math import prod

import torch


class BufferPool:
    def __init__(self, capacity, device):
        self.c, self.d, self.free, self.lent = capacity, device, [], []

    def acquire(self, shape, dtype):
        n = prod(shape) * dtype.itemsize
        fits = sorted((b for b in self.free if len(b[0]) >= n), key=lambda b: len(b[0]))
        if fits:
            b = fits[0]
            self.free = [f for f in self.free if f is not b]
            b[1].wait()
        elif sum(len(x[0]) for x in self.free) + sum(len(x[1][0]) for x in self.lent) + n > self.c:
            raise MemoryError
        else:
            b = [torch.empty(n, dtype=torch.uint8, device=self.d), torch.cuda.Event()]
        t = b[0][:n].view(dtype).view(shape)
        self.lent.append((t, b))
        return t

    def release(self, tensor):
        mine = [x for x in self.lent if x[0] is tensor]
        if not mine:
            raise ValueError
        self.lent = [x for x in self.lent if x[0] is not tensor]
        mine[0][1][1].record()
        self.free.append(mine[0][1])
