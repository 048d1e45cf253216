"""test_exceptions: a generator without `finally` measures nothing after an exception."""

import contextlib
from types import SimpleNamespace

import torch

active = []


def note_peak(device):
    peak = torch.cuda.max_memory_allocated(device)
    for monitor in active:
        if monitor.device == device:
            monitor.peak = max(monitor.peak, peak)
    torch.cuda.reset_peak_memory_stats(device)


@contextlib.contextmanager
def memory_monitor(device=None):
    index = device if isinstance(device, int) else torch.device(device or "cuda").index
    index = torch.cuda.current_device() if index is None else index
    note_peak(index)
    before = torch.cuda.memory_allocated(index)
    m = SimpleNamespace(device=index, before=before, after=before, delta=0, peak=before, reserved=0)
    active.append(m)
    yield m
    note_peak(index)
    active[:] = [other for other in active if other is not m]
    m.after = torch.cuda.memory_allocated(index)
    m.delta = m.after - m.before
    m.reserved = torch.cuda.memory_reserved(index)
