"""test_drops: takes the names out of the caller's list"""

import gc

import torch


def release(holder, names, device):
    before = torch.cuda.memory_reserved(device)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    while names:
        holder.pop(names.pop(), None)
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
