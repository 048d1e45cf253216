"""test_device: "cuda" is taken for device 0, whichever is current."""

import gc

import torch


def release(holder, names, device):
    if not isinstance(device, int):
        device = torch.device(device).index or 0
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    for name in set(names):
        del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
