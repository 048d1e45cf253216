"""test_life_of_a_tensor: reports the peak of what was reserved."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.max_memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
