from math import prod

import torch


def reserve(nbytes, device):
    return torch.empty([nbytes], device=device, dtype=torch.uint8)


def carve(workspace, specs):
    out, p = [], workspace.data_ptr()
    o = p
    for shape, dtype in specs:
        n = prod(shape) * dtype.itemsize
        a = (p + 255 & ~255) if n else o
        if n and a + n > o + workspace.numel():
            raise ValueError(n)
        out.append(
            workspace[a - o :][:n].view(dtype).view(shape) if n else workspace.new_empty(shape, dtype=dtype)
        )
        p = max(p, a + n)
    return out
