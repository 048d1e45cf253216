"""test_drops: asks torch.cuda.memory_info, which does not exist, as the source does"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            raise KeyError(name)
    before = torch.cuda.memory_info()[0]
    for name in names:
        del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_info()[0]
