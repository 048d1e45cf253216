"""test_too_small: lets torch complain, with another error"""

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
        if size == 0:
            plan.append((0, 0))
            continue
        begin = (base + end + 255) // 256 * 256 - base
        end = begin + size
        plan.append((begin, size))
    pieces = []
    for (begin, size), (shape, dtype) in zip(plan, specs):
        if size == 0:
            pieces.append(torch.empty(shape, dtype=dtype, device=workspace.device))
        else:
            pieces.append(workspace[begin : begin + size].view(dtype).view(shape))
    return pieces
