"""test_keys: calls a function that torch never had."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.memory_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
