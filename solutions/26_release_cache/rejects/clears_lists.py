"""test_still_referenced: empties lists and dicts that another variable still holds."""

import gc

import torch


def release(holder, names, device):
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    for name in set(names):
        v = holder[name]
        if isinstance(v, (list, dict)): v.clear()
        del v, holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
