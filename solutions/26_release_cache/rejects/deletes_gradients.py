"""test_still_referenced: zeroes gradients that others hold"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    for name in names:
        if getattr(holder[name], 'grad', None) is not None:
            holder[name].grad.zero_()
        del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
