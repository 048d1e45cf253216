"""test_drops: makes a new dict instead of changing the caller's"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    holder = {k: v for k, v in holder.items() if k not in names}
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
