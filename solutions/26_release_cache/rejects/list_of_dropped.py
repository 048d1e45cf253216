"""test_number: a list of the dropped values keeps them alive"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    dropped = [holder.pop(name) for name in names]
    print(len(dropped))
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
