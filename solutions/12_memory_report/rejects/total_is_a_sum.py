"""test_driver: adds up what it sees instead of asking for the total."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": free + reserved, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
