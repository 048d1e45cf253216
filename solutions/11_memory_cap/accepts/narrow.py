"""Walks through the rows; the chunk shrinks where it must and stays small from there on."""

import contextlib

import torch


@contextlib.contextmanager
def memory_cap(fraction, device=None):
    with torch.cuda.device(-1 if device is None else device):
        index = torch.cuda.current_device()
    previous = torch.cuda.get_per_process_memory_fraction(index)
    try:
        torch.cuda.set_per_process_memory_fraction(float(fraction), index)
        yield index
    finally:
        torch.cuda.set_per_process_memory_fraction(previous, index)


def _fits(fn, piece):
    try:
        return True, fn(piece)
    except torch.OutOfMemoryError:
        return False, None


def run_with_oom_fallback(fn, batch, min_chunk):
    n, chunk, start, parts = batch.shape[0], batch.shape[0], 0, []
    while start < n or not parts:
        length = min(chunk, n - start)
        ok, part = _fits(fn, batch.narrow(0, start, length))
        if ok:
            parts.append(part)
            start += length
        elif length <= min_chunk:
            raise torch.OutOfMemoryError(f"even {length} rows do not fit")
        else:
            chunk = (length + 1) // 2
    return torch.cat(parts)
