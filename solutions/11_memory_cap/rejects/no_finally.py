"""test_cap_returns: the cap stays after an exception."""

from contextlib import contextmanager

import torch


@contextmanager
def memory_cap(fraction, device=None):
    index = device if isinstance(device, int) else torch.device(device or "cuda").index
    index = torch.cuda.current_device() if index is None else index
    before = torch.cuda.get_per_process_memory_fraction(index)
    torch.cuda.set_per_process_memory_fraction(fraction, index)
    yield
    torch.cuda.set_per_process_memory_fraction(before, index)


def run_with_oom_fallback(fn, batch, min_chunk):
    try:
        return fn(batch)
    except torch.OutOfMemoryError:
        if len(batch) <= min_chunk:
            raise
    half = (len(batch) + 1) // 2
    first = run_with_oom_fallback(fn, batch[:half], min_chunk)
    second = run_with_oom_fallback(fn, batch[half:], min_chunk)
    return torch.cat([first, second])
