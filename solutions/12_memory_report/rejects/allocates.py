"""test_asking_changes_nothing: wakes the device by a tensor."""

import torch


def memory_report(device=None):
    torch.zeros(1, device="cuda")
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
