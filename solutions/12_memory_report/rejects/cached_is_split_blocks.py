"""test_allocator: counts inactive splits only, not whole free segments."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    return {"free": free, "total": total, "allocated": allocated, "reserved": reserved, "cached": torch.cuda.memory_stats(device)["inactive_split_bytes.all.current"]}
