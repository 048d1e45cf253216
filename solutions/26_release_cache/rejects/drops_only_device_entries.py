"""test_drops: entries that are not on a GPU are not dropped."""

import gc

import torch


def release(holder, names, device):
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    for name in set(names):
        if getattr(holder[name], 'is_cuda', True):
            del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
