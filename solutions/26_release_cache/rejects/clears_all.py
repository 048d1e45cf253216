"""test_drops: clears the whole dict"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    holder.clear()
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
