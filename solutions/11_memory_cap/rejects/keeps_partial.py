"""test_result: starts over and keeps the pieces of the first round."""

from contextlib import contextmanager

import torch


@contextmanager
def memory_cap(fraction, device=None):
    index = device if isinstance(device, int) else torch.device(device or "cuda").index
    index = torch.cuda.current_device() if index is None else index
    before = torch.cuda.get_per_process_memory_fraction(index)
    torch.cuda.set_per_process_memory_fraction(fraction, index)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(before, index)


def run_with_oom_fallback(fn, batch, min_chunk):
    size = len(batch)
    out = []
    while True:
        failed = False
        for piece in batch.split(max(size, 1)):
            try:
                out.append(fn(piece))
            except torch.OutOfMemoryError:
                failed = True
                break
        if not failed:
            return torch.cat(out)
        if size <= min_chunk:
            raise torch.OutOfMemoryError("too large")
        size = max(min_chunk, (size + 1) // 2)
