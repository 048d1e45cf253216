"""test_device: reserved is that of the device that is current in the end."""

import torch

active = []


def note_peak(device):
    peak = torch.cuda.max_memory_allocated(device)
    for monitor in active:
        if monitor.device == device:
            monitor.peak = max(monitor.peak, peak)
    torch.cuda.reset_peak_memory_stats(device)


class memory_monitor:
    def __init__(self, device=None):
        self.asked = device

    def __enter__(self):
        index = self.asked if isinstance(self.asked, int) else torch.device(self.asked or "cuda").index
        self.device = torch.cuda.current_device() if index is None else index
        note_peak(self.device)
        self.before = torch.cuda.memory_allocated(self.device)
        self.peak = self.before
        active.append(self)
        return self

    def __exit__(self, *exc):
        note_peak(self.device)
        active.remove(self)
        self.after = torch.cuda.memory_allocated(self.device)
        self.delta = self.after - self.before
        self.reserved = torch.cuda.memory_reserved()
