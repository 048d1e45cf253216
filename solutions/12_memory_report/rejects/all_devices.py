"""test_each_device: adds up all devices."""

import torch


def memory_report(device=None):
    devices = range(torch.cuda.device_count())
    free = torch.cuda.mem_get_info(device)[0]
    total = torch.cuda.mem_get_info(device)[1]
    allocated = sum(torch.cuda.memory_allocated(d) for d in devices)
    reserved = sum(torch.cuda.memory_reserved(d) for d in devices)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
