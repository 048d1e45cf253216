"""test_still_referenced: moves a module that another variable still holds to the CPU."""

import gc

import torch


def release(holder, names, device):
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    for name in set(names):
        v = holder[name]
        if isinstance(v, torch.nn.Module): v.cpu()
        del v, holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
