"""A bump allocator as a class; zero-sized pieces are empty slices."""

import torch


class Arena:
    def __init__(self, memory):
        self.memory, self.used = memory, 0

    def take(self, nbytes):
        if nbytes == 0:
            return self.memory[:0]
        gap = (256 - (self.memory.data_ptr() + self.used) % 256) % 256
        first = self.used + gap
        if first + nbytes > len(self.memory):
            raise ValueError(f"need {first + nbytes} bytes, have {len(self.memory)}")
        self.used = first + nbytes
        return self.memory.narrow(0, first, nbytes)


def reserve(nbytes, device):
    return torch.ByteTensor().to(device).new_empty(nbytes)


def carve(workspace, specs):
    arena = Arena(workspace)
    return [
        arena.take(torch.Size(shape).numel() * torch._utils._element_size(dtype)).view(dtype).reshape(shape)
        if torch.Size(shape).numel()
        else torch.empty(shape, dtype=dtype, device=workspace.device)
        for shape, dtype in specs
    ]
