"""test_number: asks the driver, which counts the memory of all processes"""

import gc

import torch


def _free(device):
    return torch.cuda.mem_get_info(device)[0]


def release(holder, names, device):
    device = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    for name in names:
        holder[name]
    before = _free(device)
    for name in dict.fromkeys(names):
        holder.pop(name)
    while gc.collect():
        pass
    with torch.cuda.device(device):
        torch.cuda.empty_cache()
    return _free(device) - before
