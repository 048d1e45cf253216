"""test_driver: takes the cache, and other processes, for free memory."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": total - allocated, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
