"""Adds up the segments and blocks of the allocator's snapshot; total from the device's properties."""

import torch


def memory_report(device=None):
    with torch.cuda.device(-1 if device is None else device):
        here = torch.cuda.current_device()
        free = torch.cuda.mem_get_info()[0]
        total = torch.cuda.mem_get_info()[1]
    segments = [s for s in torch.cuda.memory_snapshot() if s["device"] == here]
    reserved = sum(s["total_size"] for s in segments)
    allocated = sum(s["allocated_size"] for s in segments)
    return dict(
        zip(
            ("free", "total", "allocated", "reserved", "cached"),
            (free, total, allocated, reserved, reserved - allocated),
        )
    )
