"""test_still_referenced: rounds the sizes up to segments, and counts what is still alive"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_reserved(device)
    size = sum(-(-v.nbytes // 2**21) * 2**21 for n, v in holder.items() if n in names and torch.is_tensor(v) and v.nbytes > 2**20)
    for name in names:
        del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return max(size, before - torch.cuda.memory_reserved(device))
