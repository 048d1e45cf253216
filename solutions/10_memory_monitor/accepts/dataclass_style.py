"""A frozen-looking result with properties, a parent link instead of a list, utils to name the device."""

import dataclasses

import torch
from torch.cuda._utils import _get_device_index


@dataclasses.dataclass
class Result:
    before: int = 0
    after: int = 0
    peak: int = 0
    reserved: int = 0

    @property
    def delta(self):
        return self.after - self.before


class memory_monitor:
    innermost = {}

    def __init__(self, device=None):
        self.wanted = device

    def sample(self):
        high = torch.cuda.max_memory_allocated(self.index)
        node = self
        while node is not None:
            node.result.peak = max(node.result.peak, high)
            node = node.parent
        torch.cuda.reset_peak_memory_stats(self.index)

    def __enter__(self):
        self.index = _get_device_index(self.wanted, optional=True)
        self.parent = memory_monitor.innermost.get(self.index)
        if self.parent:
            self.parent.sample()
        else:
            torch.cuda.reset_peak_memory_stats(self.index)
        memory_monitor.innermost[self.index] = self
        self.result = Result(before=torch.cuda.memory_allocated(self.index))
        return self.result

    def __exit__(self, *exc):
        self.sample()
        memory_monitor.innermost[self.index] = self.parent
        self.result.after = torch.cuda.memory_allocated(self.index)
        self.result.reserved = torch.cuda.memory_reserved(self.index)
        return False
