"""test_number: empties the cache before dropping"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    gc.collect()
    torch.cuda.empty_cache()
    for name in names:
        del holder[name]
    return before - torch.cuda.memory_reserved(device)
