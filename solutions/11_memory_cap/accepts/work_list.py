"""A list of pieces still to do; the error is remembered without its traceback."""

from collections import deque
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def memory_cap(fraction, device=None):
    with ExitStack() as stack:
        if isinstance(device, int):
            index = device
        else:
            device = torch.device("cuda" if device is None else device)
            index = device.index if device.index is not None else torch.cuda.current_device()
        cap = torch.cuda.get_per_process_memory_fraction(index)
        stack.callback(torch.cuda.set_per_process_memory_fraction, cap, index)
        torch.cuda.memory.set_per_process_memory_fraction(fraction, index)
        yield


def run_with_oom_fallback(fn, batch, min_chunk):
    todo, done = deque([batch]), []
    while todo:
        piece = todo.popleft()
        failed = None
        try:
            done.append(fn(piece))
        except torch.cuda.OutOfMemoryError as e:
            failed = torch.cuda.OutOfMemoryError(*e.args)
        if failed is not None:
            rows = piece.size(0)
            if rows <= min_chunk:
                raise failed
            todo.extendleft(reversed(piece.tensor_split(2)))
    return done[0] if len(done) == 1 else torch.cat(done, dim=0)
