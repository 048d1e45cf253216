"""test_number: the loop variable keeps the last value alive"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    for name in names:
        value = holder.pop(name)
        print(type(value))
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
