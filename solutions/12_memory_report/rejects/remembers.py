"""test_driver: remembers the driver's first answer."""

import functools

import torch

mem_get_info = functools.lru_cache(torch.cuda.mem_get_info)


def memory_report(device=None):
    free, total = mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
