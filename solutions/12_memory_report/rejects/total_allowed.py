"""test_driver: reports the cap as the total."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": int(total * torch.cuda.get_per_process_memory_fraction()), "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
