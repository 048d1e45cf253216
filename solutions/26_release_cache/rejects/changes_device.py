"""test_device: leaves the device changed"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    torch.cuda.set_device(torch.empty(0, device=device).device)
    before = torch.cuda.memory_reserved(device)
    for name in names:
        del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
