"""test_allocator: allocated and reserved mixed up."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": reserved, "reserved": allocated, "cached": reserved - allocated}
