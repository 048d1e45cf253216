"""test_number: returns the size of the dropped tensors"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    size = sum(v.nbytes for n, v in holder.items() if n in names and torch.is_tensor(v))
    for name in names:
        del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return size
