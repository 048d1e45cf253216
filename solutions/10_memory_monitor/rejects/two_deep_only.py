"""test_nesting: takes note of the counter for an outer monitor, but not for one in the middle."""

import contextlib
from types import SimpleNamespace

import torch

stacks = {}


@contextlib.contextmanager
def memory_monitor(device=None):
    with torch.cuda.device(device if device is not None else -1):
        index = torch.cuda.current_device()
    stack = stacks.setdefault(index, [])
    if len(stack) == 1:
        stack[-1].peak = max(stack[-1].peak, torch.cuda.max_memory_allocated(index))
    torch.cuda.reset_peak_memory_stats(index)
    now = torch.cuda.memory_allocated(index)
    m = SimpleNamespace(before=now, after=now, delta=0, peak=now, reserved=0)
    stack.append(m)
    try:
        yield m
    finally:
        assert stack.pop() is m
        stats = torch.cuda.memory_stats(index)
        m.after = stats["allocated_bytes.all.current"]
        m.delta = m.after - m.before
        m.peak = max(m.peak, stats["allocated_bytes.all.peak"])
        m.reserved = stats["reserved_bytes.all.current"]
        if stack:
            stack[-1].peak = max(stack[-1].peak, m.peak)
