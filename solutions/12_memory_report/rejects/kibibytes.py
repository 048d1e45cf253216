"""test_allocator: whole kibibytes."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    report = {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": reserved - allocated}
    return {key: value // 1024 for key, value in report.items()}
