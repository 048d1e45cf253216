"""test_unknown_name: passes over unknown names"""

import gc

import torch


def release(holder, names, device):
    names = set(names)
    for name in names:
        if name not in holder:
            names = names - {name}
    before = torch.cuda.memory_reserved(device)
    for name in names:
        del holder[name]
    gc.collect()
    torch.cuda.empty_cache()
    return before - torch.cuda.memory_reserved(device)
