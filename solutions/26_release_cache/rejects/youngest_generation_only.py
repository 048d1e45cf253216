"""test_cycles: collects the youngest generation only; older cycles stay."""

import gc

import torch


def release(holder, names, device):
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    for name in set(names):
        del holder[name]
    gc.collect(0)
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
