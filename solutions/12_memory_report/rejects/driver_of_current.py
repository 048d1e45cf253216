"""test_each_device: asks the driver about the current device."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info()
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
