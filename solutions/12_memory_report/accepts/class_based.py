"""A named tuple with a property, turned into the dict at the end; the current device named once."""

from typing import NamedTuple

import torch


class Memory(NamedTuple):
    free: int
    total: int
    allocated: int
    reserved: int

    @property
    def cached(self):
        return self.reserved - self.allocated

    @classmethod
    def of(cls, device):
        return cls(
            *torch.cuda.memory.mem_get_info(device),
            torch.cuda.memory_allocated(device),
            torch.cuda.memory_reserved(device),
        )


def memory_report(device=None):
    if device is None:
        device = torch.cuda.current_device()
    memory = Memory.of(device)
    return memory._asdict() | {"cached": memory.cached}
