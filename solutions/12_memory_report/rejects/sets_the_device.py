"""test_asking_changes_nothing: makes the device the current one."""

import torch


def memory_report(device=None):
    if isinstance(device, int):
        torch.cuda.set_device(device)
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
