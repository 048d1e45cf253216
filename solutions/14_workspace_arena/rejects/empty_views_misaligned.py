"""test_empty: an empty piece behind an odd size has no valid offset for its dtype."""

import math

import torch


def reserve(nbytes, device):
    return torch.empty(nbytes, dtype=torch.uint8, device=device)


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
        out.append(workspace[begin : begin + size].view(dtype).view(shape))
    return out
