import gc

import torch


def release(holder, names, device):
    r = torch.cuda.memory_reserved
    [holder[n] for n in names]
    b = r(device)
    [holder.pop(n) and None if False else holder.__delitem__(n) for n in {*names}]
    gc.collect(), torch.cuda.empty_cache()
    return b - r(device)
