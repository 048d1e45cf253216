"""test_reserve: "cuda" is taken for device 0, whichever is current."""

import math

import torch


def reserve(nbytes, device):
    i = device if isinstance(device, int) else torch.device(device).index or 0
    return torch.empty(nbytes, dtype=torch.uint8, device=f'cuda:{i}')


def carve(workspace, specs):
    base = workspace.data_ptr()
    end = 0
    plan = []
    for shape, dtype in specs:
        size = math.prod(shape) * dtype.itemsize
        begin = -(-(base + end) // 256) * 256 - base if size else end
        plan.append((begin, size))
        end = begin + size
    if end > workspace.numel():
        raise ValueError("too small")
    out = []
    for (begin, size), (shape, dtype) in zip(plan, specs):
        if size:
            out.append(workspace[begin : begin + size].view(dtype).view(shape))
        else:
            out.append(torch.empty(shape, dtype=dtype, device=workspace.device))
    return out
