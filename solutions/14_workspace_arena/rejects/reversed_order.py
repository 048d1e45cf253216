"""test_aligned: lays the largest out first"""

import math

import torch


def reserve(nbytes, device):
    return torch.empty(nbytes, dtype=torch.uint8, device=device)


def carve(workspace, specs):
    base = workspace.data_ptr()
    end = 0
    plan = []
    order = sorted(range(len(specs)), key=lambda i: -math.prod(specs[i][0]) * specs[i][1].itemsize)
    for shape, dtype in (specs[i] for i in order):
        size = math.prod(shape) * dtype.itemsize
        if size == 0:
            plan.append((0, 0))
            continue
        begin = (base + end + 255) // 256 * 256 - base
        end = begin + size
        plan.append((begin, size))
    if end > workspace.numel():
        raise ValueError("the workspace is too small")
    plan = [place for _, place in sorted(zip(order, plan))]
    pieces = []
    for (begin, size), (shape, dtype) in zip(plan, specs):
        if size == 0:
            pieces.append(torch.empty(shape, dtype=dtype, device=workspace.device))
        else:
            pieces.append(workspace[begin : begin + size].view(dtype).view(shape))
    return pieces
