"""test_allocator: counts blocks that no tensor holds any more, until their streams have done with them."""

import torch


def memory_report(device=None):
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_stats(device).get("active_bytes.all.current", 0)
    reserved = torch.cuda.memory_reserved(device)
    return {
        "free": free,
        "total": total,
        "allocated": allocated,
        "reserved": reserved,
        "cached": reserved - allocated,
    }
