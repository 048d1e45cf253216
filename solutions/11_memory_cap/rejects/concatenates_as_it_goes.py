"""test_nothing_stays: a generator holds its piece while the concatenation has it already."""

import functools
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
    def results(rows):
        failed = False
        try:
            result = fn(rows)
        except torch.OutOfMemoryError:
            failed = True
            if len(rows) <= min_chunk:
                raise
        if failed:
            for half in torch.tensor_split(rows, 2):
                yield from results(half)
        else:
            yield result

    return functools.reduce(lambda a, b: torch.cat((a, b)), results(batch))
