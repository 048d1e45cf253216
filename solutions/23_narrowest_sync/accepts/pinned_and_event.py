"""An asynchronous copy into pinned memory and an event behind it; match for the targets."""

import torch


def fetch(tensor, stream):
    landing = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    arrived = torch.cuda.Event()
    with torch.cuda.stream(stream):
        landing.copy_(tensor, non_blocking=True)
        arrived.record()
    arrived.synchronize()
    return landing


def wait_for(target=None):
    match target:
        case torch.cuda.Stream() | torch.cuda.Event():
            target.synchronize()
        case torch.device() | None:
            torch.cuda.synchronize(device=target)
        case _:
            raise TypeError(type(target).__name__)
