"""test_lifetime: a memo of the pieces by workspace and specs keeps them alive."""

import math

import torch


MEMO = {}


def reserve(nbytes, device):
    return torch.empty(nbytes, dtype=torch.uint8, device=device)


def carve(workspace, specs):
    key = id(workspace), tuple(specs)
    if key not in MEMO:
        MEMO[key] = cut(workspace, specs)
    return MEMO[key]


def cut(workspace, specs):
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
