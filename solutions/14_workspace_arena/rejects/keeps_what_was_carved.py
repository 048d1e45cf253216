"""test_lifetime: every workspace that was carved stays in a list for good."""

import math

import torch


CARVED = []


def reserve(nbytes, device):
    return torch.empty(nbytes, dtype=torch.uint8, device=device)


def carve(workspace, specs):
    CARVED.append(workspace)
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
