"""Points fresh tensors at the workspace's storage, counting in elements."""

import torch


def reserve(nbytes, device):
    where = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    with torch.cuda.device(where):
        return torch.empty((nbytes,), dtype=torch.uint8, device="cuda")


def carve(workspace, specs):
    storage = workspace.untyped_storage()
    at = workspace.storage_offset()
    limit = at + workspace.numel()
    plan = []
    for shape, dtype in specs:
        count = 1
        for length in shape:
            count *= length
        if count == 0:
            plan.append((0, shape, dtype))
            continue
        at += -at % 256
        plan.append((at // dtype.itemsize, shape, dtype))
        at += count * dtype.itemsize
        if at > limit:
            raise ValueError("workspace too small")
    made = []
    for offset, shape, dtype in plan:
        strides, step = [], 1
        for length in reversed(shape):
            strides.insert(0, step)
            step *= max(1, length)
        piece = torch.empty(0, dtype=dtype, device=workspace.device)
        made.append(piece.set_(storage, offset, shape, tuple(strides)))
    return made
